/// A level of syslog(3), by which systemd holds messages back (`LogLevel=`, `LogLevelMax=`).
enum LogLevel: Int, CaseIterable, Comparable, CustomStringConvertible {
  case emerg, alert, crit, err, warning, notice, info, debug

  /// Reads a name, as of the manager's level, or a number, as of a unit's; anything else gives nil.
  init?(_ text: String) {
    guard
      let level = Int(text).flatMap({ Self(rawValue: $0) }) ?? Self.allCases.first(where: { "\($0)" == text })
    else { return nil }
    self = level
  }

  var description: String {
    switch self {
    case .emerg: "emerg"
    case .alert: "alert"
    case .crit: "crit"
    case .err: "err"
    case .warning: "warning"
    case .notice: "notice"
    case .info: "info"
    case .debug: "debug"
    }
  }

  static func < (first: Self, second: Self) -> Bool { first.rawValue < second.rawValue }
}
