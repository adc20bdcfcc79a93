import SwiftProtobuf

/// CPU time that a task uses. A nil is a value that was not measured; Nomad does not show it.
public struct CPUUsage: Sendable, Hashable {
  /// Time in the kernel, in percent of one processor.
  public var systemMode: Double?

  /// Time in user space, in percent of one processor.
  public var userMode: Double?

  /// The usage in MHz; see ``Topology/ticks(percent:)``.
  public var totalTicks: Double?

  /// How many periods the task was held back in.
  public var throttledPeriods: UInt64?

  /// How long it was held back, in nanoseconds.
  public var throttledTime: UInt64?

  /// The usage in percent of one processor: 200 is two processors busy.
  public var percent: Double?

  /// Makes a measurement.
  public init(
    systemMode: Double? = nil, userMode: Double? = nil, totalTicks: Double? = nil,
    throttledPeriods: UInt64? = nil, throttledTime: UInt64? = nil, percent: Double? = nil
  ) {
    self.systemMode = systemMode
    self.userMode = userMode
    self.totalTicks = totalTicks
    self.throttledPeriods = throttledPeriods
    self.throttledTime = throttledTime
    self.percent = percent
  }
}

extension CPUUsage {
  init(_ wire: WireCPUUsage) {
    let fields = wire.measured
    func measured<T>(_ field: WireCPUUsage.Fields, _ value: T) -> T? {
      fields.contains(field) ? value : nil
    }
    self.init(
      systemMode: measured(.systemMode, wire.systemMode),
      userMode: measured(.userMode, wire.userMode),
      totalTicks: measured(.totalTicks, wire.totalTicks),
      throttledPeriods: measured(.throttledPeriods, wire.throttledPeriods),
      throttledTime: measured(.throttledTime, wire.throttledTime),
      percent: measured(.percent, wire.percent))
  }

  /// The measurement on the wire. A number that is not finite counts as not measured: the agent could not write
  /// it as JSON.
  var wire: WireCPUUsage {
    .with { wire in
      func set<T>(_ field: WireCPUUsage.Fields, _ path: WritableKeyPath<WireCPUUsage, T>, _ value: T?) {
        guard let value else { return }
        wire[keyPath: path] = value
        wire.measuredFields.append(Int32(field.rawValue))
      }
      set(.systemMode, \.systemMode, systemMode?.finite)
      set(.userMode, \.userMode, userMode?.finite)
      set(.totalTicks, \.totalTicks, totalTicks?.finite)
      set(.throttledPeriods, \.throttledPeriods, throttledPeriods)
      set(.throttledTime, \.throttledTime, throttledTime)
      set(.percent, \.percent, percent?.finite)
    }
  }
}

extension Double {
  /// The number, if it is one.
  fileprivate var finite: Double? { isFinite ? self : nil }
}

extension WireCPUUsage {
  /// The fields that hold a measured value.
  var measured: [Fields] { measuredFields.compactMap { Fields(rawValue: Int($0)) } }
}
