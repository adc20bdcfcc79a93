import CLinux
import Foundation
import Glibc

/// The processes that come from one: its descendants, the members of its session, and theirs, as far as /proc
/// shows them.
///
/// A process that has left the session and whose parent has died is not found any more.
struct ProcessTree: Sendable {
  /// A process by `/proc/PID/stat` (proc(5)).
  private struct Process: Sendable {
    let parent: Int32
    let session: Int32
    /// In clock ticks since boot; together with the number it identifies the process.
    let startTime: UInt64

    init?(_ processID: Int32) {
      guard let text = Linux.contents(of: "/proc/\(processID)/stat"),
        let fields = ProcessStat(text), let parent = fields.number(4).flatMap(Int32.init(exactly:)),
        let session = fields.number(6).flatMap(Int32.init(exactly:)), let startTime = fields.number(22)
      else { return nil }
      self.parent = parent
      self.session = session
      self.startTime = startTime
    }
  }

  private let root: Int32
  private var members: [Int32: Process] = [:]
  /// The sessions of current and former members. A session whose leader has ended still belongs to the tree.
  private var sessions: Set<Int32> = []

  /// The tree of a process that has not been reaped.
  init(of root: Int32) {
    self.root = root
    self.refresh()
  }

  /// Adds new members. The root must not have been reaped.
  mutating func refresh() {
    // A number that another process has by now would lead to processes that do not belong to the tree.
    self.members = self.members.filter { Process($0.key)?.startTime == $0.value.startTime }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    var others: [Int32: Process] = [:]
    for processID in names.compactMap({ Int32($0) }) where self.members[processID] == nil {
      others[processID] = Process(processID)
    }
    others[self.root] = nil
    var followers: [Int32: [Int32]] = [:]
    for (processID, process) in others {
      followers[process.parent, default: []].append(processID)
      followers[process.session, default: []].append(processID)
    }
    // While a session has members, only its leader can have its number. If another process has it, the
    // session is empty.
    self.sessions = self.sessions.filter { others[$0] == nil }
    var found = Array(self.members.keys) + [self.root] + self.sessions
    while let processID = found.popLast() {
      for follower in followers[processID] ?? [] {
        guard let process = others.removeValue(forKey: follower) else { continue }
        self.members[follower] = process
        self.sessions.insert(process.session)
        found.append(follower)
      }
    }
  }

  /// Sends a signal to all but the root.
  func signal(_ signal: Int32) {
    for (processID, process) in self.members {
      let descriptor = linux_pidfd_open(processID)
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      // Another process may have got the number before the descriptor was opened.
      guard Process(processID)?.startTime == process.startTime else { continue }
      _ = linux_pidfd_send_signal(descriptor, signal)
    }
  }
}
