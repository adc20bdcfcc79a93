import Dispatch
import Foundation

/// What signals do to a plugin's process.
enum ProcessSignals {
  /// From now on SIGINT and SIGPIPE do nothing, and SIGTERM calls `onTermination` until the source is cancelled.
  ///
  /// Ctrl-C in the agent's terminal reaches the plugin too, but the agent decides when a plugin ends. The two are
  /// handled by doing nothing instead of being ignored: programs started from here would be born ignoring them.
  static func handle(onTermination: @escaping @Sendable () -> Void) -> any DispatchSourceSignal {
    signal(SIGINT) { _ in }
    signal(SIGPIPE) { _ in }
    let source = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
    source.setEventHandler(handler: onTermination)
    source.activate()
    return source
  }
}
