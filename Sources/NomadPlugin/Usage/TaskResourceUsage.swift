public import FoundationEssentials

import SwiftProtobuf

/// What a task uses at one time.
public struct TaskResourceUsage: Sendable, Hashable {
  /// What one process uses.
  public struct Process: Sendable, Hashable {
    /// CPU time.
    public var cpu: CPUUsage

    /// Memory.
    public var memory: MemoryUsage

    /// Makes a measurement.
    public init(cpu: CPUUsage = CPUUsage(), memory: MemoryUsage = MemoryUsage()) {
      self.cpu = cpu
      self.memory = memory
    }
  }

  /// When it was measured.
  public var timestamp: Date

  /// CPU time of all processes.
  public var cpu: CPUUsage

  /// Memory of all processes.
  public var memory: MemoryUsage

  /// What each process uses, by process ID, where that was measured.
  public var processes: [Int32: Process]

  /// Makes a measurement.
  public init(
    timestamp: Date, cpu: CPUUsage = CPUUsage(), memory: MemoryUsage = MemoryUsage(),
    processes: [Int32: Process] = [:]
  ) {
    self.timestamp = timestamp
    self.cpu = cpu
    self.memory = memory
    self.processes = processes
  }
}

extension TaskResourceUsage {
  init(_ wire: WireTaskStats) {
    self.init(
      timestamp: wire.timestamp.date ?? .distantPast, cpu: CPUUsage(wire.aggResourceUsage.cpu),
      memory: MemoryUsage(wire.aggResourceUsage.memory))
    for (key, usage) in wire.resourceUsageByPid {
      guard let pid = Int32(key) else { continue }
      processes[pid] = Process(cpu: CPUUsage(usage.cpu), memory: MemoryUsage(usage.memory))
    }
  }

  /// The measurement on the wire. Nomad's client needs the time and the usage of all processes.
  func wire(taskID: String) -> WireTaskStats {
    .with {
      $0.id = taskID
      $0.timestamp = Google_Protobuf_Timestamp(timestamp)
      $0.aggResourceUsage.cpu = cpu.wire
      $0.aggResourceUsage.memory = memory.wire
      for (pid, usage) in processes {
        $0.resourceUsageByPid["\(pid)"] = .with {
          $0.cpu = usage.cpu.wire
          $0.memory = usage.memory.wire
        }
      }
    }
  }
}
