import MessagePack
import NomadPlugin
import Systemd
import TestHelpers
import Testing

@testable import SystemdDriver

/// The lines of a unit on their way to Nomad's log collector.
@Suite(.timeLimit(.minutes(1))) struct DriverLogTests {
  @Test func linesGoToTheirStreams() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      // Of a run before the task's.
      web.print("earlier")
      systemd.add("other.service")
      try await driver.withLoggedTask("web") { allocation in
        web.print("out 1")
        web.print("err", priority: 3)
        systemd.journal.append("other.service", "other")
        web.print("out 2")
        web.exit(0)
        _ = try await driver.waitTask(allocation.config.id)
        #expect(try await allocation.allLines() == ["out 1", "out 2"])
        #expect(try await allocation.standardError.allLines() == ["err"])
      }
    }
  }

  @Test func whatSystemdSaysOfTheUnit() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service")
      try await driver.withLoggedTask("web", ["logs": [:]]) { allocation in
        web.print("out")
        web.exit(7)
        _ = try await driver.waitTask(allocation.config.id)
        #expect(
          try await allocation.allLines() == [
            "systemd[1]: Started web.service.", "out",
            "systemd[1]: web.service: Main process exited, code=exited, status=7",
            "systemd[1]: web.service: Failed with result 'exit-code'.",
          ])
      }
    }
  }

  @Test func theLinesFromBeforeAnAdoption() async throws {
    try await withDriver { driver, systemd in
      let web = systemd.add("web.service") { $0.request(.start) }
      web.print("before")
      try await driver.withLoggedTask("web", ["logs": ["lifecycle": false, "include_adopted": true]]) {
        allocation in
        web.print("after")
        try await eventually("both lines") { allocation.lines == ["before", "after"] }
      }
    }
  }

  @Test func theLinesOfAUnitThatIsTriggered() async throws {
    try await withDriver { driver, systemd in
      systemd.add("backup.timer") { $0.triggers = ["backup.service"] }
      let service = systemd.add("backup.service")
      try await driver.withLoggedTask(
        "backup.timer", ["logs": ["lifecycle": false, "include_triggered": true]]
      ) { allocation in
        service.print("copied")
        try await eventually("the line") { allocation.lines == ["copied"] }
      }
    }
  }

  @Test func linesThatJournaldDrops() async throws {
    try await withDriver { driver, systemd in
      systemd.add("web.service")
      try await driver.withLoggedTask("web") { _ in
        systemd.journal.append([
          "_TRANSPORT": "driver", "_UID": "0", "MESSAGE_ID": "a596d6fe7bfa4994828e72309e95d61e",
          "OBJECT_SYSTEMD_UNIT": "web.service", "MESSAGE": "Suppressed 7 messages from web.service",
        ])
        try await driver.event("web.service logs too much: Suppressed 7 messages from web.service")
      }
    }
  }

  @Test func logsThatAreOff() async throws {
    try await withDriver(FakeSystemd(), ["disable_log_collection": true]) { driver, systemd in
      let web = systemd.add("web.service")
      #expect(driver.capabilities.disableLogCollection)
      let id = try await driver.start("web")
      web.exit(0)
      _ = try await driver.waitTask(id)
      // Nothing but what systemd says about the unit is read.
      #expect(systemd.journal.commands.allSatisfy { $0.contains(" _PID=1") || $0 == "--sync" })
    }
  }

  @Test func theEndOfTheUnitIsHintedAtByTheJournal() async throws {
    // Polling alone would take a minute.
    try await withDriver(FakeSystemd(), ["poll_interval": "60s"]) { driver, systemd in
      let web = systemd.add("web.service")
      try await driver.withLoggedTask("web") { allocation in
        try await driver.event("Started web.service")
        try await eventually("a follower") { systemd.journal.followerCount > 0 }
        web.exit(7)
        #expect(try await driver.waitTask(allocation.config.id).exitCode == 7)
        #expect(systemd.commands(.listUnits).isEmpty)
      }
    }
  }
}
