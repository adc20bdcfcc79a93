import Foundation
import Processes
import Systemd
import TestHelpers

/// The units that the tests start: templates, so that every test has instances of its own.
package enum Units {
  /// The words that reach the systemd of another host; none where it is this host's.
  package static let commandPrefix = (ProcessInfo.processInfo.environment["INTEGRATION_PREFIX"] ?? "")
    .split(separator: " ").map(String.init)

  /// Where the files of units go, here or in the root of that host.
  private static let directory =
    (ProcessInfo.processInfo.environment["INTEGRATION_ROOT"] ?? "") + "/run/systemd/system"

  /// A unit for one test.
  package static func make(_ template: String) async throws -> String {
    try await installed.value
    return "\(template)@\(UUID().uuidString.lowercased()).service"
  }

  /// A unit of any type for one test, with a name of its own.
  ///
  /// - Parameter lines: the lines of its file; `NAME` in them stands for its name without the suffix.
  package static func install(_ lines: String..., suffix: String = "service") async throws -> String {
    try await installed.value
    let name = "u-\(UUID().uuidString.lowercased())"
    try self.write(lines, to: "\(name).\(suffix)", name: name)
    try await systemctl("daemon-reload")
    return "\(name).\(suffix)"
  }

  /// Writes the file of a unit; systemd does not know of it yet.
  package static func write(_ lines: [String], to unit: String, name: String = "") throws {
    let text = lines.joined(separator: "\n").replacingOccurrences(of: "NAME", with: name)
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(self.directory)/\(unit)"))
  }

  /// Enables a unit; systemd does not know of it yet. If it did that itself, it would for a while say of all units that their
  /// files have changed.
  package static func enable(_ unit: String) async throws {
    try await systemctl("--root=/", "enable", "--runtime", "--quiet", unit)
  }

  /// Removes the file of a unit; systemd does not know of it yet.
  package static func removeFile(of unit: String) throws {
    try FileManager.default.removeItem(atPath: "\(self.directory)/\(unit)")
  }

  /// Makes the file `/run/NAME.go`, NAME being the unit's without its type: what the unit may wait for.
  package static func go(_ unit: String) throws { try Data().write(to: self.goFile(of: unit)) }

  /// Takes ``go(_:)`` back.
  package static func stay(_ unit: String) throws {
    try FileManager.default.removeItem(at: self.goFile(of: unit))
  }

  private static func goFile(of unit: String) -> URL {
    URL(fileURLWithPath: "/run/\(unit.replacingOccurrences(of: ".service", with: "")).go")
  }

  /// A property of a unit.
  package static func property(_ property: String, of unit: String) async throws -> String {
    try await systemctl("show", "--value", "--property=\(property)", "--", unit).trimmingCharacters(
      in: .newlines)
  }

  /// The version of systemd.
  package static func version() async throws -> Int {
    SystemdVersion(try await self.systemctl("--version"))?.number ?? 0
  }

  private static let installed = Task {
    let directory = URL(fileURLWithPath: Units.directory)
    for (name, lines) in templates {
      try Data(lines.joined(separator: "\n").utf8).write(
        to: directory.appendingPathComponent("\(name)@.service"))
    }
    // An earlier process of the tests may have made it.
    try? FileManager.default.createSymbolicLink(
      atPath: directory.appendingPathComponent("t-masked@.service").path, withDestinationPath: "/dev/null")
    try await systemctl("daemon-reload")
  }

  private static let templates: [String: [String]] = [
    "t-lines": ["[Service]", "ExecStart=/bin/sh -c 'for i in 1 2 3; do echo line $i; sleep 0.1; done'"],
    "t-many": [
      "[Service]", "LogRateLimitIntervalSec=1s", "LogRateLimitBurst=1000000", "ExecStart=/usr/bin/seq 1000",
    ],
    "t-exit7": ["[Service]", "ExecStart=/bin/sh -c 'echo bad; exit 7'"],
    "t-killed": ["[Service]", "ExecStart=/bin/sh -c 'kill -USR1 $$$$'"],
    "t-core": ["[Service]", "LimitCORE=0", "ExecStart=/bin/sh -c 'kill -ABRT $$$$'"],
    "t-noexec": ["[Service]", "ExecStart=/nonexistent/program"],
    "t-sleep": ["[Service]", "ExecStart=/bin/sleep infinity"],
    "t-stubborn": [
      "[Service]", "TimeoutStopSec=300",
      "ExecStart=/bin/sh -c 'trap \"\" TERM; echo ready; exec sleep infinity'",
    ],
    "t-oneshot": ["[Service]", "Type=oneshot", "ExecStart=/bin/echo once"],
    "t-longoneshot": ["[Service]", "Type=oneshot", "ExecStart=/bin/sleep infinity"],
    "t-failingoneshot": ["[Service]", "Type=oneshot", "ExecStart=/bin/sh -c 'exit 3'"],
    "t-remain": ["[Service]", "Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true"],
    "t-restart": [
      "[Service]", "Restart=on-failure", "RestartSec=50ms",
      "ExecStart=/bin/sh -c 'n=/run/t-restart-%i; echo x >> $n; test $(wc -l < $n) -ge 3 && exec sleep infinity; exit 1'",
      "ExecStopPost=-/bin/true",
    ],
    "t-bad": ["[Service]", "Type=nonsense", "ExecStart=bin/true", "ExecStart=/bin/true", "Type=simple"],
    "t-term": [
      "[Service]", "KillMode=mixed",
      "ExecStart=/bin/sh -c 'trap \"echo got TERM; exit 0\" TERM; trap \"echo got USR2; exit 4\" USR2; "
        + "echo ready; while :; do sleep 0.05; done'",
    ],
    "t-bytes": [
      "[Service]",
      #"ExecStart=/usr/bin/printf '\\377\\376 odd\\n\\nTab\\there "quoted"\\nlast without newline'"#,
    ],
    "t-counter": [
      "[Service]", "LogRateLimitIntervalSec=1s", "LogRateLimitBurst=1000000",
      "ExecStart=/bin/sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done'",
    ],
    "t-burn": [
      "[Service]", "CPUAccounting=yes", "MemoryAccounting=yes", "ExecStart=/bin/sh -c 'while :; do :; done'",
    ],
  ]

  /// Runs `systemctl`. Gives what it printed.
  @discardableResult
  package static func systemctl(_ arguments: String...) async throws -> String {
    let command = ["systemctl"] + arguments
    guard arguments == ["daemon-reload"] else { return try await self.run(command) }
    return try await self.withoutReload { try await self.run(command) }
  }

  /// Kills a unit as systemd-oomd does, which tells the manager so by an attribute of the unit's control group.
  package static func killForMemory(_ unit: String) async throws {
    let group = try await self.property("ControlGroup", of: unit)
    let root = ProcessInfo.processInfo.environment["INTEGRATION_ROOT"] ?? ""
    let directories = ["\(root)/sys/fs/cgroup/unified\(group)", "\(root)/sys/fs/cgroup\(group)"]
    guard
      let directory = directories.first(where: {
        FileManager.default.fileExists(atPath: "\($0)/cgroup.procs")
      })
    else { throw NeverHeld(what: "a control group of \(unit) in version 2") }
    // Glibc's module does not have sys/xattr.h.
    typealias SetAttribute =
      @convention(c) (UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafeRawPointer, Int, Int32) -> Int32
    let setAttribute = unsafeBitCast(dlsym(nil, "setxattr"), to: SetAttribute.self)
    // The first is of systemd 247.
    for name in ["user.systemd_oomd_kill", "user.oomd_kill", "user.oomd_ooms"] {
      guard setAttribute(directory, name, "1", 1, 0) == 0 else {
        throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
      }
    }
    try await self.systemctl("kill", "--signal=KILL", unit)
  }

  /// Keeps the tests beside this one from having systemd read all files anew for as long as `body` takes: it then forgets
  /// the starts that it has counted.
  package static func withoutReload<R: Sendable>(_ body: @Sendable () async throws -> R) async throws -> R {
    try await self.reloads.run(body)
  }

  private static let reloads = CommandLimiter(width: 1, permitDuration: .seconds(120))

  /// Runs a command where the units are. Gives what it printed.
  @discardableResult
  package static func command(_ name: String, _ arguments: String...) async throws -> String {
    try await self.run([name] + arguments)
  }

  /// Runs a command where the units are. Gives what it printed.
  @discardableResult
  package static func run(_ command: [String]) async throws -> String {
    let words = self.commandPrefix + command
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(
        executable: Executable.find(words[0]), arguments: Array(words.dropFirst()), timeLimit: .seconds(60)))
    return String(decoding: output.standardOutput, as: UTF8.self)
  }
}
