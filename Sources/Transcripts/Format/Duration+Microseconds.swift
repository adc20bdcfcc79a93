extension Duration {
  /// Whole microseconds; 0 for negative durations.
  var microseconds: UInt64 { UInt64(max(self / .microseconds(1), 0)) }
}
