import Processes

/// Turns what is read from a pipe into lines, without their line breaks.
///
/// A line longer than 64 KiB is handed on in pieces, as go-plugin does.
struct LineReader {
  private static let maximumLength = 64 * 1024

  private var partialLine: [UInt8] = []
  private let onLine: ([UInt8]) -> Void

  /// Reads a pipe to its end.
  ///
  /// - Parameter onLine: Called for one line after the other.
  static func read(_ descriptor: ReadableDescriptor, onLine: @escaping ([UInt8]) -> Void) async {
    var reader = LineReader(onLine: onLine)
    while let chunk = await descriptor.next() { reader.take(chunk) }
    if !reader.partialLine.isEmpty { onLine(reader.partialLine) }
  }

  private init(onLine: @escaping ([UInt8]) -> Void) { self.onLine = onLine }

  private mutating func take(_ chunk: [UInt8]) {
    var rest = chunk[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      self.append(rest[..<end])
      self.onLine(self.partialLine)
      self.partialLine = []
      rest = rest[(end + 1)...]
    }
    self.append(rest)
  }

  /// Adds to the line that has begun; hands on what is too long.
  private mutating func append(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    while self.partialLine.count + rest.count > Self.maximumLength {
      let piece = rest.prefix(Self.maximumLength - self.partialLine.count)
      self.onLine(self.partialLine + piece)
      self.partialLine = []
      rest = rest.dropFirst(piece.count)
    }
    self.partialLine += rest
  }
}
