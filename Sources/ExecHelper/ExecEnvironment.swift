/// The environment of a command, in any encoding. The first value of a variable is kept.
struct ExecEnvironment: Sendable {
  /// `NAME=VALUE`.
  private(set) var entries: [ArraySlice<UInt8>] = []
  private var values: [ArraySlice<UInt8>: ArraySlice<UInt8>] = [:]

  /// Adds the environment of a process, whose entries end with a NUL each (proc(5), `/proc/PID/environ`).
  mutating func add(environ: [UInt8]) {
    for entry in environ.split(separator: 0) { self.add(entry) }
  }

  /// Adds an entry, unless its name is empty or there already.
  mutating func add(_ entry: ArraySlice<UInt8>) {
    guard let equals = entry.firstIndex(of: UInt8(ascii: "=")), equals > entry.startIndex,
      self.values[entry[..<equals]] == nil
    else { return }
    self.values[entry[..<equals]] = entry[(equals + 1)...]
    self.entries.append(entry)
  }

  /// Adds a variable, unless its name is there already.
  mutating func add(_ name: String, _ value: String) { self.add(Array("\(name)=\(value)".utf8)[...]) }

  /// The value of a variable.
  subscript(_ name: String) -> ArraySlice<UInt8>? { self.values[Array(name.utf8)[...]] }
}
