import SwiftProtobuf

/// What a task may use of the node. A number of 0 and an empty text stand for a value that is not set.
public struct TaskResources: Sendable, Hashable {
  /// A port by its label in the job.
  public struct Port: Sendable, Hashable {
    /// The label.
    public var label: String

    /// The port on the host.
    public var value: Int32

    /// Makes a port.
    public init(label: String, value: Int32) {
      self.label = label
      self.value = value
    }
  }

  /// A network that the scheduler gave the task.
  public struct Network: Sendable, Hashable {
    /// The network interface.
    public var device: String

    /// The network's address range.
    public var cidr: String

    /// The node's address in it.
    public var ip: String

    /// The bandwidth, in Mbit/s.
    public var megabits: Int32

    /// Ports that the job asked for by number.
    public var reservedPorts: [Port]

    /// Ports that the scheduler chose.
    public var dynamicPorts: [Port]

    /// Describes a network.
    public init(
      device: String = "", cidr: String = "", ip: String = "", megabits: Int32 = 0,
      reservedPorts: [Port] = [],
      dynamicPorts: [Port] = []
    ) {
      self.device = device
      self.cidr = cidr
      self.ip = ip
      self.megabits = megabits
      self.reservedPorts = reservedPorts
      self.dynamicPorts = dynamicPorts
    }
  }

  /// What the scheduler gave the task.
  public struct Allocated: Sendable, Hashable {
    /// Compute, in MHz.
    public var cpuShares: Int64

    /// Memory, in MiB.
    public var memoryMegabytes: Int64

    /// What the task may use of memory while there is some to spare, in MiB.
    public var memoryMaximumMegabytes: Int64

    /// Networks.
    public var networks: [Network]

    /// Describes an allotment.
    public init(
      cpuShares: Int64 = 0, memoryMegabytes: Int64 = 0, memoryMaximumMegabytes: Int64 = 0,
      networks: [Network] = []
    ) {
      self.cpuShares = cpuShares
      self.memoryMegabytes = memoryMegabytes
      self.memoryMaximumMegabytes = memoryMaximumMegabytes
      self.networks = networks
    }
  }

  /// The allotment in the kernel's terms.
  public struct Linux: Sendable, Hashable {
    /// The period of the CPU quota, in microseconds.
    public var cpuPeriod: Int64 = 0

    /// CPU time in each period, in microseconds.
    public var cpuQuota: Int64 = 0

    /// The weight of the task among others.
    public var cpuShares: Int64 = 0

    /// The limit of memory, in bytes.
    public var memoryLimitBytes: Int64 = 0

    /// How readily the kernel kills the task when it is out of memory.
    public var oomScoreAdjustment: Int64 = 0

    /// The processors the task may use, as a list such as `0-3,7`.
    public var cpusetCPUs = ""

    /// The control group that the client keeps for these processors.
    public var cpusetCgroupPath = ""

    /// The task's share of the node's compute, from 0 to 1.
    public var percentTicks: Double = 0

    /// Makes an allotment without any setting.
    public init() {}
  }

  /// A port of the host that leads to one inside the task's network.
  public struct PortMapping: Sendable, Hashable {
    /// The port's label in the job.
    public var label: String

    /// The port on the host.
    public var value: Int32

    /// The port inside, or 0 for the same one.
    public var to: Int32

    /// The host's address.
    public var hostIP: String

    /// Makes a mapping.
    public init(label: String, value: Int32, to: Int32 = 0, hostIP: String = "") {
      self.label = label
      self.value = value
      self.to = to
      self.hostIP = hostIP
    }
  }

  /// What the scheduler gave the task.
  public var allocated: Allocated?

  /// The same in the kernel's terms.
  public var linux: Linux?

  /// The allocation's ports.
  public var ports: [PortMapping]

  /// Describes what a task may use.
  public init(allocated: Allocated? = nil, linux: Linux? = nil, ports: [PortMapping] = []) {
    self.allocated = allocated
    self.linux = linux
    self.ports = ports
  }
}

extension TaskResources {
  init(_ wire: WireResources) {
    self.init(
      allocated: wire.hasAllocatedResources ? Allocated(wire.allocatedResources) : nil,
      linux: wire.hasLinuxResources ? Linux(wire.linuxResources) : nil,
      ports: wire.ports.map { PortMapping(label: $0.label, value: $0.value, to: $0.to, hostIP: $0.hostIp) })
  }

  var wire: WireResources {
    .with {
      if let allocated { $0.allocatedResources = allocated.wire }
      if let linux { $0.linuxResources = linux.wire }
      $0.ports = ports.map { port in
        .with {
          $0.label = port.label
          $0.value = port.value
          $0.to = port.to
          $0.hostIp = port.hostIP
        }
      }
    }
  }
}

extension TaskResources.Allocated {
  init(_ wire: WireAllocatedTaskResources) {
    self.init(
      cpuShares: wire.cpu.cpuShares, memoryMegabytes: wire.memory.memoryMb,
      memoryMaximumMegabytes: wire.memory.memoryMaxMb,
      networks: wire.networks.map { TaskResources.Network($0) })
  }

  var wire: WireAllocatedTaskResources {
    .with {
      $0.cpu.cpuShares = cpuShares
      $0.memory.memoryMb = memoryMegabytes
      $0.memory.memoryMaxMb = memoryMaximumMegabytes
      $0.networks = networks.map(\.wire)
    }
  }
}

extension TaskResources.Network {
  init(_ wire: WireNetworkResource) {
    self.init(
      device: wire.device, cidr: wire.cidr, ip: wire.ip, megabits: wire.mbits,
      reservedPorts: wire.reservedPorts.map { TaskResources.Port(label: $0.label, value: $0.value) },
      dynamicPorts: wire.dynamicPorts.map { TaskResources.Port(label: $0.label, value: $0.value) })
  }

  var wire: WireNetworkResource {
    .with {
      $0.device = device
      $0.cidr = cidr
      $0.ip = ip
      $0.mbits = megabits
      $0.reservedPorts = reservedPorts.map(\.wire)
      $0.dynamicPorts = dynamicPorts.map(\.wire)
    }
  }
}

extension TaskResources.Port {
  var wire: WireNetworkPort {
    .with {
      $0.label = label
      $0.value = value
    }
  }
}

extension TaskResources.Linux {
  init(_ wire: WireLinuxResources) {
    cpuPeriod = wire.cpuPeriod
    cpuQuota = wire.cpuQuota
    cpuShares = wire.cpuShares
    memoryLimitBytes = wire.memoryLimitBytes
    oomScoreAdjustment = wire.oomScoreAdj
    cpusetCPUs = wire.cpusetCpus
    cpusetCgroupPath = wire.cpusetCgroup
    percentTicks = wire.percentTicks
  }

  var wire: WireLinuxResources {
    .with {
      $0.cpuPeriod = cpuPeriod
      $0.cpuQuota = cpuQuota
      $0.cpuShares = cpuShares
      $0.memoryLimitBytes = memoryLimitBytes
      $0.oomScoreAdj = oomScoreAdjustment
      $0.cpusetCpus = cpusetCPUs
      $0.cpusetCgroup = cpusetCgroupPath
      $0.percentTicks = percentTicks
    }
  }
}
