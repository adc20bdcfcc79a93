import NomadPlugin

/// The ends of a command's two outputs.
actor CollectedOutput {
  private let limit: Int
  private var bytes: (stdout: [UInt8], stderr: [UInt8]) = ([], [])

  /// - Parameter limit: the most that is kept of each, in bytes.
  init(limit: Int) { self.limit = limit }

  /// Takes what comes.
  func add(_ output: ExecOutput) {
    switch output {
    case .stdout(let chunk): self.add(chunk, to: &self.bytes.stdout)
    case .stderr(let chunk): self.add(chunk, to: &self.bytes.stderr)
    }
  }

  private func add(_ chunk: [UInt8], to bytes: inout [UInt8]) {
    bytes += chunk
    // Cut rarely, so that each byte is moved once on average.
    if bytes.count > 4 * self.limit { bytes.removeFirst(bytes.count - self.limit) }
  }

  var stdout: [UInt8] { self.bytes.stdout.suffix(self.limit) }
  var stderr: [UInt8] { self.bytes.stderr.suffix(self.limit) }
}
