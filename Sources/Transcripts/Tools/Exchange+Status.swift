import Processes

extension Transcript.Exchange {
  /// How long the command ran; nil if that is not recorded.
  package var duration: Duration? {
    self.end.map { .microseconds(Int64($0 >= self.start ? $0 - self.start : 0)) }
  }

  /// Whether the command failed. One that the driver cancelled did not.
  package var isFailed: Bool {
    switch self.outcome {
    case .ended(let result):
      !result.termination.isSuccess && !(self.isAnswer && result.termination == .exited(1))
    case .failed: true
    case .cancelled, .refused, nil: false
    }
  }

  /// Whether an exit status of 1 is an answer: grep has found nothing, or the state of the system is not
  /// "running".
  private var isAnswer: Bool {
    self.command.executable.hasSuffix("/grep")
      || (self.command.arguments.contains("is-system-running") && !self.standardOutput.isEmpty)
  }

  /// How it ended, in a word or two.
  package var status: String {
    switch self.outcome {
    case .ended(let result):
      switch result.termination {
      case .exited(0): "ok"
      case .exited(let status): "exit \(status)"
      case .signaled(let signal): "signal \(signal)"
      }
    case .failed(.notExecutable), .failed(.spawnFailed), .failed(.notRecorded): "not run"
    case .failed(.timedOut): "timed out"
    case .failed(.tooMuchOutput): "too much"
    case .cancelled: "ended"
    case .refused: "refused"
    case nil: "unknown"
    }
  }

  /// The end of its standard error.
  var standardError: [UInt8] {
    if case .ended(let result) = self.outcome { result.standardError } else { [] }
  }

  /// Why it has no result; nil if it has one.
  var reason: String? {
    switch self.outcome {
    case .failed(let error): error.description
    case .refused(let reason): reason
    case .ended, .cancelled, nil: nil
    }
  }

  /// The lines of its standard output, each with the time of its end.
  var lines: [(at: UInt64, bytes: ArraySlice<UInt8>)] {
    var lines: [(at: UInt64, bytes: ArraySlice<UInt8>)] = []
    var partial: [UInt8] = []
    for chunk in self.output {
      var rest = chunk.bytes[...]
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        lines.append((chunk.at, partial.isEmpty ? rest[..<end] : (partial + rest[..<end])[...]))
        partial = []
        rest = rest[(end + 1)...]
      }
      partial += rest
    }
    if !partial.isEmpty, let last = self.output.last { lines.append((last.at, partial[...])) }
    return lines
  }
}
