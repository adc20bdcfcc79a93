import SwiftProtobuf

/// Memory that a task uses, in bytes. A nil is a value that was not measured; Nomad does not show it.
public struct MemoryUsage: Sendable, Hashable {
  /// Memory of the processes that is in RAM.
  public var rss: UInt64?

  /// Cache of files.
  public var cache: UInt64?

  /// Memory in swap.
  public var swap: UInt64?

  /// All that counts towards the task's limit.
  public var usage: UInt64?

  /// The most that ``usage`` has been.
  public var maximumUsage: UInt64?

  /// Memory that the kernel uses for the task.
  public var kernelUsage: UInt64?

  /// The most that ``kernelUsage`` has been.
  public var kernelMaximumUsage: UInt64?

  /// Makes a measurement.
  public init(
    rss: UInt64? = nil, cache: UInt64? = nil, swap: UInt64? = nil, usage: UInt64? = nil,
    maximumUsage: UInt64? = nil, kernelUsage: UInt64? = nil, kernelMaximumUsage: UInt64? = nil
  ) {
    self.rss = rss
    self.cache = cache
    self.swap = swap
    self.usage = usage
    self.maximumUsage = maximumUsage
    self.kernelUsage = kernelUsage
    self.kernelMaximumUsage = kernelMaximumUsage
  }
}

extension MemoryUsage {
  init(_ wire: WireMemoryUsage) {
    let fields = wire.measured
    func measured(_ field: WireMemoryUsage.Fields, _ value: UInt64) -> UInt64? {
      fields.contains(field) ? value : nil
    }
    self.init(
      rss: measured(.rss, wire.rss),
      cache: measured(.cache, wire.cache),
      swap: measured(.swap, wire.swap),
      usage: measured(.usage, wire.usage),
      maximumUsage: measured(.maxUsage, wire.maxUsage),
      kernelUsage: measured(.kernelUsage, wire.kernelUsage),
      kernelMaximumUsage: measured(.kernelMaxUsage, wire.kernelMaxUsage))
  }

  var wire: WireMemoryUsage {
    .with { wire in
      func set(
        _ field: WireMemoryUsage.Fields, _ path: WritableKeyPath<WireMemoryUsage, UInt64>, _ value: UInt64?
      ) {
        guard let value else { return }
        wire[keyPath: path] = value
        wire.measuredFields.append(Int32(field.rawValue))
      }
      set(.rss, \.rss, rss)
      set(.cache, \.cache, cache)
      set(.swap, \.swap, swap)
      set(.usage, \.usage, usage)
      set(.maxUsage, \.maxUsage, maximumUsage)
      set(.kernelUsage, \.kernelUsage, kernelUsage)
      set(.kernelMaxUsage, \.kernelMaxUsage, kernelMaximumUsage)
    }
  }
}

extension WireMemoryUsage {
  /// The fields that hold a measured value.
  var measured: [Fields] { measuredFields.compactMap { Fields(rawValue: Int($0)) } }
}
