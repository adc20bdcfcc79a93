public import Processes

/// systemd's service manager, driven by `systemctl(1)` of systemd 247 or later.
///
/// Every call runs one command and throws ``SystemdError``, or `CancellationError` if the calling task is
/// cancelled. The command is killed then, but a job that it has queued goes on. Of the commands that wait for
/// jobs only a few run at once (``CommandLimiter``).
public struct Systemctl: Sendable {
  /// Which processes of a unit get a signal.
  public enum KillWhom: String, Sendable, CaseIterable {
    case main, control, all
  }

  /// How many units one command shows. Some properties, such as `StatusText`, are as long as the unit likes,
  /// and the output must stay below the limit of a command.
  private static let unitsPerShow = 256

  private let tool: SystemdTool
  private let timeLimit: Duration
  private let jobs = CommandLimiter(width: 8)

  /// Makes a client of the service manager.
  ///
  /// - Parameters:
  ///   - runner: what runs the commands.
  ///   - path: the program. With a command prefix it can be a name, which the other system finds.
  ///   - commandPrefix: words put before every command, such as `["podman", "exec", "-i", "host"]`.
  ///   - timeLimit: the time limit of commands that do not wait for jobs. systemctl itself gives up after
  ///     waiting 25 s for an answer.
  public init(
    runner: any CommandRunner, path: String = Executable.find("systemctl"), commandPrefix: [String] = [],
    timeLimit: Duration = .seconds(30)
  ) {
    self.tool = SystemdTool(runner: runner, name: "systemctl", path: path, commandPrefix: commandPrefix)
    self.timeLimit = timeLimit
  }

  // MARK: The manager

  /// The version of systemctl, which needs no running systemd.
  public func version() async throws -> SystemdVersion {
    let output = try await self.answer("--version", [], ["--version"])
    guard let version = SystemdVersion(String(decoding: output, as: UTF8.self)) else {
      throw self.tool.error(.unexpectedOutput(DisplayText(output.prefix(200)).text), "--version")
    }
    return version
  }

  /// The state of the whole system: `running`, `degraded`, `starting`, `maintenance`, `stopping` …, or
  /// `offline` where systemd is not the system's service manager.
  public func systemState() async throws -> String {
    // The exit status shows only whether the state is "running".
    let verb = "is-system-running"
    let output = try await self.ask(verb, [], Self.arguments(verb))
    let state = String(decoding: output.standardOutput, as: UTF8.self).prefix { !$0.isNewline }
    guard !state.isEmpty, state.allSatisfy({ ("a"..."z").contains($0) }) else {
      throw self.tool.error(output.result, verb)
    }
    return String(state)
  }

  // MARK: Units

  /// The status of a unit. A unit that does not exist has the load state ``LoadState/notFound``.
  public func show(_ unit: UnitName) async throws -> UnitStatus {
    guard let status = try await self.show([unit])[unit] else {
      throw self.tool.error(.unexpectedOutput("the unit is missing"), "show", [unit])
    }
    return try status.get()
  }

  /// The status of several units, usually by one command.
  ///
  /// - Returns: for each unit its status, or the error if its properties cannot be shown
  ///   (``SystemdError/Reason/unreadableProperties``). Such a unit costs one more command; the others are
  ///   still shown.
  public func show(_ units: [UnitName]) async throws -> [UnitName: Result<UnitStatus, SystemdError>] {
    let properties = "--property=" + UnitStatus.requestedProperties.joined(separator: ",")
    var answers: [UnitName: Result<UnitStatus, SystemdError>] = [:]
    var asked = Set<UnitName>()
    var rest = units.filter { asked.insert($0).inserted }[...]
    while !rest.isEmpty {
      let batch = rest.prefix(Self.unitsPerShow)
      let output = try await self.ask(
        "show", Array(batch), Self.arguments("show", ["--timestamp=us+utc", properties], Array(batch)))
      let statuses = try self.statuses(in: output.standardOutput, of: batch)
      for (unit, status) in zip(rest, statuses) { answers[unit] = .success(status) }
      rest = rest.dropFirst(statuses.count)
      // systemctl stops at the first unit that it cannot show.
      guard statuses.count < batch.count, let unit = rest.popFirst() else { continue }
      guard !output.result.termination.isSuccess else {
        throw self.tool.error(.unexpectedOutput("the unit is missing"), "show", [unit])
      }
      let error = self.tool.error(output.result, "show", [unit])
      guard error.reason == .unreadableProperties else { throw error }
      answers[unit] = .failure(error)
    }
    return answers
  }

  private func statuses(in output: [UInt8], of units: ArraySlice<UnitName>) throws -> [UnitStatus] {
    let statuses: [UnitStatus]
    do {
      statuses = try UnitStatus.parse(output)
    } catch {
      throw self.tool.error(.unexpectedOutput("\(error)"), "show", Array(units))
    }
    guard statuses.count <= units.count else {
      throw self.tool.error(
        .unexpectedOutput("\(statuses.count) units instead of \(units.count)"), "show", Array(units))
    }
    for (unit, status) in zip(units, statuses)
    where status.id != unit.name && !status.names.contains(unit.name) {
      throw self.tool.error(
        .unexpectedOutput("it is about the unit \(DisplayText(status.id.utf8).text)"), "show", [unit])
    }
    return statuses
  }

  /// The states of several units, by one command that costs systemd little.
  ///
  /// - Parameter units: by their primary names; an alias is not found.
  /// - Returns: the units that are loaded. A unit that is inactive and that nothing refers to may be missing.
  public func listUnits(_ units: [UnitName]) async throws -> [UnitName: UnitListing] {
    // Without names it would list all units.
    if units.isEmpty { return [:] }
    let verb = "list-units"
    let output = try await self.answer(
      verb, units, Self.arguments(verb, ["--all", "--plain", "--no-legend", "--full"], units))
    return UnitListing.parse(output)
  }

  /// Properties of a unit that ``UnitStatus`` lacks, as they are printed. Those that its type does not have
  /// are missing.
  package func properties(_ names: [String], of unit: UnitName) async throws -> [String: String] {
    let output = try await self.answer(
      "show", [unit], Self.arguments("show", ["--property=" + names.joined(separator: ",")], [unit]))
    return UnitProperties.parse(output).first ?? [:]
  }

  /// Whether the conditions of a unit were met when it was last to be started.
  public func conditions(of unit: UnitName) async throws -> UnitConditions {
    let properties = "--property=" + UnitConditions.properties.joined(separator: ",")
    return UnitConditions(
      UnitProperties.parse(
        try await self.answer(
          "show", [unit], Self.arguments("show", ["--timestamp=us+utc", properties], [unit]),
          isOptional: true)
      ).first ?? [:])
  }

  /// How the processes of a service's last run ended.
  public func commands(of unit: UnitName) async throws -> ServiceCommands {
    let properties = "--property=" + ServiceCommands.properties.joined(separator: ",")
    return ServiceCommands(
      try await self.answer(
        "show", [unit], Self.arguments("show", ["--timestamp=us+utc", properties], [unit]),
        isOptional: true))
  }

  /// The units that must be active for a unit to be started (`Requires=`, `Requisite=`, `BindsTo=`).
  public func requirements(of unit: UnitName) async throws -> [UnitName] {
    let names = ["Requires", "Requisite", "BindsTo"]
    let properties = try await self.properties(names, of: unit)
    var units: [UnitName] = []
    for name in names.flatMap({ properties[$0]?.split(separator: " ") ?? [] }) {
      guard let unit = try? UnitName(String(name)), !units.contains(unit) else { continue }
      units.append(unit)
    }
    return units
  }

  // MARK: Jobs

  /// Starts a unit and waits until it has started: for `Type=oneshot`, until its program has ended.
  ///
  /// - Parameters:
  ///   - timeLimit: none by default, as the unit has one of its own.
  ///   - onTurn: is called when the command is about to run.
  public func start(
    _ unit: UnitName, timeLimit: Duration? = nil, onTurn: @Sendable () async -> Void = {}
  ) async throws {
    try await self.performJob("start", unit, timeLimit, onTurn)
  }

  /// Stops a unit and waits until it has stopped.
  ///
  /// - Parameters:
  ///   - timeLimit: from when the command runs; none by default, as the unit has one of its own.
  ///   - onTurn: is called when the command is about to run.
  public func stop(
    _ unit: UnitName, timeLimit: Duration? = nil, onTurn: @Sendable () async -> Void = {}
  ) async throws {
    try await self.performJob("stop", unit, timeLimit, onTurn)
  }

  /// Stops a unit if it is active, starts it, and waits until it has started.
  ///
  /// - Parameters:
  ///   - timeLimit: none by default, as the unit has one of its own.
  ///   - onTurn: is called when the command is about to run.
  public func restart(
    _ unit: UnitName, timeLimit: Duration? = nil, onTurn: @Sendable () async -> Void = {}
  ) async throws {
    try await self.performJob("restart", unit, timeLimit, onTurn)
  }

  private func performJob(
    _ verb: String, _ unit: UnitName, _ timeLimit: Duration?, _ onTurn: @Sendable () async -> Void
  ) async throws {
    try await self.jobs.run {
      await onTurn()
      try await self.perform(verb, [], unit, timeLimit: timeLimit)
    }
  }

  /// Cancels a queued job, or a running one if that is possible.
  public func cancelJob(_ id: UInt32) async throws {
    _ = try await self.tool.output(
      "cancel \(id)", [], Self.arguments("cancel", ["--", "\(id)"]), timeLimit: self.timeLimit)
  }

  // MARK: Other verbs

  /// Sends a signal to processes of a unit.
  ///
  /// - Parameters:
  ///   - signal: a name such as `SIGHUP`, `HUP` or `RTMIN+1`, or a number.
  ///   - whom: which of the processes. It is an error if there is none.
  public func kill(_ unit: UnitName, signal: String, whom: KillWhom = .all) async throws {
    // systemctl takes "list" and "help" for requests of its own.
    let isPlain = signal.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard isPlain, (1...16).contains(signal.utf8.count) else {
      throw SystemdError(
        .invalidSignal, action: "systemctl kill", units: [unit],
        message: "\"\(DisplayText(signal.utf8.prefix(80)).text)\" is not a signal")
    }
    // All versions know the older spelling --kill-who. With --fail it is an error if there is no process.
    try await self.perform(
      "kill", ["--fail", "--signal=\(signal)", "--kill-who=\(whom.rawValue)"], unit, timeLimit: self.timeLimit
    )
  }

  /// Lets the processes of a unit that is frozen (``SystemdError/Reason/frozen``) run on.
  public func thaw(_ unit: UnitName) async throws {
    try await self.perform("thaw", [], unit, timeLimit: self.timeLimit)
  }

  /// Makes systemd forget that a unit has failed, and how often it was started.
  public func resetFailed(_ unit: UnitName) async throws {
    try await self.perform("reset-failed", [], unit, timeLimit: self.timeLimit)
  }

  /// How often a question is asked that is not answered in time: a machine with much to do is late, and no more.
  private static let questionAttempts = 3

  /// Asks something, whatever the exit status.
  private func ask(
    _ verb: String, _ units: [UnitName], _ arguments: [String], isOptional: Bool = false
  ) async throws -> CommandOutput {
    var attempt = 1
    while true {
      do {
        return try await self.tool.run(
          verb, units, arguments, timeLimit: self.timeLimit, isOptional: isOptional)
      } catch let error as SystemdError {
        guard case .command(.timedOut) = error.reason, attempt < Self.questionAttempts else { throw error }
        attempt += 1
      }
    }
  }

  /// Asks something, and collects the answer.
  private func answer(
    _ verb: String, _ units: [UnitName], _ arguments: [String], isOptional: Bool = false
  ) async throws -> [UInt8] {
    let output = try await self.ask(verb, units, arguments, isOptional: isOptional)
    guard output.result.termination.isSuccess else { throw self.tool.error(output.result, verb, units) }
    return output.standardOutput
  }

  private func perform(_ verb: String, _ options: [String], _ unit: UnitName, timeLimit: Duration?)
    async throws
  {
    _ = try await self.tool.output(verb, [unit], Self.arguments(verb, options, [unit]), timeLimit: timeLimit)
  }

  private static func arguments(_ verb: String, _ options: [String] = [], _ units: [UnitName] = [])
    -> [String]
  {
    ["--no-pager", "--no-ask-password", verb] + options + (units.isEmpty ? [] : ["--"] + units.map(\.name))
  }
}
