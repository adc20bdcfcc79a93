import Testing

@testable import Processes

@Suite struct LineSplitterTests {
  private static func lines(_ chunks: [[UInt8]], maximumLength: Int = 100) -> (lines: [String], dropped: Int)
  {
    var splitter = LineSplitter(maximumLength: maximumLength)
    var lines: [String] = []
    for chunk in chunks {
      splitter.append(chunk) { lines.append(String(decoding: $0, as: UTF8.self)) }
    }
    return (lines, splitter.droppedCount)
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

  @Test func whatALineThrowsIsThrownOn() {
    struct Refusal: Error {}
    var splitter = LineSplitter(maximumLength: 10)
    #expect(throws: Refusal.self) { try splitter.append([0x0a]) { _ in throw Refusal() } }
  }
}
