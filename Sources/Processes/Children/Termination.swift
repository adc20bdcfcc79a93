/// How a program ended.
public enum Termination: Sendable, Hashable {
  /// It exited with this status, 0…255.
  case exited(Int32)

  /// It was killed by this signal.
  case signaled(Int32)

  /// Whether it exited with status 0.
  public var isSuccess: Bool { self == .exited(0) }

  /// Reads the status that `waitpid(2)` gives of a process that has ended.
  init(waitStatus: Int32) {
    // The macros of sys/wait.h, which Swift does not import.
    let signal = waitStatus & 0x7f
    self = signal == 0 ? .exited((waitStatus >> 8) & 0xff) : .signaled(signal)
  }
}

extension Termination: CustomStringConvertible {
  /// For example "exit status 5" or "killed by signal 9".
  public var description: String {
    switch self {
    case .exited(let status): "exit status \(status)"
    case .signaled(let signal): "killed by signal \(signal)"
    }
  }
}
