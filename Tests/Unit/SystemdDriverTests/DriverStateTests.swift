import NomadPlugin
import Systemd
import Testing

@testable import SystemdDriver

@Suite struct DriverStateTests {
  @Test func roundTrip() throws {
    let cursor = try #require(JournalCursor("s=1a;i=2;b=3;m=4;t=5;x=6"))
    for position in [JournalPosition.beginning, .after(cursor), .since(RealtimeTimestamp(microseconds: 7))] {
      let state = try DriverState(try DriverState(unit: "a.service", logs: position).encoded)
      #expect(state.unit == "a.service")
      #expect(state.logs == position)
    }
  }

  @Test func aCursorThatIsNoneIsNotUsed() throws {
    let state = try DriverState(Array(#"{"version":1,"unit":"a.service","cursor":"--flush"}"#.utf8))
    #expect(state.logs == .beginning)
  }

  @Test(arguments: [
    "", "{}", "null", "[1]", "{\"version\":1}", "{\"version\":2,\"unit\":\"a.service\"}", "\u{0}\u{1}",
    "{\"version\":\"1\",\"unit\":\"a.service\"}", String(repeating: " ", count: 1 << 20),
  ])
  func garbage(text: String) {
    let error = #expect(throws: DriverError.self) { try DriverState(Array(text.utf8)) }
    guard case .unrecoverable? = error else { return #expect(Bool(false), "\(String(describing: error))") }
  }
}
