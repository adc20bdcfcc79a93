import Glibc

/// The commands of a service (`ExecStart=`, `ExecStopPost=` …) and how the processes of its last run ended.
public struct ServiceCommands: Sendable, Hashable {
  /// The properties that are needed for it.
  static let properties = [
    "InvocationID", "Type", "SuccessExitStatus", "ExecMainCode", "ExecMainStatus", "ExecMainExitTimestamp",
    "ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecStop", "ExecStopPost",
  ]

  /// The run that this is about; nil if systemd knows of none.
  public let invocationID: String?

  /// The processes that failed, the first one first. Those whose failure is ignored (`ExecStop=-…`) and those that
  /// ended in a way that counts as clean (`SuccessExitStatus=`) are not among them.
  public let failures: [FailedCommand]

  /// Reads what `systemctl show --timestamp=us+utc` prints of one service.
  init(_ output: [UInt8]) {
    let lines = output.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    var values: [String: String] = [:]
    var commands: [(command: FailedCommand, isIgnored: Bool, end: RealtimeTimestamp?)] = []
    for line in lines {
      guard let equals = line.firstIndex(of: "=") else { continue }
      let (name, value) = (String(line[..<equals]), String(line[line.index(after: equals)...]))
      if name.hasPrefix("Exec"), value.hasPrefix("{ ") {
        if let exit = Self.exit(value) {
          commands.append(
            (
              FailedCommand(directive: name, exit: exit), Self.last("ignore_errors", in: value) == "yes",
              Self.endTime(value)
            ))
        }
      } else if values[name] == nil {
        values[name] = value
      }
    }
    self.invocationID = values["InvocationID"].flatMap { $0.isEmpty ? nil : $0 }
    let isForking = values["Type"] == "forking"
    let isOneshot = values["Type"] == "oneshot"
    let cleanWords = Set(values["SuccessExitStatus"]?.split(separator: " ").map(String.init) ?? [])
    let mainIsIgnored = commands.contains { $0.command.directive == "ExecStart" && $0.isIgnored }
    // The main process of a forking service is not the one that ExecStart= started.
    commands.removeAll { $0.command.directive == "ExecStart" && !isForking }
    if let code = values["ExecMainCode"].flatMap({ Int32($0) }),
      let status = values["ExecMainStatus"].flatMap({ Int32($0) }),
      let exit = MainProcessExit(code: code, status: status),
      !Self.isClean(exit, isOneshot: isOneshot, cleanWords)
    {
      commands.insert(
        (
          FailedCommand(directive: "ExecStart", exit: exit), mainIsIgnored,
          values["ExecMainExitTimestamp"].flatMap { RealtimeTimestamp($0) }
        ), at: 0)
    }
    let failed = commands.filter { !$0.isIgnored && $0.command.exit != .exited(0) }
    // Stable where times are missing.
    self.failures = failed.enumerated().sorted { first, second in
      guard let one = first.element.end, let other = second.element.end, one != other else {
        return first.offset < second.offset
      }
      return one < other
    }.map(\.element.command)
  }

  /// Whether a main process that ended in this way has not failed (systemd.service(5), `SuccessExitStatus=`).
  private static func isClean(_ exit: MainProcessExit, isOneshot: Bool, _ words: Set<String>) -> Bool {
    switch exit {
    case .exited(let status): return status == 0 || words.contains("\(status)")
    case .killed(let signal):
      if !isOneshot, [SIGHUP, SIGINT, SIGPIPE, SIGTERM].contains(signal) { return true }
      return words.contains(Self.signalName(signal))
    case .dumped: return false
    }
  }

  /// How a command's process ended, from the end of the line: what comes before can hold any text.
  private static func exit(_ value: String) -> MainProcessExit? {
    guard let code = Self.last("code", in: value), let status = Self.last("status", in: value),
      let number = Int32(status.prefix { $0.isNumber })
    else { return nil }
    return MainProcessExit(word: code, status: number)
  }

  private static func endTime(_ value: String) -> RealtimeTimestamp? {
    Self.last("stop_time", in: value).flatMap { RealtimeTimestamp(String($0.dropFirst().dropLast())) }
  }

  private static func last(_ key: String, in value: String) -> String? {
    let parts = value.split(separator: " ; \(key)=", omittingEmptySubsequences: false)
    guard parts.count > 1, let word = parts.last?.split(separator: " ; ").first else { return nil }
    return String(word.hasSuffix(" }") ? word.dropLast(2) : word)
  }

  /// A signal as `SuccessExitStatus` names it.
  private static func signalName(_ number: Int32) -> String {
    guard number < 34 else { return number == 34 ? "RTMIN" : "RTMIN+\(number - 34)" }
    return Self.signalNames.indices.contains(Int(number) - 1)
      ? Self.signalNames[Int(number) - 1] : "\(number)"
  }

  /// From signal 1 on (signal(7), x86 and ARM).
  private static let signalNames = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
    "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
    "WINCH", "IO",
    "PWR", "SYS",
  ]
}
