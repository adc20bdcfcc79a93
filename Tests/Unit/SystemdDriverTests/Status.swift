import Systemd

@testable import SystemdDriver

/// What systemd could say of a unit.
func status(_ activeState: String, _ properties: [String: String] = [:]) throws -> UnitStatus {
  let base = ["Id": "x.service", "LoadState": "loaded", "ActiveState": activeState]
  return try UnitStatus(properties: base.merging(properties) { $1 })
}

/// What the journal could say of a run that has ended.
func history(_ invocationID: String, result: String, status: Int32) throws -> UnitHistory {
  func entry(_ fields: String) throws -> JournalEntry {
    let line =
      "{\"__CURSOR\":\"s=a;i=1\",\"__REALTIME_TIMESTAMP\":\"1\",\"__MONOTONIC_TIMESTAMP\":\"1\","
      + "\"_BOOT_ID\":\"b\",\"_PID\":\"1\",\"UNIT\":\"x.service\",\"INVOCATION_ID\":\"\(invocationID)\",\(fields)}"
    return try JournalEntry(json: Array(line.utf8)[...])
  }
  let exit = try entry("\"EXIT_CODE\":\"exited\",\"EXIT_STATUS\":\"\(status)\",\"COMMAND\":\"ExecStart\"")
  let end =
    result == "success"
    ? try entry("\"MESSAGE_ID\":\"7ad2d189f7e94e70a38c781354912448\"")
    : try entry("\"MESSAGE_ID\":\"d9b373ed55a64feb8242e02dbe79a49c\",\"UNIT_RESULT\":\"\(result)\"")
  return UnitHistory([exit, end])
}
