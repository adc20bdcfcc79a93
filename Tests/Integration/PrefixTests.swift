import NomadPlugin
import Foundation
import MessagePack
import NomadTestSupport
import Processes
import TestHelpers
import Testing

/// The plugin's `command_prefix`.
@Suite(.limitedParallelism) struct PrefixTests {
  private static var prefix: MessagePackValue { .array(Units.commandPrefix.map { .string($0) }) }

  @Test(.enabled(if: !Units.commandPrefix.isEmpty, "needs a prefix: make test-matrix gives one"))
  func theHostBehindThePrefixIsHealthy() async throws {
    try await Nomad.run(["command_prefix": Self.prefix]) { nomad in
      let fingerprint = try await nomad.firstFingerprint()
      #expect(fingerprint.health == .healthy, "\(fingerprint)")
      let version = try await Units.systemctl("--version").split(separator: " ")[1]
      #expect(fingerprint.attributes["driver.systemd.version"] == .string(String(version)))
    }
  }

  @Test(.enabled(if: !Units.commandPrefix.isEmpty, "needs a prefix: make test-matrix gives one"))
  func theHostBehindThePrefixCanBeChecked() async throws {
    let words = Units.commandPrefix.map { "--command-prefix=\($0)" }
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(executable: program, arguments: ["check"] + words + ["dbus"], timeLimit: .seconds(60)))
    let text = String(decoding: output.standardOutput, as: UTF8.self)
    #expect(text.contains("  ok    rights "), "\(text)")
    #expect(text.contains("  ok    journal  "), "\(text)")
    #expect(
      text.contains(
        "  warn  exec             the processes of units behind a command_prefix cannot be reached"),
      "\(text)")
    #expect(text.contains("\ndbus.service\n  ok    load state "), "\(text)")
    #expect(text.contains(" 0 fail"), "\(text)")
  }

  /// A prefix that notes each command before it runs it: all that the driver does goes through it.
  @Test(.needsSystemd) func everyCommandGoesThroughThePrefix() async throws {
    let log = "\(NSTemporaryDirectory())/prefix-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: log) }
    try await withScript("echo \"$*\" >> \(log); exec \"$@\"") { script in
      try await Nomad.run(["command_prefix": [.string(script)]]) { nomad in
        try await nomad.withTask(try await Units.make("t-term")) { task in
          try await eventually("the unit's trap") { task.allocation.lines == ["ready"] }
          try await task.calls.stopTask(task.id, timeout: .seconds(300), signal: "SIGUSR2")
          let exitCode = try await task.wait().exitCode
          #expect(exitCode == 4)
        }
      }
    }
    let commands = try String(contentsOfFile: log, encoding: .utf8)
    for words in [
      "systemctl .* show ", "systemctl .* start ", "systemctl .* kill --fail --signal=SIGUSR2 ",
      "systemctl .* stop ",
      "systemctl .* reset-failed ", "journalctl .* --follow ", "journalctl --sync",
    ] {
      #expect(try Regex(words).firstMatch(in: commands) != nil, "\(words): \(commands)")
    }
  }
}
