import ArgumentParser
import Foundation
import Glibc
import Systemd
import Transcripts

/// `transcript`: shows what was recorded.
struct TranscriptCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "transcript",
    abstract: "Show, compare and repeat recorded commands.",
    discussion: """
      The plugin option record_dir, and `run --record FILE`, record every command with its answer. A recording can \
      be replayed without systemd: `run --replay FILE UNIT`.
      """,
    subcommands: [Show.self, Script.self, Diff.self])

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the commands with their times, outcomes and output.",
      discussion: """
        Each command has a line with the seconds since the recording began, how long it took, what came of it, and the \
        command; lines of its output follow with their own times. Entries of the journal are shown by their messages.
        """)

    @Argument(help: "The transcript.", completion: .file(extensions: ["jsonl"]))
    var file: String

    @Option(help: "Only commands that name this unit.")
    var unit: String?

    @Flag(help: "Only commands that failed.")
    var failed = false

    @Option(
      help: ArgumentHelp(
        "Only commands that took longer, apart from those that follow the journal.", valueName: "seconds"))
    var slowerThan: Double?

    @Flag(help: "All output, and the commands as they were run.")
    var full = false

    func validate() throws {
      guard (0...1e9).contains(self.slowerThan ?? 0) else {
        throw ValidationError("--slower-than takes 0 to 1000000000 seconds.")
      }
      _ = try self.filter
    }

    private var filter: TranscriptListing.Filter {
      get throws {
        var filter = TranscriptListing.Filter()
        do {
          filter.unit = try self.unit.map { try UnitName($0) }
        } catch {
          throw ValidationError("\(error)")
        }
        filter.isFailed = self.failed
        filter.slowerThan = self.slowerThan.map { .seconds($0) }
        return filter
      }
    }

    func run() throws {
      let isColoured = isatty(STDOUT_FILENO) == 1 && environment()["NO_COLOR", default: ""].isEmpty
      let transcript = try TranscriptCommand.read(self.file)
      TranscriptListing(transcript, try self.filter, isFull: self.full, isColoured: isColoured)
        .lines { print($0) }
    }
  }

  struct Script: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print a shell script of the commands.",
      discussion: """
        Commands that change something are comments in it, unless asked for, and so are those that reach systemd \
        through a command prefix. Read the script before you run it.
        """)

    @Argument(help: "The transcript.", completion: .file(extensions: ["jsonl"]))
    var file: String

    @Flag(help: "Run commands that change something as well.")
    var withChanges = false

    func run() throws {
      TranscriptScript(try TranscriptCommand.read(self.file), includesChanges: self.withChanges).lines {
        print($0)
      }
    }
  }

  struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Tell which commands answered differently.",
      discussion: """
        Of two hosts, or of before and after. Times, process numbers and the like are not compared. Exits with 0 if \
        there is no difference, 1 if there is one, 2 if a file cannot be read.
        """)

    @Argument(help: "The one transcript.", completion: .file(extensions: ["jsonl"]))
    var first: String

    @Argument(help: "The other one.", completion: .file(extensions: ["jsonl"]))
    var second: String

    func run() throws {
      let comparison = TranscriptComparison(
        try TranscriptCommand.read(self.first), try TranscriptCommand.read(self.second))
      for difference in comparison.differences {
        print(difference.command)
        for line in difference.first { print("- \(line)") }
        for line in difference.second { print("+ \(line)") }
        print("")
      }
      if !comparison.differences.isEmpty { throw ExitCode(1) }
    }
  }

  fileprivate static func read(_ file: String) throws -> Transcript {
    do {
      return try Transcript(contentsOf: file)
    } catch {
      printError("nomad-driver-systemd: \(error)")
      throw ExitCode(2)
    }
  }
}
