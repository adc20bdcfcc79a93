/// The result of a program together with all of its standard output.
public struct CommandOutput: Sendable, Hashable {
  /// All of the standard output.
  public var standardOutput: [UInt8]

  /// How the program ended.
  public var result: CommandResult

  /// Describes the end of a program whose output was collected.
  public init(standardOutput: [UInt8], result: CommandResult) {
    self.standardOutput = standardOutput
    self.result = result
  }
}
