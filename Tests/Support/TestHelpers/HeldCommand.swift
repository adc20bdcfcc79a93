import AsyncPrimitives

/// Holds the next command of a kind that ``FakeSystemd`` gets, until the test lets it go on.
package final class HeldCommand: Sendable {
  /// Where a command is held.
  package enum Point: Sendable {
    /// Before anything has come of it.
    case before
    /// When what it does is done, and nothing is answered.
    case after
  }

  let kind: FakeCommand.Kind
  let unit: String?
  let point: Point
  private let arrival = Promise<Void>()
  private let release = Promise<Void>()

  init(_ kind: FakeCommand.Kind, of unit: String?, _ point: Point) {
    self.kind = kind
    self.unit = unit
    self.point = point
  }

  /// Waits until a command is held.
  ///
  /// - Throws: ``NeverHeld`` if none comes.
  package func arrived() async throws {
    guard try await self.arrival.value(within: .seconds(60)) != nil else {
      throw NeverHeld(what: "a command '\(self.kind.rawValue)'")
    }
  }

  /// Lets the command go on; one that has not come yet is not held.
  package func resume() { self.release.fulfil(()) }

  func isFor(_ command: FakeCommand, at point: Point) -> Bool {
    point == self.point && command.kind == self.kind
      && (self.unit.map { command.operands.contains($0) } ?? true)
  }

  /// - Throws: `CancellationError`.
  func hold() async throws {
    self.arrival.fulfil(())
    try await self.release.value
  }
}
