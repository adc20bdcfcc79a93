import SwiftProtobuf

/// The processors of the node, as far as a driver needs them to tell Nomad how much compute a task uses.
///
/// The rules are those of hashicorp/nomad, `client/lib/numalib/topology.go`.
public struct Topology: Sendable, Hashable {
  /// One logical processor. Speeds are in MHz; 0 is unknown.
  public struct Core: Sendable, Hashable {
    /// The speed the processor guarantees.
    public var baseSpeed: UInt64

    /// The speed it can reach.
    public var maximumSpeed: UInt64

    /// What the agent takes it for where the kernel tells neither.
    public var guessedSpeed: UInt64

    /// Describes a processor.
    public init(baseSpeed: UInt64 = 0, maximumSpeed: UInt64 = 0, guessedSpeed: UInt64 = 0) {
      self.baseSpeed = baseSpeed
      self.maximumSpeed = maximumSpeed
      self.guessedSpeed = guessedSpeed
    }

    /// The speed that Nomad reckons with: the first known of base, maximum and guessed.
    public var speed: UInt64 {
      if baseSpeed > 0 { return baseSpeed }
      if maximumSpeed > 0 { return maximumSpeed }
      return guessedSpeed
    }
  }

  /// All processors, also those that Nomad may not use.
  public var cores: [Core]

  /// The operator's figure for ``totalCompute``, or 0 for none.
  public var overrideTotalCompute: UInt64

  /// Describes a node.
  public init(cores: [Core], overrideTotalCompute: UInt64 = 0) {
    self.cores = cores
    self.overrideTotalCompute = overrideTotalCompute
  }

  /// The node's compute in MHz: the operator's figure, or else the sum of the processors' speeds.
  public var totalCompute: UInt64 {
    if overrideTotalCompute > 0 { return overrideTotalCompute }
    return cores.reduce(0) { sum, core in
      let (total, overflow) = sum.addingReportingOverflow(core.speed)
      return overflow ? .max : total
    }
  }

  /// The compute in MHz that a CPU usage amounts to, for ``CPUUsage/totalTicks``.
  ///
  /// - Parameter percent: the usage in percent of one processor: 200 is two processors busy.
  /// - Returns: 0 for a node without processors.
  public func ticks(percent: Double) -> Double {
    guard !cores.isEmpty else { return 0 }
    return percent / 100 * Double(totalCompute) / Double(cores.count)
  }
}

extension Topology {
  init(_ wire: WireClientTopology) {
    self.init(
      cores: wire.cores.map {
        Core(baseSpeed: $0.baseSpeed, maximumSpeed: $0.maxSpeed, guessedSpeed: $0.guessSpeed)
      },
      overrideTotalCompute: wire.overrideTotalCompute)
  }

  var wire: WireClientTopology {
    .with {
      $0.cores = cores.enumerated().map { index, core in
        .with {
          $0.coreID = UInt32(clamping: index)
          $0.baseSpeed = core.baseSpeed
          $0.maxSpeed = core.maximumSpeed
          $0.guessSpeed = core.guessedSpeed
        }
      }
      $0.overrideTotalCompute = overrideTotalCompute
    }
  }
}
