import ControlGroups
import Glibc

/// The reason for which the helper cannot run the command.
struct ExecError: Error {
  let text: String

  /// - Parameter code: the system's error number, which is added as text; 0 for none.
  init(_ text: String, code: Int32 = errno) {
    self.text = code == 0 ? text : "\(text): \(String(cString: strerror(code)))"
  }

  init(_ error: ControlGroupError) { self.init(error.text, code: error.code) }
}
