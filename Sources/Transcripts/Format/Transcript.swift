import Foundation
import Glibc
public import Processes

/// A sequence of recorded commands.
///
/// It may come from anyone: its size is limited, and none of its texts may be printed to a terminal as it is.
public struct Transcript: Sendable {
  /// A command and its outcome.
  public struct Exchange: Sendable, Hashable {
    /// The command's number in the recording.
    public let id: UInt64
    /// When it was started, in microseconds since the recording began.
    public let start: UInt64
    /// What was run.
    public let command: Command
    /// Its standard output, in chunks with their times.
    public internal(set) var output: [Chunk] = []
    /// When it ended, in microseconds since the recording began; nil if that is not recorded.
    public internal(set) var end: UInt64?
    /// How it ended; nil if that is not recorded.
    public internal(set) var outcome: TranscriptOutcome?

    /// All of its standard output.
    public var standardOutput: [UInt8] { Array(self.output.map(\.bytes).joined()) }
  }

  /// A chunk of output.
  public struct Chunk: Sendable, Hashable {
    /// When it came, in microseconds since the recording began.
    public let at: UInt64
    /// The bytes.
    public let bytes: [UInt8]
  }

  /// The facts about the recording, from its first file.
  public let header: TranscriptHeader

  /// The commands in the order of their starts.
  public let exchanges: [Exchange]

  /// The largest transcript that is read, in bytes.
  public static let sizeLimit = 1 << 30

  /// The longest line that is read, in bytes.
  static let lineLimit = 8 << 20

  init(header: TranscriptHeader, exchanges: [Exchange]) {
    self.header = header
    self.exchanges = exchanges
  }

  /// Reads a file. Several files of one recording, one after the other, are one transcript.
  ///
  /// An incomplete last line is skipped: the recording process has crashed while it wrote it.
  ///
  /// - Throws: ``TranscriptError`` that names the file, the line and what is wrong.
  public init(contentsOf path: String) throws(TranscriptError) {
    func error(_ problem: String) -> TranscriptError {
      TranscriptError("Cannot read the transcript '\(DisplayText(path.utf8).text)': \(problem).")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { throw error("\(ErrorNumber(errno))") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw error("it is not a regular file")
    }
    guard status.st_size <= Self.sizeLimit else {
      throw error("it has more than \(Self.sizeLimit >> 20) MiB")
    }
    var parser = Parser()
    do {
      var size = 0
      var splitter = LineSplitter(maximumLength: Self.lineLimit)
      while true {
        let chunk = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
          count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
        }
        size += chunk.count
        guard !chunk.isEmpty, size <= Self.sizeLimit else { break }
        try splitter.append(chunk) { line in try parser.take(line) }
        guard splitter.droppedCount == 0 else {
          throw TranscriptError(
            "a line after line \(parser.lineCount) has more than \(Self.lineLimit >> 20) MiB")
        }
      }
      guard let header = parser.header else { throw TranscriptError("it is empty") }
      self.header = header
    } catch let problem {
      throw error((problem as? TranscriptError)?.description ?? "\(problem)")
    }
    self.exchanges = parser.order.compactMap { parser.exchanges[$0] }
  }

  private struct Parser {
    var header: TranscriptHeader?
    var part: Int?
    var lineCount = 0
    var exchanges: [UInt64: Exchange] = [:]
    var order: [UInt64] = []

    mutating func take(_ line: ArraySlice<UInt8>) throws {
      self.lineCount += 1
      do {
        if self.lineCount == 1 {
          guard let version = try? JSONDecoder().decode(TranscriptVersion.self, from: Data(line)).transcript
          else {
            throw TranscriptError("it is not a transcript's header")
          }
          guard version == TranscriptHeader.currentVersion else {
            throw TranscriptError(
              "it has version \(version) of the format; this program reads version \(TranscriptHeader.currentVersion)"
            )
          }
        }
        try self.take(TranscriptRecord(line: line) { self.exchanges[$0]?.command })
      } catch {
        throw TranscriptError("line \(self.lineCount): \(error)")
      }
    }

    private mutating func take(_ record: TranscriptRecord) throws(TranscriptError) {
      switch record {
      case .header(let next):
        guard let header = self.header else { return self.header = next }
        guard next.recording == header.recording, next.part == (self.part ?? header.part) + 1 else {
          throw TranscriptError("the file does not follow the one before it")
        }
        self.part = next.part
      case .start(let id, let at, let command, let isContinued):
        if isContinued, self.exchanges[id] != nil { return }
        guard self.exchanges[id] == nil else {
          throw TranscriptError("a second command has the number \(id)")
        }
        self.exchanges[id] = Exchange(id: id, start: at, command: command)
        self.order.append(id)
      case .output(let id, let at, let bytes):
        guard self.exchanges[id]?.outcome == nil, self.exchanges[id] != nil else {
          throw TranscriptError("no running command has the number \(id)")
        }
        self.exchanges[id]?.output.append(Chunk(at: at, bytes: bytes))
      case .end(let id, let at, let outcome):
        guard self.exchanges[id]?.outcome == nil else {
          throw TranscriptError("the command \(id) ends twice")
        }
        self.exchanges[id]?.end = at
        self.exchanges[id]?.outcome = outcome
      }
    }
  }
}
