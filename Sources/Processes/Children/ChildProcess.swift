import AsyncPrimitives
import CLinux
import Dispatch
import Glibc
import Synchronization

/// A running child process, with its standard output and standard error, until it is reaped.
///
/// docs/decisions.md says why it is not Foundation's `Process`. A pidfd shows exactly when the child has
/// died, whatever its own children do. The caller of a start calls ``waitForExit()`` once and then
/// ``close()``; ``run(_:_:_:)`` does both.
package final class ChildProcess: Sendable {
  /// Why a child was terminated.
  package enum TerminationReason: Sendable {
    case cancelled, timedOut, bodyFailed
  }

  /// How a child has ended.
  package struct Exit: Sendable {
    /// Its exit status or signal; nil if another part of this process has reaped it.
    package let termination: Termination?
    /// Why it was terminated; nil if it was not.
    package let reason: TerminationReason?
  }

  private struct State {
    var reason: TerminationReason?
    var isReaped = false
    /// The processes to terminate with the child besides its process group.
    var tree: ProcessTree?
  }

  /// The time between SIGTERM and SIGKILL.
  static let grace = DispatchTimeInterval.milliseconds(500)

  /// The child's process ID.
  package let processID: Int32
  /// What it writes to its standard output, or to its terminal.
  package let standardOutput: ReadableDescriptor
  /// What it writes to its standard error.
  package let standardError: ReadableDescriptor
  /// What it writes to its `Spawn.reportDescriptor`, if it has one.
  package let report: ReadableDescriptor?

  private let pidDescriptor: ReadableDescriptor
  private let hasTerminal: Bool
  private let terminatesDescendants: Bool
  private let state = Mutex(State())

  init(_ processID: Int32, _ pidDescriptor: ReadableDescriptor, _ options: Options, _ readers: Readers) {
    self.processID = processID
    self.pidDescriptor = pidDescriptor
    self.standardOutput = readers.output
    self.standardError = readers.error
    self.report = readers.report
    self.hasTerminal = if case .terminal = options.streams { true } else { false }
    self.terminatesDescendants = options.terminatesDescendants
  }

  /// Sends a signal to the child alone, unless it has ended.
  package func signal(_ signal: Int32) {
    self.state.withLock { state in
      // Until the child is reaped, no other process gets its number.
      if !state.isReaped { _ = kill(self.processID, signal) }
    }
  }

  /// Sends SIGTERM to the child and its process group, and SIGKILL after ``grace``.
  ///
  /// It does nothing if the child has been terminated before, or is reaped.
  package func terminate(_ reason: TerminationReason) {
    let isFirst = self.state.withLock { state in
      guard !state.isReaped, state.reason == nil else { return false }
      state.reason = reason
      if self.terminatesDescendants { state.tree = ProcessTree(of: self.processID) }
      self.signalGroup(SIGTERM)
      // A shell at a terminal ignores SIGTERM.
      if self.hasTerminal { self.signalGroup(SIGHUP) }
      state.tree?.signal(SIGTERM)
      // A stopped process gets the other signals only when it is continued.
      self.signalGroup(SIGCONT)
      return true
    }
    guard isFirst else { return }
    DispatchQueue.global().asyncAfter(deadline: .now() + Self.grace) { [weak self] in
      guard let self else { return }
      self.state.withLock { state in
        if !state.isReaped { self.signalGroup(SIGKILL) }
      }
    }
  }

  /// Waits until the child has died, reaps it and ends the reading of its output. It must be called once.
  package func waitForExit() async -> Exit {
    var status: Int32 = 0
    var reason: TerminationReason?
    var reaped: pid_t = 0
    repeat {
      await self.pidDescriptor.wait()
      self.state.withLock { state in
        // The child is dead. Until it is reaped, no other process group gets its number.
        if state.reason != nil {
          self.signalGroup(SIGKILL)
          state.tree?.refresh()
          state.tree?.signal(SIGKILL)
        }
        reaped = waitpid(self.processID, &status, WNOHANG)
        state.isReaped = reaped != 0
        reason = state.reason
      }
    } while reaped == 0
    // All that the child has written is in the pipes. A descendant that keeps them open is not waited for.
    self.standardOutput.finish()
    self.standardError.finish()
    self.report?.finish()
    return Exit(
      termination: reaped == self.processID ? Termination(waitStatus: status) : nil, reason: reason)
  }

  /// Closes the descriptors of a child that has been reaped and whose output is not read any more.
  package func close() {
    self.pidDescriptor.close()
    self.standardOutput.close()
    self.standardError.close()
    self.report?.close()
  }

  private func signalGroup(_ signal: Int32) {
    // A child that leads no session leads no process group either.
    if kill(-self.processID, signal) != 0 { kill(self.processID, signal) }
  }
}
