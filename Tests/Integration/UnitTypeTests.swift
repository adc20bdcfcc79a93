import Foundation
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// Units of all types as tasks.
@Suite(.needsSystemd, .limitedParallelism) struct UnitTypeTests {
  /// Starts a unit, looks whether it runs, stops it, and looks how it ended.
  private func runs(_ unit: String, subState: String) async throws {
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the state") {
          try await task.inspect().driverAttributes["sub_state"] == subState
        }
        let state = try await task.inspect().state
        #expect(state == .running)
        try await task.calls.stopTask(task.id, timeout: .seconds(300))
        let result = try await task.wait()
        #expect(result.exitCode == 0, "\(result)")
        let activeState = try await Units.property("ActiveState", of: unit)
        #expect(activeState == "inactive")
      }
    }
  }

  // MARK: Services

  @Test(arguments: ["simple", "exec", "idle"]) func service(type: String) async throws {
    let unit = try await Units.install("[Service]", "Type=\(type)", "ExecStart=/bin/sleep infinity")
    try await self.runs(unit, subState: "running")
  }

  @Test func forkingService() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=forking", "ExecStart=/bin/sh -c 'sleep infinity & exit 0'")
    try await self.runs(unit, subState: "running")
  }

  @Test func forkingServiceThatDies() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=forking", "PIDFile=/run/NAME.pid",
      "ExecStart=/bin/sh -c 'sleep infinity & echo $$! > /run/NAME.pid'")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await Units.systemctl("kill", "--signal=KILL", unit)
        let result = try await task.wait()
        #expect(result.exitCode == 137 && result.signal == 9, "\(result)")
      }
    }
  }

  @Test func notifyService() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=notify", "NotifyAccess=all",
      "ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'")
    try await self.runs(unit, subState: "running")
  }

  @Test func dbusService() async throws {
    // A program of systemd's own that takes a name on the bus.
    let unit = try await Units.install(
      "[Service]", "Type=dbus", "BusName=org.freedesktop.hostname1",
      "ExecStart=/usr/lib/systemd/systemd-hostnamed")
    try await self.runs(unit, subState: "running")
  }

  @Test func oneshotThatRemains() async throws {
    let unit = try await Units.install(
      "[Service]", "Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true")
    try await self.runs(unit, subState: "exited")
  }

  @Test func oneshot() async throws {
    let unit = try await Units.install("[Service]", "Type=oneshot", "ExecStart=/bin/true")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        let exitCode = try await task.wait().exitCode
        #expect(exitCode == 0)
      }
    }
  }

  // MARK: Other types

  @Test func socket() async throws {
    let unit = try await Units.install("[Socket]", "ListenStream=/run/NAME.sock", suffix: "socket")
    let service = unit.replacingOccurrences(of: ".socket", with: ".service")
    try Units.write(["[Service]", "ExecStart=/bin/sleep infinity"], to: service)
    try await self.runs(unit, subState: "listening")
  }

  @Test func timer() async throws {
    let unit = try await Units.install("[Timer]", "OnActiveSec=1h", suffix: "timer")
    let service = unit.replacingOccurrences(of: ".timer", with: ".service")
    try Units.write(["[Service]", "ExecStart=/bin/true"], to: service)
    try await self.runs(unit, subState: "waiting")
  }

  @Test func path() async throws {
    let unit = try await Units.install("[Path]", "PathExists=/run/NAME.path", suffix: "path")
    let service = unit.replacingOccurrences(of: ".path", with: ".service")
    try Units.write(["[Service]", "ExecStart=/bin/true"], to: service)
    try await self.runs(unit, subState: "waiting")
  }

  @Test func mount() async throws {
    let directory = "/run/mount-\(UUID().uuidString.lowercased())"
    let unit = try await Units.systemctl("show", "--value", "--property=Id", "--", directory)
      .trimmingCharacters(in: .newlines)
    // A name with escapes: the dashes of the path.
    #expect(unit.contains(#"\x2d"#) && unit.hasSuffix(".mount"))
    try Units.write(["[Mount]", "What=tmpfs", "Where=\(directory)", "Type=tmpfs"], to: unit)
    try await Units.systemctl("daemon-reload")
    try await self.runs(unit, subState: "mounted")
    try? FileManager.default.removeItem(atPath: directory)
  }

  @Test func mountThatFails() async throws {
    let directory = "/run/mount\(UInt32.random(in: 0...UInt32.max))"
    let unit = directory.dropFirst().replacingOccurrences(of: "/", with: "-") + ".mount"
    try Units.write(["[Mount]", "What=/no/such/device", "Where=\(directory)", "Type=ext4"], to: unit)
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      let allocation = try Allocation(unit: unit)
      defer { allocation.remove() }
      let error = await #expect(throws: DriverError.self) {
        try await nomad.calls.startTask(allocation.config)
      }
      #expect(error?.description.contains(unit) == true)
    }
    try await Units.systemctl("reset-failed", unit)
  }

  @Test func slice() async throws {
    // A dash in a slice's name is a level of the tree.
    let unit = "s\(UInt32.random(in: 0...UInt32.max)).slice"
    try Units.write(["[Unit]", "Description=A slice"], to: unit)
    try await Units.systemctl("daemon-reload")
    try await self.runs(unit, subState: "active")
  }

  @Test func target() async throws {
    let unit = try await Units.install("[Unit]", "Description=A target", suffix: "target")
    try await self.runs(unit, subState: "active")
  }

  /// A scope has processes that systemd did not start: it can only be adopted.
  @Test(arguments: [false, true]) func scope(isStopped: Bool) async throws {
    let starter = try await Units.install(
      "[Service]",
      "ExecStart=/usr/bin/systemd-run --scope --quiet --unit=NAME.scope "
        + "/bin/sh -c 'until test -e /run/NAME.go; do sleep 0.02; done; exit 3'")
    let name = starter.replacingOccurrences(of: ".service", with: "")
    let unit = "\(name).scope"
    try await Units.systemctl("start", starter)
    try await eventually("the scope") { try await Units.property("ActiveState", of: unit) == "active" }
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        if isStopped {
          try await task.calls.stopTask(task.id, timeout: .seconds(300))
        } else {
          try Units.go(starter)
        }
        let result = try await task.wait()
        // A scope has no main process: it has ended well when nothing of it is left.
        #expect(result.exitCode == 0, "\(result)")
      }
    }
  }

  // MARK: Names

  @Test func instanceOfATemplate() async throws {
    let template = "tpl-\(UUID().uuidString.lowercased())"
    try Units.write(
      ["[Service]", "ExecStart=/bin/sh -c 'echo instance %i; exec sleep infinity'"],
      to: "\(template)@.service")
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      try await nomad.withTask("\(template)@1") { first in
        try await nomad.withTask("\(template)@2.service") { second in
          try await eventually("the lines") {
            first.allocation.lines.contains("instance 1") && second.allocation.lines.contains("instance 2")
          }
        }
      }
    }
  }

  @Test(arguments: [#"a\x2db"#, "a:b", "a_b-c.d", #"\x40\x2f"#]) func nameWithEscapes(prefix: String)
    async throws
  {
    let unit = "\(prefix)-\(UInt32.random(in: 0...UInt32.max)).service"
    try Units.write(["[Service]", "ExecStart=/bin/sh -c 'echo here; exec sleep infinity'"], to: unit)
    try await Units.systemctl("daemon-reload")
    try await Nomad.run { nomad in
      try await nomad.withTask(unit) { task in
        try await eventually("the line") { task.allocation.lines.contains("here") }
        let name = try await task.inspect().driverAttributes["unit"]
        #expect(name == unit)
      }
    }
  }
}
