import Foundation
import MessagePack
import NomadTestSupport
import Systemd
import TestHelpers
import Testing

/// Sessions on this systemd, and those that were recorded on others.
@Suite(.limitedParallelism) struct SessionTests {
  /// A recording: `testdata/transcripts/<systemd's version>/<session>.jsonl`.
  struct Recording: Sendable, CustomTestStringConvertible {
    let version: String
    let session: Session

    var path: String { "\(SessionTests.transcripts)/\(self.version)/\(self.session.name).jsonl" }
    var testDescription: String { "\(self.session.name) on systemd \(self.version)" }
  }

  private static let transcripts = "\(packageDirectory)/testdata/transcripts"

  /// The recordings that are there; ``everythingIsRecorded()`` tells what lacks.
  private static let recordings = Self.versions.flatMap { version in
    Session.all.map { Recording(version: version, session: $0) }
  }.filter { FileManager.default.fileExists(atPath: $0.path) }

  private static var versions: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: Self.transcripts)) ?? []).sorted()
  }

  /// All at once: systemd counts a restart again that it has scheduled before a daemon-reload.
  private static let installed = Task {
    let files = Session.all.reduce(into: [:]) { $0.merge($1.files) { $1 } }
    for (unit, lines) in files { try Units.write(lines, to: unit) }
    for (unit, lines) in files where lines.contains("[Install]") { try await Units.enable(unit) }
    try await Units.systemctl("daemon-reload")
  }

  @Test func everythingIsRecorded() throws {
    #expect(Self.versions.count >= 5)
    for version in Self.versions {
      let names = try FileManager.default.contentsOfDirectory(atPath: "\(Self.transcripts)/\(version)")
      #expect(Set(names) == Set(Session.all.map { "\($0.name).jsonl" }), "\(version)")
    }
  }

  /// The plugin sees the same, and decides the same, on every version.
  @Test(arguments: SessionTests.recordings) func replay(recording: Recording) async throws {
    try await recording.session.run(
      ["replay": .string(recording.path), "replay_speed": 2, "poll_interval": "500ms"],
      systemd: try #require(Int(recording.version)), runsAside: false)
  }

  /// On the systemd that is here, or behind the prefix.
  @Test(
    .enabled(if: hasSystemd || !Units.commandPrefix.isEmpty, "needs a private host"), arguments: Session.all)
  func live(session: Session) async throws {
    try await Self.installed.value
    var configuration: [MessagePackValue.MapEntry] = [
      .init(key: "command_prefix", value: .array(Units.commandPrefix.map { .string($0) }))
    ]
    if let directory = ProcessInfo.processInfo.environment["RECORD_TRANSCRIPTS"] {
      configuration.append(.init(key: "record", value: .string("\(directory)/\(session.name).jsonl")))
    }
    let options = MessagePackValue.map(configuration)
    let systemd = try #require(SystemdVersion(try await Units.systemctl("--version"))?.number)
    guard !session.before.isEmpty else {
      return try await session.run(options, systemd: systemd, runsAside: true)
    }
    try await Units.withoutReload {
      for command in session.before { try await Units.run(command) }
      try await session.run(options, systemd: systemd, runsAside: true)
    }
  }
}
