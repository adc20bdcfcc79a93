import Testing

@testable import Systemd

@Suite struct JournalScopeTests {
  @Test(
    arguments: [
      (#""_PID":"1","_SYSTEMD_UNIT":"init.scope","UNIT":"web.service""#, true),
      (#""_PID":"1","_SYSTEMD_UNIT":"init.scope","UNIT":"other.service""#, false),
      (#""_PID":"1","_SYSTEMD_UNIT":"init.scope""#, false),
      (#""_PID":"7","_SYSTEMD_UNIT":"web.service""#, false),
      (#""_PID":"7","_SYSTEMD_UNIT":"web.service","UNIT":"web.service""#, false),
    ])
  func onlyTheManagerSpeaksForTheManager(fields: String, isManager: Bool) throws {
    let line =
      "{\"__CURSOR\":\"s=a;i=1\",\"__REALTIME_TIMESTAMP\":\"1\",\"__MONOTONIC_TIMESTAMP\":\"1\",\"_BOOT_ID\":\"b\","
      + "\(fields)}"
    let entry = try JournalEntry(json: Array(line.utf8)[...])
    let units = [try UnitName("web"), try UnitName("a.socket")]
    #expect(JournalScope.manager.includes(entry, of: units) == isManager)
    #expect(JournalScope.all.includes(entry, of: units))
  }
}
