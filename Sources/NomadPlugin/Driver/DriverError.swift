/// A failure, with what Nomad is to make of it.
public enum DriverError: Error, Sendable, Hashable {
  /// Nomad tries again, by the job's restart policy. The text is for the operator.
  case recoverable(String)

  /// Trying again would not help. The text is for the operator.
  case unrecoverable(String)

  /// The driver knows no task with this ID.
  case taskNotFound

  /// The driver does not offer the RPC of this name, such as `SignalTask`.
  case unimplemented(String)
}

extension DriverError: CustomStringConvertible {
  /// The text that Nomad shows.
  public var description: String {
    switch self {
    case .recoverable(let text), .unrecoverable(let text): text
    // The text of ErrTaskNotFound in hashicorp/nomad, plugins/drivers/errors.go.
    case .taskNotFound: "task not found for given id"
    case .unimplemented(let name): "\(name) is not implemented by this driver"
    }
  }
}
