/// How a service's main process ended (`ExecMainCode`, `ExecMainStatus`).
public enum MainProcessExit: Sendable, Hashable {
  /// It exited with this status, 0…255.
  case exited(Int32)

  /// It was killed by this signal, 1…127.
  case killed(Int32)

  /// It was killed by this signal and dumped core.
  case dumped(Int32)

  /// Reads the name of a code, as in the journal (`EXIT_CODE`), and the exit status or signal.
  init?(word: String, status: Int32) {
    switch word {
    case "exited": self.init(code: 1, status: status)
    case "killed": self.init(code: 2, status: status)
    case "dumped": self.init(code: 3, status: status)
    default: return nil
    }
  }

  /// Reads a code of `waitid(2)` (CLD_EXITED 1, CLD_KILLED 2, CLD_DUMPED 3), and the exit status or signal.
  init?(code: Int32, status: Int32) {
    switch (code, status) {
    case (1, 0...255): self = .exited(status)
    case (2, 1...127): self = .killed(status)
    case (3, 1...127): self = .dumped(status)
    default: return nil
    }
  }
}
