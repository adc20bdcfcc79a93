/// A program to run and the limits under which it runs.
///
/// There is no shell: the arguments reach the program as they are. Standard input is `/dev/null`.
public struct Command: Sendable, Hashable {
  /// The absolute path of the program.
  public var executable: String

  /// The arguments after the program's name. None may contain a NUL character.
  public var arguments: [String]

  /// The time after which the program and its process group are killed; nil if it may run for ever.
  public var timeLimit: Duration?

  /// Whether the program gets this process's environment rather than a made one. See ``ProcessCommandRunner``.
  public var inheritsEnvironment: Bool

  /// Whether the caller can do without an answer: a replay that lacks it is no error then.
  public var isOptional = false

  /// The largest number of bytes of standard output that ``CommandRunner/run(_:)`` collects.
  public var outputLimit: Int

  /// Describes a command.
  public init(
    executable: String, arguments: [String] = [], timeLimit: Duration? = nil,
    inheritsEnvironment: Bool = false, outputLimit: Int = 4 << 20
  ) {
    self.executable = executable
    self.arguments = arguments
    self.timeLimit = timeLimit
    self.inheritsEnvironment = inheritsEnvironment
    self.outputLimit = outputLimit
  }
}

extension Command: CustomStringConvertible {
  /// The command as one line that can be pasted into bash, zsh or any shell that knows `$'…'`.
  public var description: String {
    ([self.executable] + self.arguments).map(Self.quote).joined(separator: " ")
  }

  private static func quote(_ argument: String) -> String {
    let isPlain = argument.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default:
        "_@%+=:,./-".utf8.contains(byte)
      }
    }
    if isPlain && !argument.isEmpty { return argument }
    guard argument.unicodeScalars.contains(where: \.isHidden) else {
      // By bytes: a quotation mark before a combining mark is another Character, but the same to a shell.
      let parts = argument.utf8.split(separator: UInt8(ascii: "'"), omittingEmptySubsequences: false)
      return "'" + parts.map { String(Substring($0)) }.joined(separator: "'\\''") + "'"
    }
    // Control characters and the like must not break the line, nor reach the terminal of a person who reads a
    // log.
    var quoted = "$'"
    for scalar in argument.unicodeScalars {
      switch scalar {
      case "'", "\\": quoted += "\\\(scalar)"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case _ where scalar.isHidden:
        quoted += String(scalar).utf8.map { "\\" + self.octal($0) }.joined()
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "'"
  }

  private static func octal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 8)
    return String(repeating: "0", count: 3 - digits.count) + digits
  }
}
