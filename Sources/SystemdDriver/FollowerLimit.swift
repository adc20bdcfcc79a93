import Foundation
import Synchronization
import Systemd

/// How many journalctl may follow the journal at once.
///
/// Each of them needs an inotify instance, of which Linux gives a user 128 unless `fs.inotify.max_user_instances` says
/// otherwise. systemd needs some too, for units of the type path and for what it watches itself: were all of root's taken,
/// those would fail. So the plugin takes half of them. The journal of further units is read now and then, by one command
/// after another.
final class FollowerLimit: Sendable {
  /// Reads the journal of units that are not followed, one after another.
  let turns = CommandGate(width: 1, patience: .seconds(60))

  private let free: Mutex<Int>

  /// How many times the duration of a reading there is rest after it.
  static let restPerReading = 10.0

  init(_ limit: Int = FollowerLimit.ofThisHost) { self.free = Mutex(limit) }

  /// The limit for this host.
  static var ofThisHost: Int {
    let text = try? String(contentsOfFile: "/proc/sys/fs/inotify/max_user_instances", encoding: .utf8)
    return max(8, (text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? 128) / 2)
  }

  /// Takes a place, to be left; false if there is none.
  func take() -> Bool {
    self.free.withLock { free in
      guard free > 0 else { return false }
      free -= 1
      return true
    }
  }

  func leave() { self.free.withLock { $0 += 1 } }
}
