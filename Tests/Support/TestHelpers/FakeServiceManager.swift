import Systemd

/// The units of ``FakeSystemd``, and what systemctl says of them and does to them.
struct FakeServiceManager: Sendable {
  /// What systemctl answers.
  struct Answer {
    var output = ""
    var error = ""
    var status: Int32 = 0
  }

  /// What a command that asks for a job comes to.
  enum Request {
    case job(UInt32)
    case refused(Answer)
  }

  var systemState = "running"
  /// By their true names.
  private(set) var units: [String: FakeUnit] = [:]
  /// How jobs have ended, by their numbers.
  private(set) var results: [UInt32: FakeUnit.JobResult] = [:]
  /// What is to be logged.
  private var entries: [[String: String]] = []

  // MARK: Units

  mutating func add(_ unit: FakeUnit) { self.units[unit.name] = unit }

  mutating func update(_ name: String, _ change: (inout FakeUnit) -> Void) {
    guard var unit = self.units[name] else { return }
    change(&unit)
    let effects = unit.takeEffects()
    self.units[name] = unit
    self.results.merge(effects.results) { $1 }
    self.entries += effects.entries
  }

  mutating func takeEntries() -> [[String: String]] {
    defer { self.entries = [] }
    return self.entries
  }

  /// The unit of any of its names.
  private func unit(_ name: String) -> FakeUnit? {
    self.units[name] ?? self.units.values.first { $0.names.contains(name) }
  }

  // MARK: Jobs

  mutating func request(_ type: FakeUnit.JobType, _ name: String) -> Request {
    let attempt = "Failed to \(type.rawValue) \(name): Unit \(name)"
    guard let unit = self.unit(name), unit.loadState != .notFound, type != .stop || unit.isLoaded else {
      return .refused(Answer(error: "\(attempt) not \(type == .stop ? "loaded" : "found").\n", status: 5))
    }
    switch unit.loadState {
    case .masked: return .refused(Answer(error: "\(attempt) is masked.\n", status: 1))
    case .badSetting: return .refused(Answer(error: "\(attempt) has a bad unit file setting.\n", status: 1))
    default: break
    }
    var id: UInt32 = 0
    self.update(unit.name) { id = $0.request(type) }
    return .job(id)
  }

  /// What a command says whose job has ended; nil if it has not.
  func answer(toJob id: UInt32, of name: String) -> Answer? {
    let hint = "See \"systemctl status \(name)\" and \"journalctl -xeu \(name)\" for details.\n"
    return switch self.results[id] {
    case nil: nil
    case .done?: Answer()
    case .canceled?: Answer(error: "Job for \(name) canceled.\n", status: 1)
    case .failed?:
      Answer(
        error: "Job for \(name) failed because the control process exited with error code.\n\(hint)",
        status: 1)
    }
  }

  // MARK: Other verbs

  /// Answers a command that does not wait for a job.
  mutating func answer(_ command: FakeCommand) -> Answer {
    switch command.kind {
    case .version: Answer(output: "systemd 252 (252.39-1~deb12u2)\n+PAM +AUDIT +SELINUX\n")
    case .systemState:
      Answer(output: self.systemState + "\n", status: self.systemState == "running" ? 0 : 1)
    case .show: self.show(command.operands, command.values("property"))
    case .listUnits: self.listUnits(command.operands)
    case .kill: self.kill(command)
    case .resetFailed: self.resetFailed(command.operands.first ?? "")
    case .cancel: self.cancel(command.operands.first ?? "")
    default: Answer(error: "FakeSystemd does not know: \(command.text)\n", status: 99)
    }
  }

  private func show(_ names: [String], _ properties: [String]) -> Answer {
    let blocks = names.map { name in
      let shown = (self.unit(name) ?? FakeUnit(missing: name)).shown
      return properties.compactMap { property in shown[property].map { "\(property)=\($0)\n" } }.joined()
    }
    return Answer(output: blocks.joined(separator: "\n"))
  }

  private func listUnits(_ names: [String]) -> Answer {
    let lines = names.compactMap { self.units[$0] }.filter(\.isLoaded).map {
      "\($0.name) \($0.loadState) \($0.activeState) \($0.subState) \($0.name)\n"
    }
    return Answer(output: lines.joined())
  }

  private mutating func kill(_ command: FakeCommand) -> Answer {
    let name = command.operands.first ?? ""
    let attempt = "Failed to kill unit \(name):"
    guard let unit = self.unit(name), unit.isLoaded else {
      return Answer(error: "\(attempt) Unit \(name) not loaded.\n", status: 1)
    }
    let signal = command.values("signal").first ?? "SIGTERM"
    guard Self.signals.contains(signal) else {
      return Answer(error: "Failed to parse signal string \"\(signal)\".\n", status: 1)
    }
    let whom = command.values("kill-who").first.flatMap { Systemctl.KillWhom(rawValue: $0) } ?? .all
    var isSent = false
    self.update(unit.name) { isSent = $0.receive(signal, whom) }
    if isSent { return Answer() }
    let missing = whom == .all ? "No matching processes" : "No \(whom.rawValue) process"
    return Answer(error: "\(attempt) \(missing) to kill\n", status: 1)
  }

  private static let signals: Set = [
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGCONT", "SIGSTOP",
  ]

  private mutating func resetFailed(_ name: String) -> Answer {
    guard let unit = self.unit(name), unit.isLoaded else {
      let problem = "Unit \(name) not loaded."
      return Answer(error: "Failed to reset failed state of unit \(name): \(problem)\n", status: 1)
    }
    self.update(unit.name) { $0.resetFailed() }
    return Answer()
  }

  private mutating func cancel(_ id: String) -> Answer {
    guard let number = UInt32(id), let unit = self.units.values.first(where: { $0.job?.id == number }) else {
      return Answer(error: "Failed to cancel job \(id): Job \(id) does not exist.\n", status: 1)
    }
    self.update(unit.name) { $0.cancelJob() }
    return Answer()
  }
}
