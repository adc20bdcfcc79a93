extension Duration {
  /// Reads a duration as Nomad's other options have it (Go's `time.ParseDuration`): decimal numbers with units,
  /// for example `1s`, `500ms`, `1m30s`, `1.5h`. Negative ones are not taken.
  init?(goText text: String) {
    let nanosecondsOfUnit: [Substring: Double] = [
      "ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
    ]
    if text == "0" {
      self = .zero
      return
    }
    var rest = text[...]
    var total = 0.0
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let number = rest.prefix { "0123456789.".contains($0) }
      rest = rest.dropFirst(number.count)
      let unit = rest.prefix { !"0123456789.".contains($0) }
      rest = rest.dropFirst(unit.count)
      guard let value = Double(number), let factor = nanosecondsOfUnit[unit] else { return nil }
      total += value * factor
    }
    guard total < Double(Int64.max) else { return nil }
    self = .nanoseconds(Int64(total))
  }
}
