import Processes
import Systemd

extension HostCheck {
  /// Checks that entries of the journal can be read.
  func journal() async throws -> Check {
    try await self.check("journal", .fail) {
      let output = try await self.run(
        "journalctl", "--no-pager", "--quiet", "--boot", "--lines=1", "--output=cat", "_PID=1")
      guard output.result.termination.isSuccess else {
        let error = self.tool("journalctl").error(output.result, "--lines=1")
        return Check(
          "journal", .fail, self.message(of: output),
          hint: error.reason == .accessDenied
            ? "Tasks have no logs. Run as root, or in the group systemd-journal."
            : "Tasks have no logs. Does systemd-journald.service run, and may it be read?")
      }
      guard !output.standardOutput.isEmpty else {
        return Check(
          "journal", .warn, "nothing from systemd in this boot",
          hint: "Others' entries may be hidden: run as root, or in the group systemd-journal.")
      }
      return Check("journal", .ok, "can be read")
    }
  }

  /// Checks that the driver may wait for journald to write what it has received.
  func journalSync() async throws -> Check {
    let hint =
      "The last lines of a unit may be late or missing, and an end that only the journal records is not seen."
    return try await self.check("journal sync", .warn) {
      let output = try await self.run("journalctl", "--sync")
      guard output.result.termination.isSuccess else {
        return Check("journal sync", .warn, self.message(of: output), hint: "\(hint) It needs root.")
      }
      return Check("journal sync", .ok, "can be waited for")
    }
  }

  /// Checks where journald stores its entries.
  func journalStorage() async throws -> Check {
    try await self.check("journal storage", .warn) {
      for (directory, kind) in [("/var/log/journal", "persistent"), ("/run/log/journal", "volatile")] {
        let output = try await self.run(
          "journalctl", "--no-pager", "--quiet", "--directory=\(directory)", "--boot", "--lines=1",
          "--output=cat")
        if output.result.termination.isSuccess, !output.standardOutput.isEmpty {
          return Check(
            "journal storage", .ok, "\(kind), in \(directory)",
            hint: kind == "volatile"
              ? "Lines that are not collected yet are lost when the machine restarts." : nil)
        }
      }
      return Check(
        "journal storage", .fail, "no entries of this boot in /var/log/journal or /run/log/journal",
        hint:
          "Tasks have no logs. Is it Storage=none in journald.conf? See `systemd-analyze cat-config systemd/journald.conf`."
      )
    }
  }

  /// Checks which lines journald drops.
  func journalLimits() async throws -> Check {
    try await self.check("journal limits", .warn) {
      let output = try await self.run("systemd-analyze", "--no-pager", "cat-config", "systemd/journald.conf")
      guard output.result.termination.isSuccess else {
        return Check(
          "journal limits", .warn, self.message(of: output),
          hint: "It is not known which lines journald drops.")
      }
      let settings = JournaldSettings(output.standardOutput)
      let interval = settings["RateLimitIntervalSec"] ?? settings["RateLimitInterval"] ?? "30s"
      let burst = settings["RateLimitBurst"] ?? "10000"
      let level = settings["MaxLevelStore"] ?? "debug"
      if !["info", "6", "debug", "7"].contains(level) {
        return Check(
          "journal limits", .warn, "MaxLevelStore=\(level)",
          hint: "What units print has the level info and is dropped: tasks have no logs.")
      }
      if ["0", "0s"].contains(interval) || burst == "0" {
        return Check("journal limits", .ok, "no rate limit")
      }
      let finding = "\(burst) lines in \(interval) of each unit"
      guard let number = Int(burst), number < 1000 else {
        return Check(
          "journal limits", .ok, finding,
          hint:
            "journald drops what is more; LogRateLimitBurst= in a unit raises that (0 does not switch it off)."
        )
      }
      return Check(
        "journal limits", .warn, finding,
        hint:
          "That is few, and journald drops the rest: raise RateLimitBurst= in journald.conf, or LogRateLimitBurst= in a unit."
      )
    }
  }
}
