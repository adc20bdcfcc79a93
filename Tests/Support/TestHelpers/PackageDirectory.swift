import Foundation

/// The directory of this package.
package let packageDirectory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

/// The directory of the programs of `Tests/Interop`, which `make interop` builds.
package let interopDirectory =
  ProcessInfo.processInfo.environment["INTEROP_DIR"] ?? "\(packageDirectory)/.build/interop"
