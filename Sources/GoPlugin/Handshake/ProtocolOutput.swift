import Foundation

/// The standard output as the host reads it: for the protocol line and nothing else.
struct ProtocolOutput {
  private let descriptor: Int32

  /// Takes the standard output away from the rest of the process: whatever prints from now on prints to
  /// standard error.
  ///
  /// - Throws: ``PluginServerError/protocolLine(_:)`` if there is no standard output.
  static func takeStandardOutput() throws(PluginServerError) -> ProtocolOutput {
    let descriptor = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
    guard descriptor >= 0 else {
      throw .protocolLine(
        "Cannot tell the host where the plugin listens: its standard output is not open (\(errorText(errno)))."
      )
    }
    if dup2(STDERR_FILENO, STDOUT_FILENO) < 0 {
      let null = open("/dev/null", O_WRONLY)
      dup2(null, STDOUT_FILENO)
      close(null)
    }
    return ProtocolOutput(descriptor: descriptor)
  }

  /// Writes the line and closes the output; waits up to 10 s for a host that does not read.
  ///
  /// - Throws: ``PluginServerError/protocolLine(_:)`` if the host takes no line.
  func write(_ line: ProtocolLine) throws(PluginServerError) {
    let bytes = Array("\(line)\n".utf8)
    let written = writeBytes(bytes, to: self.descriptor, until: .now + .seconds(10))
    let reason = errorText(errno)
    close(self.descriptor)
    guard written == bytes.count else {
      throw .protocolLine("Cannot tell the host where the plugin listens (standard output): \(reason).")
    }
  }
}
