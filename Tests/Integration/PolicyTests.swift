import Foundation
import MessagePack
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// Units that a job may not have are left as they are.
@Suite(.needsSystemd, .limitedParallelism) struct PolicyTests {
  private func refusal(_ nomad: Nomad, _ config: TaskConfig) async throws -> String {
    let error = await #expect(throws: DriverError.self) { try await nomad.calls.startTask(config) }
    await #expect(throws: DriverError.taskNotFound) { try await nomad.calls.inspectTask(config.id) }
    return Self.unrecoverableText(error)
  }

  private static func unrecoverableText(_ error: DriverError?) -> String {
    guard case .unrecoverable(let text) = error else {
      return "not unrecoverable: \(String(describing: error))"
    }
    return text
  }

  @Test(arguments: ["systemd-journald.service", "-.slice", "sysinit.target", "dbus"])
  func whatTheHostDependsOn(unit: String) async throws {
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      #expect(try await self.refusal(nomad, allocation.config).contains("unprotected_units"))
    }
  }

  @Test func anAliasOfWhatIsDenied() async throws {
    let unit = try await Units.install("[Service]", "ExecStart=/bin/sleep infinity")
    let alias = unit.replacingOccurrences(of: "u-", with: "alias-")
    try FileManager.default.createSymbolicLink(
      atPath: "/run/systemd/system/\(alias)", withDestinationPath: "/run/systemd/system/\(unit)")
    try await Units.systemctl("daemon-reload")
    // By the name that is denied, by the other one, and by a true name that is not allowed.
    let denials: [(MessagePackValue, String)] = [
      (["denied_units": [.string(unit)]], alias), (["denied_units": [.string(alias)]], unit),
      (["allowed_units": [.string(alias)]], alias),
    ]
    for (options, name) in denials {
      try await Nomad.run(options) { nomad in
        let allocation = try Allocation(unit: name)
        defer { allocation.remove() }
        #expect(try await self.refusal(nomad, allocation.config).contains("ed_units"))
      }
    }
    #expect(try await Units.property("ActiveState", of: unit) == "inactive")
  }

  @Test func rulesOfNamespaces() async throws {
    let unit = try await Units.make("t-sleep")
    let options: MessagePackValue = [
      "policy": [
        ["namespace": "ours", "allowed_units": ["t-sleep@*"]], ["namespace": "*", "allowed_units": []],
      ]
    ]
    try await Nomad.run(options) { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      var config = allocation.config
      config.namespace = "theirs"
      #expect(try await self.refusal(nomad, config).contains("policy"))
      config.namespace = "ours"
      _ = try await nomad.calls.startTask(config)
      try await nomad.calls.destroyTask(config.id, force: true)
    }
  }

  /// A policy that has become stricter: the unit runs on, and is nobody's.
  @Test func recoveryOfWhatIsDeniedByNow() async throws {
    let unit = try await Units.make("t-counter")
    let allocation = try Allocation(unit: unit)
    defer { allocation.remove() }
    let handle = try await Nomad.run { nomad in
      let handle = try await nomad.calls.startTask(allocation.config)
      try await eventually("a line") { !allocation.lines.isEmpty }
      kill(nomad.pluginProcess, SIGKILL)
      return handle
    }
    try await Nomad.run(["denied_units": ["t-counter@*"]]) { nomad in
      let error = await #expect(throws: DriverError.self) { try await nomad.calls.recoverTask(handle) }
      #expect(Self.unrecoverableText(error).contains("denied_units"))
      // Nothing of the process before holds them open any more.
      try await eventually("the end of the logs") { allocation.standardOutput.hasEnded }
    }
    #expect(try await Units.property("ActiveState", of: unit) == "active")
    try await Units.systemctl("stop", unit)
  }
}
