import Processes
import Systemd

extension HostCheck {
  /// Checks the version of control groups, and that the controllers for statistics are there.
  func controlGroups() async throws -> Check {
    try await self.check("cgroup", .warn) {
      let output = try await self.run("cat", "/sys/fs/cgroup/cgroup.controllers")
      guard output.result.termination.isSuccess else {
        return Check(
          "cgroup", .warn, "version 1: \(self.message(of: output))",
          hint: "Some statistics of tasks may be missing, and systemd 258 and later needs version 2.")
      }
      let controllers = String(decoding: output.standardOutput, as: UTF8.self).split(
        whereSeparator: \.isWhitespace
      )
      .map(String.init)
      let finding =
        "version 2 with " + (controllers.isEmpty ? "no controllers" : controllers.joined(separator: " "))
      let missing = ["cpu", "memory", "pids"].filter { !controllers.contains($0) }
      guard !missing.isEmpty else { return Check("cgroup", .ok, finding) }
      return Check(
        "cgroup", .warn, finding,
        hint:
          "Tasks have no statistics of \(missing.joined(separator: ", ")), and limits of these do not hold."
      )
    }
  }
}
