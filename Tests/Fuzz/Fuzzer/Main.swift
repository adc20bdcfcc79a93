import CFuzzer
import Foundation
import FuzzTargets
import Glibc

/// `driver-fuzz TARGET FOLDER [OPTION…]`: has libFuzzer look for inputs that break a target, with the inputs in the directory
/// and libFuzzer's options. `driver-fuzz TARGET FILE` tries one input. Without arguments: the names of the targets.
@main enum Main {
  // libFuzzer's call takes no context.
  private static let target = FuzzTarget.all.first { $0.name == CommandLine.arguments[1] }

  static func main() throws {
    guard CommandLine.arguments.count >= 3 else {
      for target in FuzzTarget.all { print(target) }
      return
    }
    guard let target else {
      print("There is no target '\(CommandLine.arguments[1])'.")
      exit(2)
    }
    var arguments = [CommandLine.arguments[0]] + CommandLine.arguments.dropFirst(2)
    var isDirectory: ObjCBool = false
    if !FileManager.default.fileExists(atPath: arguments[1], isDirectory: &isDirectory)
      || isDirectory.boolValue
    {
      arguments.append("-dict=\(try Self.makeCorpus(of: target, arguments[1]))")
    }
    var count = Int32(arguments.count)
    var pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = Self.copy(arguments)
    exit(
      LLVMFuzzerRunDriver(&count, &pointers) { bytes, count in
        do {
          try Main.target?.check(Array(UnsafeBufferPointer(start: bytes, count: count)))
        } catch {
          // To libFuzzer a failure is a crash: it keeps the input of one.
          fatalError("\(error)")
        }
        return 0
      })
  }

  /// Writes the target's inputs into the directory and its words into a file beside it.
  ///
  /// - Returns: the path of that file.
  private static func makeCorpus(of target: FuzzTarget, _ directory: String) throws -> String {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    for (number, seed) in target.seeds.enumerated() {
      try Data(seed).write(to: URL(fileURLWithPath: "\(directory)/seed-\(number)"))
    }
    let words = target.words.map { word in
      "\"" + word.utf8.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\"\n"
    }
    try Data(words.joined().utf8).write(to: URL(fileURLWithPath: "\(directory).dict"))
    return "\(directory).dict"
  }

  /// Arguments as a program gets them; they live as long as this process.
  private static func copy(_ arguments: [String]) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: arguments.count + 1)
    for (index, argument) in arguments.enumerated() { pointers[index] = strdup(argument) }
    pointers[arguments.count] = nil
    return pointers
  }
}
