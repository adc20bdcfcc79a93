import Foundation
import TestHelpers

/// What the repository holds: the manifest's dependencies, the sources' imports, and the directories.
struct SourceTree {
  /// The modules that Package.swift declares in its list `modules`, each with those of them that it depends on.
  let dependencies: [String: Set<String>]
  /// The modules that the files of each module import, with the first file that does.
  let imports: [String: [String: String]]
  /// The directories below `Sources` that hold a file, by their paths from there.
  let directories: Set<String>

  /// Reads Package.swift and all files below `Sources`.
  init() throws {
    self.dependencies = try Self.dependencies(
      String(contentsOfFile: "\(packageDirectory)/Package.swift", encoding: .utf8))
    let sources = "\(packageDirectory)/Sources"
    var imports: [String: [String: String]] = [:]
    var directories: Set<String> = []
    for file in try FileManager.default.subpathsOfDirectory(atPath: sources).sorted() {
      var isDirectory: ObjCBool = false
      let path = "\(sources)/\(file)"
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue
      else { continue }
      let parents = file.split(separator: "/").dropLast().map(String.init)
      for depth in parents.indices { directories.insert(parents[...depth].joined(separator: "/")) }
      guard file.hasSuffix(".swift"), let module = parents.first else { continue }
      for name in Self.imports(try String(contentsOfFile: path, encoding: .utf8))
      where self.dependencies[name] != nil && imports[module]?[name] == nil {
        imports[module, default: [:]][name] = "Sources/\(file)"
      }
    }
    self.imports = imports
    self.directories = directories
  }

  /// The entries of `let modules: [Target] = […]`. An entry begins on a line that is indented by two spaces; its first
  /// string is the module's name, and those of its other strings that are modules are what it depends on.
  private static func dependencies(_ manifest: String) throws -> [String: Set<String>] {
    let lines = manifest.split(separator: "\n", omittingEmptySubsequences: false)
    guard let start = lines.firstIndex(of: "let modules: [Target] = ["),
      let end = lines[start...].firstIndex(of: "]")
    else { throw PageError("Package.swift has no list 'let modules: [Target] = […]'.") }
    var entries: [[String]] = []
    for line in lines[(start + 1)..<end] {
      if line.starts(with: /[ ]{2}[.\w]/) { entries.append([]) }
      guard !entries.isEmpty else { throw PageError("Package.swift: '\(line)' begins no module.") }
      entries[entries.count - 1] += line.matches(of: /"([^"]*)"/).map { String($0.1) }
    }
    let names = Set(entries.compactMap(\.first))
    return Dictionary(
      uniqueKeysWithValues: entries.compactMap { entry in
        entry.first.map { ($0, names.intersection(entry.dropFirst())) }
      })
  }

  /// The modules that a file imports.
  private static func imports(_ source: String) -> [String] {
    let statement = /\s*(?:@\w+\s+)*(?:\w+\s+)?import\s+(?:(?:struct|class|enum|protocol|func)\s+)?(\w+)/
    return source.split(separator: "\n").filter { $0.contains("import ") }
      .compactMap { line in line.prefixMatch(of: statement).map { String($0.1) } }
  }
}
