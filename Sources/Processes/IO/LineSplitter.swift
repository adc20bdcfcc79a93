/// Turns chunks of bytes into lines.
///
/// Lines end with a line feed, which is not part of them. What follows the last line feed is kept for the
/// next chunk. Of a line of more than `maximumLength` bytes only the ends are kept.
package struct LineSplitter {
  /// What is left of a line that was too long.
  package struct LongLine: Sendable, Hashable {
    /// How many bytes it had.
    package fileprivate(set) var size = 0
    /// Its first bytes.
    package fileprivate(set) var head: [UInt8] = []
    /// Its last bytes. They may overlap the first ones.
    package fileprivate(set) var tail: [UInt8] = []

    fileprivate mutating func append(_ bytes: ArraySlice<UInt8>) {
      self.size += bytes.count
      self.head += bytes.prefix(LineSplitter.keptLength - self.head.count)
      self.tail += bytes.suffix(LineSplitter.keptLength)
      self.tail.removeFirst(max(0, self.tail.count - LineSplitter.keptLength))
    }
  }

  /// How many bytes of either end of a line that is too long are kept.
  static let keptLength = 4096

  /// The most bytes in a line.
  let maximumLength: Int

  /// How many lines were too long.
  package private(set) var droppedCount = 0

  private var partial: [UInt8] = []
  private var longLine: LongLine?

  /// Makes a splitter without input.
  package init(maximumLength: Int) {
    self.maximumLength = maximumLength
  }

  /// Takes a chunk and calls `onLine` with each line that it completes, or `onLongLine` with what is left of it.
  package mutating func append(
    _ chunk: [UInt8], onLongLine: (LongLine) -> Void = { _ in },
    _ onLine: (ArraySlice<UInt8>) throws -> Void
  ) rethrows {
    var start = 0
    while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let rest = chunk[start..<end]
      start = end + 1
      if self.dropsLine(with: rest) {
        let line = self.longLine
        self.longLine = nil
        self.droppedCount += 1
        if let line { onLongLine(line) }
      } else if self.partial.isEmpty {
        try onLine(rest)
      } else {
        let line = self.partial + rest
        self.partial = []
        try onLine(line[...])
      }
    }
    let rest = chunk[start...]
    if !self.dropsLine(with: rest) { self.partial += rest }
  }

  /// Whether the present line is too long with these further bytes. Then they are counted.
  private mutating func dropsLine(with rest: ArraySlice<UInt8>) -> Bool {
    if self.longLine == nil {
      guard self.partial.count + rest.count > self.maximumLength else { return false }
      self.longLine = LongLine()
      self.longLine?.append(self.partial[...])
      self.partial = []
    }
    self.longLine?.append(rest)
    return true
  }
}
