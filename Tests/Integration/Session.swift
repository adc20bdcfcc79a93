import Foundation
import MessagePack
import NomadPlugin
import NomadTestSupport
import TestHelpers
import Testing

/// The life of a task that is led on a real systemd, recorded on each version of it, and replayed from there: what Nomad
/// sees of it is the same everywhere.
struct Session: Sendable {
  enum Step: Sendable {
    /// Waits for a line of the unit's output.
    case line(String)
    /// Waits for a task event whose text contains this.
    case event(String)
    /// Waits for the unit's state in terms of its type.
    case subState(String)
    /// Asks for the unit's stop.
    case stop(timeout: Duration = .seconds(300), signal: String? = nil)
    /// Runs a command beside the driver; a replay leaves it out.
    case aside([String])
    /// Ends the unit as systemd-oomd does, beside the driver.
    case outOfMemory
  }

  enum Outcome: Sendable {
    /// The task starts and ends.
    ///
    /// - Parameters:
    ///   - oomKilled: of a systemd that makes it the unit's result: 247 only says it.
    ///   - output: the bytes in its logs; nil for any.
    ///   - events: parts of texts of task events, in their order.
    case ends(Int32, signal: Int32 = 0, oomKilled: Bool = false, output: String? = nil, events: [String] = [])
    /// As ``ends(_:signal:oomKilled:output:events:)``, with output that is not text.
    case endsWithBytes([UInt8])
    /// The start fails, with a text that contains this.
    case doesNotStart(isRecoverable: Bool, String)
  }

  let name: String
  /// What the job names.
  let unit: String
  /// The files of units, by their names, with their lines. One without lines masks its unit; one with a section
  /// `[Install]` is enabled.
  let files: [String: [String]]
  /// Commands that are run beside the driver before the task is started.
  var before: [[String]] = []
  /// What the job says besides.
  var options: [String: MessagePackValue] = [:]
  var steps: [Step] = []
  let outcome: Outcome

  /// A session with a service of its own name.
  init(
    _ name: String, _ service: [String], unit section: [String] = [], before: [[String]] = [],
    options: [String: MessagePackValue] = [:], steps: [Step] = [], _ outcome: Outcome
  ) {
    self.init(
      name, unit: "s-\(name).service", ["s-\(name).service": ["[Unit]"] + section + ["[Service]"] + service],
      before: before, options: options, steps: steps, outcome)
  }

  init(
    _ name: String, unit: String, _ files: [String: [String]], before: [[String]] = [],
    options: [String: MessagePackValue] = [:], steps: [Step] = [], _ outcome: Outcome
  ) {
    self.name = name
    self.unit = unit
    self.files = files
    self.before = before
    self.options = options
    self.steps = steps
    self.outcome = outcome
  }
}

extension Session: CustomTestStringConvertible {
  var testDescription: String { self.name }
}

extension Session {
  /// Leads the life with a plugin of this configuration, and checks what Nomad sees of it.
  ///
  /// - Parameters:
  ///   - systemd: the version of systemd.
  ///   - runsAside: whether what happens beside the driver is to be done: not in a replay.
  func run(_ configuration: MessagePackValue, systemd: Int, runsAside: Bool) async throws {
    try await Nomad.run(configuration) { nomad in
      try await nomad.withEvents { events in
        let allocation = try Allocation(
          unit: self.unit, driverConfig: self.options.merging(["unit": .string(self.unit)]) { $1 })
        defer { allocation.remove() }
        let id = allocation.config.id
        do {
          _ = try await nomad.calls.startTask(allocation.config)
        } catch let error as DriverError {
          return try self.check(error)
        }
        for step in self.steps { try await self.take(step, nomad, allocation, events, runsAside: runsAside) }
        let result = try await nomad.calls.waitTask(id)
        _ = try await allocation.allLines()
        try await self.check(result, allocation.bytes, events, systemd)
        try await nomad.calls.destroyTask(id, force: false)
      }
    }
  }

  private func take(
    _ step: Step, _ nomad: Nomad, _ allocation: Allocation, _ events: TaskEvents, runsAside: Bool
  ) async throws {
    let id = allocation.config.id
    switch step {
    case .line(let line):
      try await eventually("the line '\(line)' of \(self.name)") { allocation.lines.contains(line) }
    case .event(let text):
      try await events.event(with: text)
    case .subState(let state):
      try await eventually("the state \(state) of \(self.name)") {
        try await nomad.calls.inspectTask(id).driverAttributes["sub_state"] == state
      }
    case .stop(let timeout, let signal):
      try await nomad.calls.stopTask(id, timeout: timeout, signal: signal ?? "")
    case .aside(let command):
      if runsAside { try await Units.run(command) }
    case .outOfMemory:
      if runsAside { try await Units.killForMemory(self.unit) }
    }
  }

  private func check(_ error: DriverError) throws {
    guard case .doesNotStart(let isRecoverable, let text) = self.outcome else { throw error }
    #expect(error.description.contains(text), "\(self.name): \(error)")
    let saysRecoverable = if case .recoverable = error { true } else { false }
    #expect(saysRecoverable == isRecoverable, "\(self.name): \(error)")
  }

  private func check(
    _ result: ExitResult, _ bytes: [UInt8], _ events: TaskEvents, _ systemd: Int
  ) async throws {
    let text = String(decoding: bytes, as: UTF8.self)
    switch self.outcome {
    case .doesNotStart:
      Issue.record("\(self.name): it has started, and ended with \(result)")
    case .endsWithBytes(let expected):
      #expect(result.exitCode == 0 && bytes == expected, "\(self.name): \(result), \(text)")
    case .ends(let exitCode, let signal, let oomKilled, let output, let texts):
      #expect(
        result.exitCode == exitCode && result.signal == signal
          && result.oomKilled == (oomKilled && systemd > 247),
        "\(self.name): \(result)")
      if let output { #expect(text == output, "\(self.name)") }
      for text in texts { try await events.event(with: text) }
      var rest = texts[...]
      for event in events.all {
        if let next = rest.first, event.message.contains(next) { rest.removeFirst() }
      }
      #expect(rest.isEmpty, "\(self.name): \(events.all.map(\.message))")
    }
  }
}
