/// Turns chunks of bytes into lines.
///
/// Lines end with a line feed, which is not part of them. What follows the last line feed is kept for the
/// next chunk. A line of more than `maximumLength` bytes is dropped and counted.
package struct LineSplitter {
  /// The most bytes in a line.
  let maximumLength: Int

  /// How many lines were too long.
  package private(set) var droppedCount = 0

  private var partial: [UInt8] = []
  private var isDropping = false

  /// Makes a splitter without input.
  package init(maximumLength: Int) {
    self.maximumLength = maximumLength
  }

  /// Takes a chunk and calls `onLine` with each line that it completes.
  package mutating func append(_ chunk: [UInt8], _ onLine: (ArraySlice<UInt8>) throws -> Void) rethrows {
    var start = 0
    while let end = chunk[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let rest = chunk[start..<end]
      start = end + 1
      if self.isDropping || self.partial.count + rest.count > self.maximumLength {
        self.droppedCount += 1
        self.isDropping = false
        self.partial = []
      } else if self.partial.isEmpty {
        try onLine(rest)
      } else {
        let line = self.partial + rest
        self.partial = []
        try onLine(line[...])
      }
    }
    let rest = chunk[start...]
    if self.isDropping || self.partial.count + rest.count > self.maximumLength {
      self.isDropping = true
      self.partial = []
    } else {
      self.partial += rest
    }
  }
}
