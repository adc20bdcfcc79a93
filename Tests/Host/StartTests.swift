import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

extension HostTests {
  /// Alone on its host: on a busy machine a poll can see the process of a oneshot before it executes its program, and the
  /// start counts as one that has ended with 203.
  @Test(arguments: ["exec", "notify", "forking", "oneshot"])
  func aProgramThatCannotBeExecuted(type: String) async throws {
    let unit = try await Units.install("[Service]", "Type=\(type)", "ExecStart=/no/such/program")
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      let error = try await #require(throws: DriverError.self) {
        try await nomad.calls.startTask(allocation.config)
      }
      await #expect(throws: DriverError.taskNotFound) {
        try await nomad.calls.waitTask(allocation.config.id)
      }
      guard case .recoverable(let text) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(text.contains(unit) && text.contains("failed"), "\(text)")
      if type != "forking" { #expect(text.contains("EXEC"), "\(text)") }
    }
    try await Units.systemctl("reset-failed", unit)
  }

  /// A unit that takes a device as its terminal changes the owner and mode of it, which must not be the machine's.
  @Test func theDevicesAreTheHostsOwn() throws {
    let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8).split(separator: "\n")
      .compactMap { $0.split(separator: " ").dropFirst(4).first }
    #expect(mounts.contains("/dev"))
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
      #expect(!mounts.contains("/dev/\(device)"))
    }
  }
}
