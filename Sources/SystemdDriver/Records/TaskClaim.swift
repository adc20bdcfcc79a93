import AsyncPrimitives
import Glibc
import NomadPlugin
import Synchronization

/// A task as this plugin's own. It acts for the task only while it has the claim; another process of the plugin takes it
/// by writing its own name into the claim's file.
///
/// The file is locked (flock(2)) until nothing is under way for the task any more. Who takes the claim waits for that, and
/// so never acts at the same time; the lock of a process that dies is free at once.
final class TaskClaim: Sendable {
  private struct State {
    /// -1 if there is no file, or it is closed.
    var descriptor: Int32
    /// How many acts are under way.
    var uses = 0
    /// Whether this plugin is done with the task.
    var isReleased = false
    /// Whether nobody needs the file any more.
    var isUseless = false
  }

  /// What this plugin has written into the file.
  private let text: [UInt8]
  private let state: Mutex<State>
  private let taken = Promise<Void>()
  private let onFree: @Sendable (_ isUseless: Bool) -> Void

  /// The claim in whose name the current task acts.
  @TaskLocal private static var current: TaskClaim?

  /// - Parameters:
  ///   - descriptor: the locked file, with `text` at its beginning; nil for a claim that nobody can take.
  ///   - onFree: is called right before the lock is given up, with whether nobody needs the file any more.
  init(_ descriptor: Int32?, _ text: [UInt8] = [], onFree: @escaping @Sendable (_ isUseless: Bool) -> Void) {
    self.text = text
    self.state = Mutex(State(descriptor: descriptor ?? -1))
    self.onFree = onFree
  }

  deinit { self.state.withLock { if $0.descriptor >= 0 { close($0.descriptor) } } }

  /// Whether another process of the plugin has taken the task, as far as that was seen.
  var isTaken: Bool { self.taken.current != nil }

  /// Whether this plugin is done with the task.
  var isReleased: Bool { self.state.withLock(\.isReleased) }

  /// Whether the task is still this plugin's: looks into the file.
  var isHeld: Bool {
    let isHeld = self.state.withLock { state in
      guard state.descriptor >= 0 else { return !self.isTaken }
      var bytes = [UInt8](repeating: 0, count: self.text.count)
      return pread(state.descriptor, &bytes, bytes.count, 0) == bytes.count && bytes == self.text
    }
    guard !isHeld, !self.isTaken else { return isHeld }
    self.taken.fulfil(())
    self.freeIfUnused()
    return false
  }

  /// The last moment before an act for the task whose claim the current task acts for, if it does for one.
  ///
  /// - Throws: `CancellationError` if another process of the plugin has taken the task.
  static func check() throws {
    if let current = self.current, !current.isHeld { throw CancellationError() }
  }

  /// Does something for the task, and ends it if another process of the plugin takes the task meanwhile.
  ///
  /// - Throws: `DriverError` (recoverable) if the task was taken, or what `body` throws.
  func perform<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
    self.state.withLock { $0.uses += 1 }
    // After that, so that the lock is not given up in between.
    let isHeld = self.isHeld
    defer {
      self.state.withLock { $0.uses -= 1 }
      self.freeIfUnused()
    }
    guard isHeld else { throw Self.error }
    do {
      return try await Self.$current.withValue(self) {
        try await withThrowingTaskGroup(of: R?.self) { group in
          group.addTask { try await body() }
          group.addTask {
            try await self.taken.value
            return nil
          }
          defer { group.cancelAll() }
          guard let result = try await group.next() ?? nil else { throw Self.error }
          return result
        }
      }
    } catch is CancellationError where self.isTaken {
      throw Self.error
    }
  }

  /// Gives the task up.
  ///
  /// - Parameter isOver: whether there is no task any more; otherwise a later process of the plugin may recover it.
  func release(isOver: Bool) {
    // The file may be another one's by now.
    _ = self.isHeld
    self.state.withLock { state in
      state.isReleased = true
      state.isUseless = isOver
    }
    self.freeIfUnused()
  }

  private func freeIfUnused() {
    let isTaken = self.isTaken
    let freed = self.state.withLock { state -> (descriptor: Int32, isUseless: Bool)? in
      guard state.uses == 0, isTaken || state.isReleased, state.descriptor != Self.freed else { return nil }
      defer { state.descriptor = Self.freed }
      return (state.descriptor, state.isUseless && !isTaken)
    }
    guard let freed else { return }
    self.onFree(freed.isUseless)
    if freed.descriptor >= 0 { close(freed.descriptor) }
  }

  private static let freed: Int32 = -2

  private static let error = DriverError.recoverable(
    "Another process of the plugin has taken the task over: this one does nothing more for it.")
}
