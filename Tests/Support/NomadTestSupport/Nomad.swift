import Foundation
package import GoPlugin
package import GRPCCore
package import LibGRPCTransport
import Logging
package import MessagePack
package import NomadPlugin
package import TestHelpers

/// The plugin's program.
package let program =
  ProcessInfo.processInfo.environment["NOMAD_DRIVER_BINARY"]
  ?? "\(packageDirectory)/.build/debug/nomad-driver-systemd"

package let cookie = MagicCookie(
  key: "NOMAD_PLUGIN_MAGIC_COOKIE", value: "e4327c2e01eabfd75a8a67adb114fb34a757d57eee7728d857a8cec6e91a7255")

/// A Nomad agent as the plugin sees one: the calls, and what stands around them.
package struct Nomad: Sendable {
  package let calls: NomadPluginClient<LibGRPC.ClientTransport>
  package let pluginProcess: Int32
  /// The connection of the calls.
  package let client: GRPCClient<LibGRPC.ClientTransport>
  /// What the plugin has warned of.
  package let warnings: PluginWarnings

  /// Starts the plugin, configures it, and ends it after `body`.
  ///
  /// - Parameter launcher: a program, with its arguments, that becomes the plugin's.
  package static func run<R: Sendable>(
    _ configuration: MessagePackValue? = [:], through launcher: [String] = [],
    _ body: @Sendable (Nomad) async throws -> R
  ) async throws -> R {
    let words = launcher + [program]
    let host = PluginHost(
      path: words[0], arguments: Array(words.dropFirst()), magicCookie: cookie, protocolVersions: [2])
    let warnings = PluginWarnings()
    return try await host.withPlugin(onOutput: warnings.append) { plugin in
      let nomad = Nomad(
        calls: NomadPluginClient(plugin.client), pluginProcess: plugin.processIdentifier,
        client: plugin.client, warnings: warnings)
      if let configuration { try await nomad.configure(configuration) }
      return try await body(nomad)
    }
  }

  package func configure(_ configuration: MessagePackValue) async throws {
    let topology = Topology(cores: [.init(baseSpeed: 1000), .init(baseSpeed: 1000)])
    try await self.calls.configure(
      PluginConfiguration(
        messagePack: try MessagePackEncoder().encode(configuration),
        agent: AgentConfiguration(topology: topology)))
  }

  /// Starts a task, and destroys it after `body`.
  package func withTask<R: Sendable>(
    _ unit: String, _ driverConfig: [String: MessagePackValue] = [:],
    _ body: @Sendable (RunningTask) async throws -> R
  ) async throws -> R {
    let allocation = try Allocation(
      unit: unit, driverConfig: driverConfig.merging(["unit": .string(unit)]) { $1 })
    defer { allocation.remove() }
    let handle = try await self.calls.startTask(allocation.config)
    let task = RunningTask(nomad: self, allocation: allocation, handle: handle)
    let result: Result<R, any Error>
    do { result = .success(try await body(task)) } catch { result = .failure(error) }
    try? await self.calls.destroyTask(task.id, force: true)
    return try result.get()
  }

  /// Gives the task events that there are, those of tasks that exist, and those that come while `body` runs.
  package func withEvents<R: Sendable>(_ body: @Sendable (TaskEvents) async throws -> R) async throws -> R {
    let events = TaskEvents()
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.calls.taskEvents { events.append($0) } }
      defer { group.cancelAll() }
      return try await body(events)
    }
  }

  /// What the driver says of its health first.
  package func firstFingerprint() async throws -> Fingerprint {
    struct Seen: Error { let fingerprint: Fingerprint }
    do {
      try await self.calls.fingerprint { throw Seen(fingerprint: $0) }
    } catch let seen as Seen {
      return seen.fingerprint
    }
    throw NeverHeld(what: "a fingerprint")
  }

  /// The memory of the plugin's process.
  package var residentKilobytes: Int {
    let status = (try? String(contentsOfFile: "/proc/\(self.pluginProcess)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return line.flatMap { Int($0.split(separator: " ").dropFirst().first ?? "") } ?? 0
  }

  /// The children of the plugin's process.
  package var childProcesses: [String] {
    let path = "/proc/\(self.pluginProcess)/task"
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return threads.flatMap { thread in
      ((try? String(contentsOfFile: "\(path)/\(thread)/children", encoding: .utf8)) ?? "").split(
        separator: " "
      ).map {
        String($0)
      }
    }
  }

  /// The words of a process's command line, the program without its directory.
  package func commandLine(of process: String) -> [String] {
    let text = (try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? ""
    let words = text.split(separator: "\0").map(String.init)
    return words.prefix(1).map { URL(fileURLWithPath: $0).lastPathComponent } + words.dropFirst()
  }

  /// Kills those of the plugin's children whose command line, with a NUL after each word, is meant.
  package func killChildren(_ isMeant: (String) -> Bool) {
    for process in self.childProcesses {
      let command = (try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? ""
      if isMeant(command), let number = Int32(process) { kill(number, SIGKILL) }
    }
  }
}

/// A task that has been started.
package struct RunningTask: Sendable {
  package let nomad: Nomad
  package let allocation: Allocation
  package let handle: TaskHandle

  package var id: String { self.allocation.config.id }
  package var calls: NomadPluginClient<LibGRPC.ClientTransport> { self.nomad.calls }

  package func wait() async throws -> ExitResult { try await self.calls.waitTask(self.id) }
  package func inspect() async throws -> TaskStatus { try await self.calls.inspectTask(self.id) }
}
