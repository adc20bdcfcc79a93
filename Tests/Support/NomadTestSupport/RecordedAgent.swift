import AsyncPrimitives
import Foundation
import LibGRPCTransport
import MessagePack
package import NomadPlugin
package import TestHelpers

/// A Nomad agent whose calls were recorded (`testdata/agent-sessions`): plays them, in their order, for one allocation.
///
/// As an agent does, it gives back the handles that the plugin has answered, and does nothing more with a task that the
/// plugin refuses to recover.
package actor RecordedAgent {
  /// A call that was made.
  private struct Call: Decodable, Sendable {
    let process: Int
    let at: Double
    let call: String
    let request: JSONValue
    let endedAt: Double?

    enum CodingKeys: String, CodingKey {
      case process, at, call, request
      case endedAt = "ended_at"
    }

    var task: String {
      switch self.call {
      case "StartTask": self.request["task"]["id"].text
      case "RecoverTask": self.request["handle"]["config"]["id"].text
      default: self.request["task_id"].text
      }
    }
  }

  /// What came of a call.
  package struct Answer: Sendable {
    package let process: Int
    package let call: String
    /// The task's ID; empty if the call is for none.
    package let task: String
    /// nil for an error. What other calls than WaitTask answer is left out.
    package let exit: ExitResult?
    package let error: (any Error)?
  }

  /// The allocation of all tasks.
  package nonisolated let allocation: Allocation
  private nonisolated let unit: String
  private nonisolated let calls: [Call]
  private var handles: [String: TaskHandle] = [:]
  private var refused: Set<String> = []
  /// What came of the calls so far, in the order in which they ended.
  package private(set) var answers: [Answer] = []

  /// Reads a session.
  ///
  /// - Parameters:
  ///   - session: the name of its file.
  ///   - unit: takes the place of the unit in the recording.
  package init(_ session: String, unit: String) throws {
    let file = "\(packageDirectory)/testdata/agent-sessions/\(session).jsonl"
    let text = try Data(contentsOf: URL(fileURLWithPath: file))
    self.calls = try text.split(separator: UInt8(ascii: "\n")).compactMap { line in
      // Answers of streams and their ends are lines of their own. Who starts the plugin ends it.
      guard case .object = try JSONDecoder().decode(JSONValue.self, from: line)["request"] else { return nil }
      let call = try JSONDecoder().decode(Call.self, from: line)
      return call.call == "Shutdown" ? nil : call
    }
    self.unit = unit
    self.allocation = try Allocation(unit: unit)
  }

  /// How many processes of the plugin there were.
  package nonisolated var processCount: Int { (self.calls.map(\.process).max() ?? -1) + 1 }

  /// What came of the calls of a name to a process.
  package func answers(of call: String, process: Int) -> [Answer] {
    self.answers.filter { $0.call == call && $0.process == process }
  }

  /// Plays the calls to one process of the plugin.
  ///
  /// - Parameters:
  ///   - nomad: the process, with no configuration yet if the recording has one.
  ///   - before: is called before each call, with its name and the task's ID.
  package func play(
    process: Int, on nomad: Nomad,
    before: @Sendable (_ call: String, _ task: String) async throws -> Void = { _, _ in }
  ) async throws {
    try await withThrowingDiscardingTaskGroup { group in
      defer { group.cancelAll() }
      /// The calls that are under way, by when they ended in the recording.
      var pending: [(end: Double, answer: Promise<Answer>)] = []
      func finish(before time: Double) async throws {
        for call in pending where call.end <= time { self.answers.append(try await call.answer.value) }
        pending.removeAll { $0.end <= time }
      }
      for call in self.calls where call.process == process {
        let task = self.ownID(call.task)
        guard !self.refused.contains(task) else { continue }
        try await before(call.call, task)
        try await finish(before: call.at)
        let answer = Promise<Answer>()
        pending.append((call.endedAt ?? .infinity, answer))
        group.addTask { answer.fulfil(await self.answer(to: call, task, on: nomad.calls)) }
      }
      try await finish(before: .greatestFiniteMagnitude)
    }
  }

  private typealias Calls = NomadPluginClient<LibGRPC.ClientTransport>

  private func answer(to call: Call, _ task: String, on calls: Calls) async -> Answer {
    do {
      let exit = try await self.make(call, task, on: calls)
      return Answer(process: call.process, call: call.call, task: task, exit: exit, error: nil)
    } catch {
      if call.call == "RecoverTask" { self.refused.insert(task) }
      return Answer(process: call.process, call: call.call, task: task, exit: nil, error: error)
    }
  }

  private func make(_ call: Call, _ task: String, on calls: Calls) async throws -> ExitResult? {
    let request = call.request
    switch call.call {
    case "PluginInfo": _ = try await calls.pluginInfo()
    case "ConfigSchema": _ = try await calls.configurationSchema()
    case "SetConfig": try await calls.configure(try Self.configuration(request))
    case "Init": try await calls.initialize()
    case "TaskConfigSchema": _ = try await calls.taskConfigurationSchema()
    case "Capabilities": _ = try await calls.capabilities()
    case "Fingerprint": try await calls.fingerprint { _ in }
    case "TaskEvents": try await calls.taskEvents { _ in }
    case "StartTask":
      self.handles[task] = try await calls.startTask(try self.config(request["task"], id: task))
    case "RecoverTask":
      guard let handle = self.handles[task] else { throw NeverHeld(what: "a handle of \(task)") }
      try await calls.recoverTask(handle)
    case "WaitTask": return try await calls.waitTask(task)
    case "TaskStats": try await calls.taskStats(task, interval: .seconds(1)) { _ in }
    case "DestroyTask": try await calls.destroyTask(task, force: request["force"].isTrue)
    default: throw NeverHeld(what: "a way to play \(call.call)")
    }
    return nil
  }

  private static func configuration(_ request: JSONValue) throws -> PluginConfiguration {
    let topology = Topology(cores: [.init(baseSpeed: 1000), .init(baseSpeed: 1000)])
    var agent: AgentConfiguration?
    if case .object = request["nomad_config"] { agent = AgentConfiguration(topology: topology) }
    return PluginConfiguration(
      messagePack: try MessagePackEncoder().encode(request["msgpack_config"].messagePack), agent: agent)
  }

  /// A task's configuration in the recording, with this agent's allocation and unit.
  private func config(_ recorded: JSONValue, id: String) throws -> TaskConfig {
    var config = self.allocation.config
    config.id = id
    config.name = recorded["name"].text
    config.taskGroupName = recorded["task_group_name"].text
    config.jobID = recorded["job_id"].text
    config.jobName = recorded["job_name"].text
    config.namespace = recorded["namespace"].text
    config.nodeID = recorded["node_id"].text
    config.nodeName = recorded["node_name"].text
    config.environment = recorded["env"].texts
    guard case .object(var driverConfig) = recorded["msgpack_driver_config"] else { return config }
    driverConfig["unit"] = .text(self.unit)
    // The unit's own lines only.
    driverConfig["logs"] = .object(["lifecycle": .bool(false)])
    config.driverConfig = try MessagePackEncoder().encode(JSONValue.object(driverConfig).messagePack)
    return config
  }

  /// The ID of a task in the recording, for this agent's allocation.
  private nonisolated func ownID(_ recorded: String) -> String {
    guard let end = recorded.firstIndex(of: "/") else { return recorded }
    return self.allocation.config.allocationID + recorded[end...]
  }
}
