import AsyncPrimitives
import Foundation
import Logging
import Processes
import Synchronization
import Testing

@testable import GoPlugin

@Suite struct HCLogWriterTests {
  let reader: Int32
  let writer: Int32

  init() throws {
    // A closed pipe must not end the tests.
    signal(SIGPIPE) { _ in }
    var descriptors: [Int32] = [-1, -1]
    try #require(pipe(&descriptors) == 0)
    (self.reader, self.writer) = (descriptors[0], descriptors[1])
    _ = fcntl(self.reader, F_SETFD, FD_CLOEXEC)
    _ = fcntl(self.writer, F_SETFD, FD_CLOEXEC)
  }

  func logger(_ writer: HCLogWriter, level: Logger.Level = .trace) -> Logger {
    Logger(label: "test") { HCLogHandler(label: $0, level: level, writer: writer) }
  }

  /// All that is in the pipe now.
  func readAvailable() -> [UInt8] {
    _ = fcntl(self.reader, F_SETFL, O_NONBLOCK)
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = read(self.reader, &buffer, buffer.count), count > 0 { all += buffer[..<count] }
    return all
  }

  @Test func handlerWritesItsFields() throws {
    let provider = Logger.MetadataProvider { ["from": "provider", "task": "t1"] }
    var logger = Logger(label: "test") { label in
      var handler = HCLogHandler(label: label, writer: HCLogWriter(descriptor: self.writer))
      handler.metadataProvider = provider
      return handler
    }
    logger[metadataKey: "from"] = "handler"
    logger[metadataKey: "own"] = "yes"
    #expect(logger[metadataKey: "own"] == "yes")
    logger.warning("careful", metadata: ["task": "t2"])
    close(self.writer)
    let entry = HCLogEntry(line: String(decoding: self.readAvailable(), as: UTF8.self))
    close(self.reader)
    #expect(entry?.level == .warning)
    #expect(entry?.message == "careful")
    #expect(entry?.module == "test")
    #expect(entry?.metadata == ["from": "provider", "own": "yes", "task": "t2"])
  }

  @Test func levelIsHonoured() {
    let logger = self.logger(HCLogWriter(descriptor: self.writer), level: .warning)
    logger.info("not this")
    logger.error("this")
    let text = String(decoding: self.readAvailable(), as: UTF8.self)
    #expect(!text.contains("not this"))
    #expect(text.contains("this"))
    close(self.writer)
    close(self.reader)
  }

  @Test func linesOfManyThreadsNeverMix() async throws {
    let writer = HCLogWriter(descriptor: self.writer, patience: .seconds(60))
    let lines = Mutex<[[UInt8]]>([])
    _ = fcntl(self.reader, F_SETFL, O_NONBLOCK)
    let descriptor = try #require(ReadableDescriptor(self.reader))
    async let reading: Void = LineReader.read(descriptor) { line in lines.withLock { $0.append(line) } }
    let threads = 8
    let linesEach = 100
    let done = (0..<threads).map { _ in Promise<Void>() }
    for thread in 0..<threads {
      Thread.detachNewThread {
        let logger = self.logger(writer)
        for number in 0..<linesEach {
          let filling = String(repeating: "\(thread)", count: number * 300)
          logger.info(
            "line", metadata: ["thread": "\(thread)", "number": "\(number)", "filling": "\(filling)"])
        }
        done[thread].fulfil(())
      }
    }
    for promise in done { try await promise.value }
    descriptor.finish()
    await reading
    descriptor.close()
    close(self.writer)
    var seen = Set<String>()
    for line in lines.withLock({ $0 }) {
      let entry = try #require(HCLogEntry(line: String(decoding: line, as: UTF8.self)))
      seen.insert("\(entry.metadata["thread"] ?? "") \(entry.metadata["number"] ?? "")")
    }
    #expect(seen.count == threads * linesEach)
  }

  @Test func hostThatDoesNotReadLosesLinesAndIsTold() throws {
    let writer = HCLogWriter(descriptor: self.writer, patience: .milliseconds(1))
    let logger = self.logger(writer)
    let filling = String(repeating: "x", count: 20_000)
    // A pipe holds far less.
    for number in 0..<100 { logger.info("\(filling) \(number)") }
    var bytes = self.readAvailable()
    logger.info("after")
    bytes += self.readAvailable()
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    close(self.writer)
    close(self.reader)
    let entries = lines.map { HCLogEntry(line: String(decoding: $0, as: UTF8.self)) }
    // The line that went only in part is the only one that is damaged.
    #expect(entries.count { $0 == nil } <= 1)
    let whole = entries.compactMap(\.self)
    #expect(whole.last?.message == "after")
    let notice = try #require(whole.dropLast().last)
    #expect(notice.level == .warning)
    #expect(notice.metadata["dropped"] == "\(100 - (whole.count - 2))")
  }

  @Test func hostThatIsGoneDoesNoHarm() {
    let logger = self.logger(HCLogWriter(descriptor: self.writer, patience: .seconds(600)))
    close(self.reader)
    for _ in 0..<10 { logger.info("nobody hears this") }
    close(self.writer)
  }

  @Test func descriptorKeepsBlockingForOthers() {
    let writer = HCLogWriter(descriptor: self.writer)
    #expect(fcntl(self.writer, F_GETFL) & O_NONBLOCK == 0)
    withExtendedLifetime(writer) {}
    close(self.writer)
    close(self.reader)
  }

  @Test func fileIsAppendedTo() throws {
    let directory = try TemporaryDirectory(environment: [:])
    defer { directory.remove() }
    let file = open("\(directory.path)/log", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    #expect(write(file, "before\n", 7) == 7)
    self.logger(HCLogWriter(descriptor: file)).info("one")
    #expect(write(file, "after\n", 6) == 6)
    close(file)
    let lines = try String(contentsOfFile: "\(directory.path)/log", encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines.first == "before")
    #expect(lines.last == "after")
    close(self.writer)
    close(self.reader)
  }
}
