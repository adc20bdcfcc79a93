import Testing

@testable import Processes

@Suite struct LineSplitterTests {
  private static func lines(_ chunks: [[UInt8]], maximumLength: Int = 100) -> (lines: [String], dropped: Int)
  {
    var splitter = LineSplitter(maximumLength: maximumLength)
    var lines: [String] = []
    var droppedCount = 0
    for chunk in chunks {
      splitter.append(chunk, onLongLine: { _ in droppedCount += 1 }) {
        lines.append(String(decoding: $0, as: UTF8.self))
      }
    }
    return (lines, droppedCount)
  }

  @Test func splitsHoweverTheChunksFall() {
    let text = Array("first\n\nsecond line\nx\n".utf8)
    for size in 1...text.count {
      let chunks = stride(from: 0, to: text.count, by: size).map {
        Array(text[$0..<min($0 + size, text.count)])
      }
      #expect(Self.lines(chunks).lines == ["first", "", "second line", "x"])
    }
    #expect(Self.lines([Array("no end".utf8), []]).lines == [])
  }

  @Test func dropsLinesThatAreTooLong() {
    let text = Array("12345\n123456\n1234567890123\n12345\n".utf8)
    for size in 1...text.count {
      let chunks = stride(from: 0, to: text.count, by: size).map {
        Array(text[$0..<min($0 + size, text.count)])
      }
      let (lines, dropped) = Self.lines(chunks, maximumLength: 5)
      #expect(lines == ["12345", "12345"])
      #expect(dropped == 2)
    }
  }

  @Test(arguments: [1, 7, 1000, 4096, 5000, 20_000]) func theEndsOfALongLineAreKept(chunkSize: Int) {
    let line = (0..<13_000).map { UInt8(ascii: "a") + UInt8($0 % 26) }
    let text = Array("first\n".utf8) + line + Array("\nlast\n".utf8)
    var splitter = LineSplitter(maximumLength: 6000)
    var lines: [String] = []
    var longLines: [LineSplitter.LongLine] = []
    for start in stride(from: 0, to: text.count, by: chunkSize) {
      let chunk = Array(text[start..<min(start + chunkSize, text.count)])
      splitter.append(chunk, onLongLine: { longLines.append($0) }) {
        lines.append(String(decoding: $0, as: UTF8.self))
      }
    }
    #expect(lines == ["first", "last"])
    #expect(longLines.map(\.size) == [13_000])
    #expect(longLines.first?.head == Array(line.prefix(4096)))
    #expect(longLines.first?.tail == Array(line.suffix(4096)))
  }

  @Test func whatALineThrowsIsThrownOn() {
    struct Refusal: Error {}
    var splitter = LineSplitter(maximumLength: 10)
    #expect(throws: Refusal.self) { try splitter.append([0x0a]) { _ in throw Refusal() } }
  }
}
