import AsyncPrimitives
import Synchronization

/// Sorts what a plugin prints: the first line on standard output is the protocol line, the rest is handed on.
/// Some of it is kept for error messages.
final class PluginOutputRecorder: Sendable {
  private static let keptLines = 10
  private static let keptLength = 1000

  private struct Kept {
    var firstOutput: [String] = []
    var firstErrors: [String] = []
    var lastErrors: [String] = []
  }

  /// Nil if the plugin ended without one.
  let protocolLine = Promise<[UInt8]?>()

  private let kept = Mutex(Kept())
  private let handler: @Sendable (PluginOutput) -> Void

  init(handler: @escaping @Sendable (PluginOutput) -> Void) { self.handler = handler }

  func takeOutput(_ line: [UInt8]) {
    let text = String(decoding: line, as: UTF8.self)
    self.kept.withLock { kept in
      if kept.firstOutput.count < Self.keptLines { kept.firstOutput.append(Self.shortened(text)) }
    }
    guard self.protocolLine.current != nil else {
      self.protocolLine.fulfil(line)
      return
    }
    self.handler(.standardOutput(text))
  }

  func takeError(_ line: [UInt8]) {
    let text = String(decoding: line, as: UTF8.self)
    self.kept.withLock { kept in
      if kept.firstErrors.count < Self.keptLines {
        kept.firstErrors.append(Self.shortened(text))
      } else {
        kept.lastErrors.append(Self.shortened(text))
        // One more than is shown, to know whether any are left out.
        if kept.lastErrors.count > Self.keptLines + 1 { kept.lastErrors.removeFirst() }
      }
    }
    if let entry = HCLogEntry(line: text) {
      self.handler(.log(entry))
    } else {
      self.handler(.standardError(text))
    }
  }

  func takeStdio(_ data: WireStdioData) {
    let text = String(decoding: data.data, as: UTF8.self)
    switch data.channel {
    case .stdout: self.handler(.standardOutput(text))
    case .stderr: self.handler(.standardError(text))
    case .invalid, .UNRECOGNIZED: break
    }
  }

  /// What was kept, for people.
  var summary: String {
    self.kept.withLock { kept in
      var lines = kept.firstOutput.map { "  stdout: \($0)" } + kept.firstErrors.map { "  stderr: \($0)" }
      if kept.lastErrors.count > Self.keptLines { lines.append("  …") }
      lines += kept.lastErrors.suffix(Self.keptLines).map { "  stderr: \($0)" }
      return lines.joined(separator: "\n")
    }
  }

  private static func shortened(_ text: String) -> String {
    text.count <= self.keptLength ? text : text.prefix(self.keptLength) + "…"
  }
}
