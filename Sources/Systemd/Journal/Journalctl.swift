public import Logging
public import Processes

/// systemd's journal, by the command `journalctl(1)` of systemd 247 or later.
///
/// Calls throw ``SystemdError``, or `CancellationError` if the calling task is cancelled.
public struct Journalctl: Sendable {
  /// The longest line of output that is taken. An entry that needs more is passed over.
  ///
  /// journald splits what services print at 48 KiB, which is 240 KiB as an array of byte numbers.
  static let lineLimit = 8 << 20

  /// How many entries a unit's history is made of, at most: a run has about five.
  private static let historyLimit = 100

  private let tool: SystemdTool
  private let timeLimit: Duration
  private let logger: Logger

  /// Makes the command's front end.
  ///
  /// - Parameters:
  ///   - runner: what runs the commands.
  ///   - path: the program; a name without a slash where the command prefix makes another system look it up.
  ///   - commandPrefix: words put before every command, such as `["podman", "exec", "-i", "host"]`.
  ///   - timeLimit: the time limit of commands that don't follow the journal.
  ///   - logger: is told of entries that had to be passed over.
  public init(
    runner: any CommandRunner, path: String = Executable.find("journalctl"), commandPrefix: [String] = [],
    timeLimit: Duration = .seconds(30), logger: Logger
  ) {
    self.tool = SystemdTool(runner: runner, name: "journalctl", path: path, commandPrefix: commandPrefix)
    self.timeLimit = timeLimit
    self.logger = logger
  }

  /// Hands out the entries of units, those that exist and then those that come, until the calling task is cancelled.
  ///
  /// Entries of a unit are what its processes logged and what the service manager says about it; those of a slice are
  /// those of all units in it. Since systemd 250 only those of the current boot are shown.
  ///
  /// - Parameters:
  ///   - units: by their true names; an alias has no entries. None: all entries, of whatever unit.
  ///   - scope: which of their entries.
  ///   - position: where to begin.
  ///   - detail: how much of the entries is needed.
  ///   - onEntries: is given entries in order, at least one. While it is suspended, nothing more is read. An error
  ///     that it throws ends the call.
  public func follow(
    _ units: [UnitName], _ scope: JournalScope = .all, after position: JournalPosition,
    _ detail: JournalEntry.Detail = .lifecycle, _ onEntries: ([JournalEntry]) async throws -> Void
  ) async throws {
    let result = try await self.read(
      ["--follow", "--no-tail"], units, scope, after: position, detail, onEntries)
    let error = self.tool.error(result, "--follow", units)
    throw error.reason == .other
      ? SystemdError(
        .ended, action: error.action, units: error.units, termination: error.termination,
        message: error.message)
      : error
  }

  /// Hands out the entries of units that exist now, like ``follow(_:_:after:_:_:)``.
  public func read(
    _ units: [UnitName], _ scope: JournalScope = .all, after position: JournalPosition,
    _ detail: JournalEntry.Detail = .lifecycle, _ onEntries: ([JournalEntry]) async throws -> Void
  ) async throws {
    let result = try await self.read(["--boot", "--quiet"], units, scope, after: position, detail, onEntries)
    guard result.termination.isSuccess else { throw self.tool.error(result, "--unit", units) }
  }

  /// What the service manager has said about a unit of late, in this boot.
  ///
  /// - Parameters:
  ///   - position: what it said before that does not count.
  ///   - isSynced: whether journald is first to write what it has been told.
  /// - Throws: `SystemdError`; `CancellationError`.
  public func history(
    of unit: UnitName, after position: JournalPosition = .beginning, isSynced: Bool = true
  ) async throws -> UnitHistory {
    if isSynced { try await self.sync(timeLimit: self.timeLimit) }
    var entries: [JournalEntry] = []
    let result = try await self.read(
      ["--boot", "--quiet", "--lines=\(Self.historyLimit)"], [unit], after: position, .lifecycle,
      matches: ["_PID=1"], timeLimit: self.timeLimit
    ) { entries += $0 }
    guard result.termination.isSuccess else { throw self.tool.error(result, "--unit", [unit]) }
    return UnitHistory(entries)
  }

  private func read(
    _ options: [String], _ units: [UnitName], _ scope: JournalScope = .all, after position: JournalPosition,
    _ detail: JournalEntry.Detail, matches: [String] = [], timeLimit: Duration? = nil,
    _ onEntries: ([JournalEntry]) async throws -> Void
  ) async throws -> CommandResult {
    var arguments = ["--no-pager"] + options + ["--output=json", "--all"]
    if let fields = detail.fields { arguments.append("--output-fields=" + fields.joined(separator: ",")) }
    arguments += scope.options(for: units)
    // With --after-cursor= journalctl passes over one entry, whichever it is, if that of the cursor has been vacuumed,
    // and to version 252 also if it is not one of these units.
    var passedOver: JournalCursor?
    switch position {
    case .beginning: break
    case .since(let time): arguments.append("--since=@\(time.secondsText)")
    case .after(let cursor):
      arguments.append("--cursor=\(cursor.text)")
      passedOver = cursor
    }
    arguments += matches + scope.matches(for: units)
    var splitter = LineSplitter(maximumLength: Self.lineLimit)
    var droppedCount = 0
    do {
      return try await self.tool.runner.run(self.tool.command(arguments, timeLimit: timeLimit)) { chunk in
        var entries: [JournalEntry] = []
        // A program that tells nothing else must not fill the log as well.
        var passedOverCount = 0
        var firstError: JournalEntryError?
        splitter.append(chunk) { line in
          do throws(JournalEntryError) {
            var entry = try JournalEntry(json: line)
            if case .complete = detail { entry.json = Array(line) }
            if entry.cursor != passedOver { entries.append(entry) }
            passedOver = nil
          } catch {
            passedOverCount += 1
            firstError = firstError ?? error
          }
        }
        if let firstError {
          self.logger.warning(
            "passed over lines of the journal",
            metadata: ["units": "\(units)", "count": "\(passedOverCount)", "error": "\(firstError)"])
        }
        if splitter.droppedCount > droppedCount {
          droppedCount = splitter.droppedCount
          self.logger.warning(
            "passed over an entry of the journal that needs more than \(Self.lineLimit) bytes",
            metadata: ["units": "\(units)"])
        }
        if !entries.isEmpty { try await onEntries(entries) }
      }
    } catch let error as CommandError {
      throw self.tool.error(.command(error), options[0], units)
    }
  }

  /// The position of the last entry of the whole journal; `nil` if it has none.
  public func currentCursor() async throws -> JournalCursor? {
    let arguments = ["--no-pager", "--quiet", "--lines=1", "--output=json", "--output-fields=_BOOT_ID"]
    let output = try await self.tool.output("--lines=1", [], arguments, timeLimit: self.timeLimit)
    guard let line = output.split(separator: UInt8(ascii: "\n")).last else { return nil }
    do throws(JournalEntryError) {
      return try JournalEntry(json: line).cursor
    } catch {
      throw self.tool.error(.unexpectedOutput("\(error)"), "--lines=1")
    }
  }

  /// Waits until all that was logged so far is in the journal's files. Needs root.
  public func sync(timeLimit: Duration = .seconds(2)) async throws {
    _ = try await self.tool.output("--sync", [], ["--sync"], timeLimit: timeLimit)
  }
}

extension RealtimeTimestamp {
  /// The seconds since 1970 with a fraction of six digits, as in `--since=@1732294300.000001`.
  fileprivate var secondsText: String {
    let fraction = String(self.microseconds % 1_000_000)
    return "\(self.microseconds / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
  }
}
