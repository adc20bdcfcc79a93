public import Logging
public import Processes

/// systemd's journal, read with `journalctl(1)` of systemd 247 or later.
///
/// Calls throw ``SystemdError``, or `CancellationError` if the calling task is cancelled.
public struct Journalctl: Sendable {
  /// The longest line that is read, in bytes. Of a longer one only ``JournalEntry/omittedSize`` is told.
  ///
  /// journald splits what services print at 48 KiB, which is 240 KiB as an array of byte numbers.
  static let lineLimit = 8 << 20

  /// The largest number of entries in a unit's history, on average. A run has about five.
  private static let historyLimit = 100

  private let tool: SystemdTool
  private let timeLimit: Duration
  private let logger: Logger

  /// Makes a client of the journal.
  ///
  /// - Parameters:
  ///   - runner: what runs the commands.
  ///   - path: the program. With a command prefix it can be a name, which the other system finds.
  ///   - commandPrefix: words put before every command, such as `["podman", "exec", "-i", "host"]`.
  ///   - timeLimit: the time limit of commands that do not follow the journal.
  ///   - logger: gets a warning for entries that are skipped.
  public init(
    runner: any CommandRunner, path: String = Executable.find("journalctl"), commandPrefix: [String] = [],
    timeLimit: Duration = .seconds(30), logger: Logger
  ) {
    self.tool = SystemdTool(runner: runner, name: "journalctl", path: path, commandPrefix: commandPrefix)
    self.timeLimit = timeLimit
    self.logger = logger
  }

  /// Reads the entries of units, the existing ones and then the new ones, until the calling task is
  /// cancelled.
  ///
  /// The entries of a unit are those that its processes have logged, and those of the service manager about
  /// it. The entries of a slice are those of all units in it. Since systemd 250 only entries of the current
  /// boot are shown.
  ///
  /// - Parameters:
  ///   - units: by their primary names; an alias has no entries. If there is none, all entries are read.
  ///   - scope: which of their entries.
  ///   - position: where to begin.
  ///   - detail: which fields are needed.
  ///   - onEntries: is called with entries in order, at least one. While it is suspended, nothing more is
  ///     read. An error that it throws ends the call.
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

  /// Reads the entries of units that exist now, like ``follow(_:_:after:_:_:)``.
  public func read(
    _ units: [UnitName], _ scope: JournalScope = .all, after position: JournalPosition,
    _ detail: JournalEntry.Detail = .lifecycle, _ onEntries: ([JournalEntry]) async throws -> Void
  ) async throws {
    let result = try await self.read(["--boot", "--quiet"], units, scope, after: position, detail, onEntries)
    guard result.termination.isSuccess else { throw self.tool.error(result, "--unit", units) }
  }

  /// The latest messages of the service manager about units, in this boot, in order. Of a unit without any nothing is
  /// returned.
  ///
  /// - Throws: `SystemdError`; `CancellationError`.
  public func managerEntries(about units: [UnitName]) async throws -> [UnitName: [JournalEntry]] {
    var entries: [String: [JournalEntry]] = [:]
    // Older recordings have the question for one unit in this form.
    let isOne = units.count == 1
    let result = try await self.read(
      ["--boot", "--quiet", "--lines=\(Self.historyLimit * units.count)"], units, isOne ? .all : .manager,
      after: .beginning, .line, matches: isOne ? ["_PID=1"] : [], timeLimit: self.timeLimit,
      isOptional: true
    ) {
      for entry in $0 { entry.subjectUnit.map { entries[$0, default: []].append(entry) } }
    }
    guard result.termination.isSuccess else { throw self.tool.error(result, "--lines", units) }
    return Dictionary(units.map { ($0, entries[$0.name] ?? []) }) { first, _ in first }
  }

  private func read(
    _ options: [String], _ units: [UnitName], _ scope: JournalScope = .all, after position: JournalPosition,
    _ detail: JournalEntry.Detail, matches: [String] = [], timeLimit: Duration? = nil,
    isOptional: Bool = false,
    _ onEntries: ([JournalEntry]) async throws -> Void
  ) async throws -> CommandResult {
    var arguments = ["--no-pager"] + options + ["--output=json", "--all"]
    if let fields = detail.fields { arguments.append("--output-fields=" + fields.joined(separator: ",")) }
    arguments += scope.options(for: units)
    switch position {
    case .beginning: break
    case .since(let time): arguments.append("--since=@\(time.secondsText)")
    case .after(let cursor): arguments.append("--cursor=\(cursor.text)")
    }
    arguments += matches + scope.matches(for: units)
    var splitter = LineSplitter(maximumLength: Self.lineLimit)
    var resumption = JournalResumption(after: position)
    do {
      let result = try await self.tool.runner.run(
        self.tool.command(arguments, timeLimit: timeLimit, isOptional: isOptional)
      ) {
        chunk in
        var entries: [JournalEntry] = []
        // One warning for each chunk at most: a program that prints nothing else must not fill the log.
        var skippedCount = 0
        var firstError: JournalEntryError?
        splitter.append(
          chunk,
          onLongLine: { line in
            self.logger.warning(
              "Left out an entry of the journal that is too large.",
              metadata: ["units": "\(units)", "size": "\(line.size)"])
            if let entry = JournalEntry(line) { resumption.append(entry, to: &entries) }
          }
        ) { line in
          do throws(JournalEntryError) {
            var entry = try JournalEntry(json: line)
            if case .complete = detail { entry.json = Array(line) }
            resumption.append(entry, to: &entries)
          } catch {
            skippedCount += 1
            firstError = firstError ?? error
          }
        }
        if let firstError {
          self.logger.warning(
            "Skipped lines that are not entries of the journal.",
            metadata: ["units": "\(units)", "count": "\(skippedCount)", "error": "\(firstError)"])
        }
        if !entries.isEmpty { try await onEntries(entries) }
      }
      var rest: [JournalEntry] = []
      resumption.end(&rest)
      if !rest.isEmpty { try await onEntries(rest) }
      return result
    } catch let error as CommandError {
      throw self.tool.error(.command(error), options[0], units)
    }
  }

  /// The cursor of the last entry of the whole journal; nil if it has none.
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

  /// The last entry of units in this boot, without its message; nil if there is none.
  ///
  /// - Parameter units: if there is none, the last entry of all.
  public func lastEntry(of units: [UnitName], _ scope: JournalScope = .all) async throws -> JournalEntry? {
    var last: JournalEntry?
    let result = try await self.read(
      ["--boot", "--quiet", "--lines=1"], units, scope, after: .beginning, .units, timeLimit: self.timeLimit
    ) { last = $0.last ?? last }
    guard result.termination.isSuccess else { throw self.tool.error(result, "--lines=1", units) }
    return last
  }

  /// Waits until journald has written all that it has received to the journal's files. It needs root.
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
