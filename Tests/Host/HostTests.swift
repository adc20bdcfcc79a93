import Foundation
import Testing

/// What happens to the whole host, or needs much of it: one test after another in a module of their own, since it happens
/// to all other tests as well.
@Suite(
  .serialized,
  .enabled(
    if: ProcessInfo.processInfo.environment["INTEGRATION_SYSTEMD"] == "1",
    "needs root and a private host: make test starts one where that is possible"))
struct HostTests {}
