import Testing

/// docs/architecture.md says who may import whom, and where things are; Package.swift and the sources keep to it.
@Suite struct ArchitectureTests {
  private let page: ArchitecturePage
  private let tree: SourceTree

  init() throws {
    self.page = try ArchitecturePage()
    self.tree = try SourceTree()
  }

  @Test func theManifestDeclaresTheArrows() {
    self.compare(
      Set(self.page.arrows.keys), Set(self.tree.dependencies.keys),
      missing: { "docs/architecture.md has no line for the module \($0), which Package.swift declares." },
      surplus: { "docs/architecture.md has a line for \($0), which Package.swift does not declare." })
    for (module, dependencies) in self.tree.dependencies {
      self.compare(
        self.page.arrows[module] ?? [], dependencies,
        missing: { "Package.swift: \(module) depends on \($0), which docs/architecture.md does not allow." },
        surplus: { "Package.swift: \(module) lacks the dependency \($0), which docs/architecture.md names." })
    }
  }

  @Test func theSourcesImportAlongTheArrows() {
    for (module, arrows) in self.page.arrows {
      let imports = self.tree.imports[module] ?? [:]
      self.compare(
        arrows, Set(imports.keys),
        missing: {
          "\(imports[$0] ?? ""): \(module) imports \($0), which docs/architecture.md does not allow."
        },
        surplus: {
          "No file of \(module) imports \($0): delete the arrow in docs/architecture.md and the dependency."
        })
    }
  }

  @Test func theTreeIsThatOfTheSources() {
    self.compare(
      self.page.directories, self.tree.directories,
      missing: { "docs/architecture.md does not name the directory Sources/\($0)." },
      surplus: { "docs/architecture.md names the directory Sources/\($0), which does not exist or is empty." }
    )
  }

  /// Records an issue for each name that only the page or only the repository has.
  private func compare(
    _ page: Set<String>, _ repository: Set<String>, missing: (String) -> String, surplus: (String) -> String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let texts = repository.subtracting(page).map(missing) + page.subtracting(repository).map(surplus)
    for text in texts.sorted() { Issue.record("\(text)", sourceLocation: sourceLocation) }
  }
}
