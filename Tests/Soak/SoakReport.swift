import Foundation
import Synchronization

/// What the soak has seen.
final class SoakReport: Sendable {
  /// What the plugin held while no task was there.
  struct Holding {
    let age: Duration
    let kilobytes: Int
    let descriptors: Int
    let threads: Int
    let children: Int
    let holders: Int
  }

  /// The most that a plugin without tasks may hold, however long it has worked: a few more than one that has just begun.
  private static let mostDescriptors = 24
  private static let mostThreads = 32
  private static let mostKilobytes = 64 << 10

  private struct State {
    var counts: [String: Int] = [:]
    var violations: [String] = []
    var holdings: [Holding] = []
    var peakKilobytes = 0
  }

  private let state = Mutex(State())
  private let start = ContinuousClock.now

  func count(_ what: String, _ number: Int = 1) {
    self.state.withLock { $0.counts[what, default: 0] += number }
  }

  /// Notes that something was not as the model says.
  func violation(_ text: String) {
    self.state.withLock { $0.violations.append(text) }
    self.say("NOT AS IT SHOULD BE: \(text)")
  }

  func peak(_ kilobytes: Int) {
    self.state.withLock { $0.peakKilobytes = max($0.peakKilobytes, kilobytes) }
  }

  func holding(_ holding: Holding) {
    self.state.withLock { $0.holdings.append(holding) }
    self.say(
      "no tasks: plugin of \(Self.text(holding.age)): \(holding.kilobytes) kB, \(holding.descriptors) descriptors, "
        + "\(holding.threads) threads, \(holding.children) children, \(holding.holders) holders of FIFOs")
    if holding.children > 0 { self.violation("the plugin has children and no tasks") }
    if holding.holders > 0 { self.violation("FIFOs are held open for no task") }
    if holding.descriptors > Self.mostDescriptors || holding.threads > Self.mostThreads
      || holding.kilobytes > Self.mostKilobytes
    {
      self.violation("the plugin holds more than it should without tasks")
    }
  }

  func say(_ text: String) {
    FileHandle.standardError.write(Data("\(Self.text(ContinuousClock.now - self.start)) \(text)\n".utf8))
  }

  private static func text(_ duration: Duration) -> String {
    duration.formatted(.time(pattern: .hourMinuteSecond))
  }

  /// Prints all. Gives whether everything was as it should be.
  func print() -> Bool {
    let state = self.state.withLock { $0 }
    Swift.print("| what | in \(Self.text(ContinuousClock.now - self.start)) |\n| --- | --- |")
    for (what, count) in state.counts.sorted(by: { $0.key < $1.key }) {
      Swift.print("| \(what) | \(count) |")
    }
    Swift.print("| the most memory of the plugin | \(state.peakKilobytes / 1024) MB |")
    // Those of one process of the plugin are in order of its age.
    for (index, holding) in state.holdings.enumerated() {
      Swift.print(
        "| no tasks (\(index + 1)), plugin of \(Self.text(holding.age)) | \(holding.kilobytes) kB, "
          + "\(holding.descriptors) descriptors, \(holding.threads) threads |")
    }
    Swift.print("| not as it should be | \(state.violations.count) |")
    for violation in state.violations.prefix(50) { Swift.print("- \(violation)") }
    return state.violations.isEmpty
  }
}
