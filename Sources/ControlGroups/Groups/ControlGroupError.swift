/// Why a process could not join a control group.
package struct ControlGroupError: Error, Sendable, Hashable {
  /// What was attempted.
  package let text: String
  /// The system's error number (errno(3)).
  package let code: Int32
}
