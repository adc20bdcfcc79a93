package import Logging

/// A logger that says nothing.
package let quietLogger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
