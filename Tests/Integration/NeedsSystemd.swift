import Foundation
import Testing

/// Whether the tests may use the systemd that systemctl reaches: the Makefile says so inside a private host.
let hasSystemd = ProcessInfo.processInfo.environment["INTEGRATION_SYSTEMD"] == "1"

extension Trait where Self == ConditionTrait {
  static var needsSystemd: Self {
    .enabled(if: hasSystemd, "needs root and a private host: make test starts one where that is possible")
  }
}
