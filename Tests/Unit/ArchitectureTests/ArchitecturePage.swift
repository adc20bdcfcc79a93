import Foundation
import TestHelpers

/// What docs/architecture.md says: the block of arrows and the tree.
struct ArchitecturePage {
  /// The modules that each module may import.
  let arrows: [String: Set<String>]
  /// The directories of the tree that are below `Sources`, by their paths from there.
  let directories: Set<String>

  /// Reads the page.
  init() throws {
    let text = try String(contentsOfFile: "\(packageDirectory)/docs/architecture.md", encoding: .utf8)
    self.arrows = try Self.arrows(Self.block("Who may import whom", of: text))
    self.directories = try Self.directories(Self.block("The tree", of: text))
  }

  /// The lines of the first code block after a heading.
  private static func block(_ heading: String, of text: String) throws -> [Substring] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let start = lines.firstIndex(of: "## \(heading)"),
      let opening = lines[start...].firstIndex(of: "```"),
      let closing = lines[(opening + 1)...].firstIndex(of: "```")
    else { throw PageError("docs/architecture.md has no code block after the heading '\(heading)'.") }
    return Array(lines[(opening + 1)..<closing])
  }

  /// Lines of the form `Module -> Module, Module` or `Module -> nothing`.
  private static func arrows(_ lines: [Substring]) throws -> [String: Set<String>] {
    var arrows: [String: Set<String>] = [:]
    for line in lines {
      guard let match = line.wholeMatch(of: /([\w-]+) -> ([\w-]+(?:, [\w-]+)*)/) else {
        throw PageError("docs/architecture.md: '\(line)' is not of the form 'Module -> Module, Module'.")
      }
      let names = match.2 == "nothing" ? [] : match.2.split(separator: ", ").map(String.init)
      guard arrows.updateValue(Set(names), forKey: String(match.1)) == nil else {
        throw PageError("docs/architecture.md: the block of arrows has two lines for '\(match.1)'.")
      }
    }
    return arrows
  }

  /// Lines of the form `Directory/   what it holds`, each level indented by two spaces.
  private static func directories(_ lines: [Substring]) throws -> Set<String> {
    var directories: Set<String> = []
    var path: [String] = []
    for line in lines {
      guard let match = line.wholeMatch(of: /((?:  )*)([\w-]+)\/ *(.*)/) else {
        throw PageError("docs/architecture.md: '\(line)' is not of the form 'Directory/   what it holds'.")
      }
      let depth = match.1.count / 2
      guard depth <= path.count else {
        throw PageError("docs/architecture.md: '\(line)' is indented too far.")
      }
      path = path.prefix(depth) + [String(match.2)]
      if depth > 0, path[0] == "Sources" {
        directories.insert(path.dropFirst().joined(separator: "/"))
      }
    }
    return directories
  }
}

/// A page that cannot be read.
struct PageError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
