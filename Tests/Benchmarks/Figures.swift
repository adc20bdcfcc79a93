/// Times as a line of a table.
struct Figures {
  private let sorted: [Duration]

  init(_ times: [Duration]) { self.sorted = times.sorted() }

  private func quantile(_ fraction: Double) -> Duration {
    self.sorted[min(Int(Double(self.sorted.count) * fraction), self.sorted.count - 1)]
  }

  private static func milliseconds(_ duration: Duration) -> Double { duration / .milliseconds(1) }

  private static func round(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }

  /// Median, 99th percentile and number of times.
  var text: String {
    let (median, percentile) = (Self.milliseconds(quantile(0.5)), Self.milliseconds(quantile(0.99)))
    return "median \(Self.round(median)) ms, 99 % \(Self.round(percentile)) ms (\(self.sorted.count) runs)"
  }

  /// The ratio of two medians.
  static func ratio(_ first: [Duration], _ second: [Duration]) -> String {
    round(Figures(first).quantile(0.5) / Figures(second).quantile(0.5))
  }

  /// The difference of two medians.
  static func difference(_ first: Figures, _ second: Figures) -> String {
    "\(round(self.milliseconds(first.quantile(0.5) - second.quantile(0.5)))) ms"
  }
}
