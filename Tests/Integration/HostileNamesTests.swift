import MessagePack
import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// What is not the name of a unit reaches no command line; what is one reaches it as a name, whatever it looks like.
@Suite(.needsSystemd, .limitedParallelism) struct HostileNamesTests {
  private static let names = [
    "", "-", "--", "-H", "--now", "--host=x", "--now.target.", "-\u{301}.service", "*", "t-lin*",
    "t-line?.service",
    "t-lin[e]s.service", "/", "/etc/passwd", "./t-lines.service", "../t-lines.service", "a/\u{301}b.mount",
    "t-lines\n",
    "t-lines.service\nssh.service", "t-lines\r\n", "t-lines.service\0", "\0", "t-lines.service ssh.service",
    " t-lines",
    "t-lines.service,ssh.service", "$(reboot)", "`reboot`", "a;reboot", "t%i.service", "\u{1b}[2J",
    "web@.service", "@",
    ".service", "@x.service", "t-l\u{456}nes.service", "\u{ff54}-lines.service", "t\u{2011}lines.service",
    "t-lines\u{200b}.service", "\u{202e}senil-t.service", "\u{212a}.service", "t-lines\u{ff0e}service",
    "\u{feff}t-lines",
    String(repeating: "a", count: 248), String(repeating: "a", count: 249) + ".service",
    String(repeating: "a", count: 100_000),
  ]

  /// Runs a plugin whose systemctl notes all arguments, each on a line.
  private func withNotes(
    _ body: @escaping @Sendable (Nomad, _ notes: @Sendable () throws -> [String]) async throws -> Void
  ) async throws {
    let path = "\(NSTemporaryDirectory())/notes-\(UUID().uuidString)"
    try Data().write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    try await withScript("printf '%s\\n' \"$@\" >>'\(path)'\nexec systemctl \"$@\"") { script in
      try await Nomad.run(["systemctl_path": .string(script)]) { nomad in
        try await body(nomad) {
          try String(contentsOfFile: path, encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false
          )
          .map(String.init)
        }
      }
    }
  }

  @Test func noneReachesACommandLine() async throws {
    let harmless: Set = ["--version", "is-system-running", "--no-pager", "--no-ask-password", ""]
    try await self.withNotes { nomad, notes in
      for name in Self.names {
        let allocation = try Allocation(unit: name)
        defer { allocation.remove() }
        let start = await #expect(throws: DriverError.self) {
          try await nomad.calls.startTask(allocation.config)
        }
        guard case .unrecoverable(let text)? = start else {
          Issue.record("\(name.debugDescription): \(String(describing: start))")
          continue
        }
        #expect(text.utf8.count < 2000 && !text.unicodeScalars.contains { $0.value < 0x20 }, "\(text)")
        let state = try JSONSerialization.data(withJSONObject: ["version": 1, "unit": name])
        let handle = TaskHandle(config: allocation.config, state: .running, driverState: [UInt8](state))
        await #expect(throws: DriverError.self, "\(name.debugDescription)") {
          try await nomad.calls.recoverTask(handle)
        }
      }
      let words = try notes()
      #expect(words.allSatisfy(harmless.contains), "\(words)")
      // A name is noted.
      let allocation = try Allocation(unit: "no-such-unit")
      defer { allocation.remove() }
      await #expect(throws: DriverError.self) { try await nomad.calls.startTask(allocation.config) }
      #expect(try notes().contains("no-such-unit.service"))
    }
  }

  @Test(arguments: ["--now.service", "-H.service", "--host:x.service"])
  func whatLooksLikeAnOptionIsAName(name: String) async throws {
    try await self.withNotes { nomad, notes in
      let allocation = try Allocation(unit: name)
      defer { allocation.remove() }
      let error = await #expect(throws: DriverError.self) {
        try await nomad.calls.startTask(allocation.config)
      }
      #expect(error?.description.contains("\(name)") == true)
      #expect(
        error?.description.contains("list-unit-files") == true,
        "it is not found: \(String(describing: error))")
      let words = try notes()
      let place = try #require(words.firstIndex(of: name))
      #expect(words[..<place].contains("--"))
    }
  }

  /// systemctl would complete and escape these; a task is the unit with just that name.
  @Test func theNameIsNotCompletedToAnotherUnit() async throws {
    let unit = try await Units.install("[Service]", "Type=oneshot", "ExecStart=true", "RemainAfterExit=yes")
    let stem = String(unit.dropLast(".service".count))
    try await Nomad.run { nomad in
      for name in [
        "\(stem).", "\(stem).servic", "\(stem).Service", "\(stem).service.service", "\(stem)\\x2e",
      ] {
        let allocation = try Allocation(unit: name)
        defer { allocation.remove() }
        await #expect(throws: DriverError.self, "\(name)") {
          try await nomad.calls.startTask(allocation.config)
        }
      }
    }
    #expect(try await Units.property("ActiveState", of: unit) == "inactive")
  }
}
