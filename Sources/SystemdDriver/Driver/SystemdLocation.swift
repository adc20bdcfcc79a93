import Processes
import Systemd
import Transcripts

/// Where the systemd is that the driver works with.
enum SystemdLocation: Sendable {
  /// On this host, in the boot with this identifier (random(4)), as far as that is known.
  case local(bootID: String?)
  /// Behind words that are put before every command.
  case behindPrefix
  /// In a transcript.
  ///
  /// - Parameter wasLocal: whether the commands were recorded on the host of their systemd.
  case replayed(ReplayingCommandRunner, wasLocal: Bool)

  /// Whether the units' processes and files can be seen here.
  var isLocal: Bool { if case .local = self { true } else { false } }

  /// Whether its clock is the one here, or was when the commands were recorded.
  var sharesClock: Bool {
    switch self {
    case .local: true
    case .behindPrefix: false
    case .replayed(_, let wasLocal): wasLocal
    }
  }

  /// The boot that this is; nil if that is not known.
  var bootID: String? { if case .local(let bootID) = self { bootID } else { nil } }

  /// What answers in place of a systemd; nil if there is one.
  var replay: ReplayingCommandRunner? { if case .replayed(let replay, _) = self { replay } else { nil } }
}
