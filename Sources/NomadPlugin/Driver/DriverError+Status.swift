import GRPCCore
import GRPCProtobuf
import SwiftProtobuf

extension RPCError {
  /// The status that tells Nomad of an error which a driver threw.
  ///
  /// Nomad's client looks for a `RecoverableError` in the details of a FAILED_PRECONDITION (`StartTask` in
  /// `plugins/drivers/client.go`), and takes any other failure for one that is not recoverable. UNKNOWN is what a
  /// driver in Go answers for a plain error. UNAVAILABLE is never used: the client would take the plugin for dead.
  init(driverError error: any Error) {
    switch error {
    case let error as RPCError:
      self = error
    case let error as DriverError:
      switch error {
      case .recoverable(let text):
        self.init(Self.recoverableStatus(text, isRecoverable: true))
      case .unrecoverable(let text):
        self.init(Self.recoverableStatus(text, isRecoverable: false))
      case .taskNotFound:
        self.init(code: .unknown, message: error.description)
      case .unimplemented:
        self.init(code: .unimplemented, message: Self.bounded(error.description))
      }
    case is CancellationError:
      self.init(code: .cancelled, message: "the call was cancelled")
    default:
      self.init(code: .unknown, message: Self.bounded(String(describing: error)))
    }
  }

  private static func recoverableStatus(_ text: String, isRecoverable: Bool) -> GoogleRPCStatus {
    var detail = Google_Protobuf_Any()
    detail.typeURL = "type.googleapis.com/\(WireRecoverableError.protoMessageName)"
    // A message of one boolean always serializes; if it did not, an empty one would say "not recoverable".
    let message = WireRecoverableError.with { $0.recoverable = isRecoverable }
    detail.value = (try? message.serializedBytes()) ?? detail.value
    return GoogleRPCStatus(
      code: .failedPrecondition, message: bounded(text), details: [.any(detail)])
  }

  /// Cuts a text so that the trailers of the call stay under 8 KiB, a usual limit of gRPC peers: they hold it once
  /// or twice, and encoding makes it up to three times as long.
  private static func bounded(_ text: String) -> String {
    let limit = 1536
    guard text.utf8.count > limit else { return text }
    var result = ""
    var length = 0
    for scalar in text.unicodeScalars {
      length += UTF8.width(scalar)
      guard length <= limit else { break }
      result.unicodeScalars.append(scalar)
    }
    return result + " …"
  }
}

extension DriverError {
  /// The error of a driver that a failed call tells of; nil if the call failed for another reason.
  init?(status: RPCError, method: String) {
    switch status.code {
    case .unimplemented:
      self = .unimplemented(method)
    case .unknown where status.message == DriverError.taskNotFound.description:
      self = .taskNotFound
    case .unknown, .invalidArgument, .failedPrecondition:
      let details = (try? status.unpackGoogleRPCStatus())?.details ?? []
      let isRecoverable = details.first?.any.flatMap { try? WireRecoverableError(unpackingAny: $0) }?
        .recoverable
      self = isRecoverable == true ? .recoverable(status.message) : .unrecoverable(status.message)
    default:
      return nil
    }
  }
}
