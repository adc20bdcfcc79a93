import SwiftProtobuf
import FoundationEssentials

/// What a task is to be, as the client hands it to the driver.
///
/// An empty text stands for a value that is not set. Field by field this is the `TaskConfig` of hashicorp/nomad,
/// `plugins/drivers/driver.go`.
public struct TaskConfig: Sendable, Hashable {
  /// Name servers and the like that a task is to use.
  public struct DNS: Sendable, Hashable {
    /// Addresses of name servers.
    public var servers: [String]

    /// Domains to search in.
    public var searches: [String]

    /// Options of the resolver.
    public var options: [String]

    /// Makes settings.
    public init(servers: [String] = [], searches: [String] = [], options: [String] = []) {
      self.servers = servers
      self.searches = searches
      self.options = options
    }
  }

  /// A directory or file of the host to be mounted into the task.
  public struct Mount: Sendable, Hashable {
    /// Where the task is to see it.
    public var taskPath: String

    /// Where it is on the host.
    public var hostPath: String

    /// Whether the task may only read it.
    public var isReadOnly: Bool

    /// How mounts below it spread; see the `volume_mount` block of Nomad's jobs.
    public var propagationMode: String

    /// The SELinux label to give it.
    public var seLinuxLabel: String

    /// The job's volume that it comes from.
    public var requestName: String

    /// Describes a mount.
    public init(
      taskPath: String, hostPath: String, isReadOnly: Bool = false, propagationMode: String = "",
      seLinuxLabel: String = "", requestName: String = ""
    ) {
      self.taskPath = taskPath
      self.hostPath = hostPath
      self.isReadOnly = isReadOnly
      self.propagationMode = propagationMode
      self.seLinuxLabel = seLinuxLabel
      self.requestName = requestName
    }
  }

  /// A device of the host to be given to the task.
  public struct Device: Sendable, Hashable {
    /// Where the task is to see it.
    public var taskPath: String

    /// Where it is on the host.
    public var hostPath: String

    /// What the task may do, of `r`, `w` and `m` (make device nodes).
    public var cgroupPermissions: String

    /// Describes a device.
    public init(taskPath: String, hostPath: String, cgroupPermissions: String) {
      self.taskPath = taskPath
      self.hostPath = hostPath
      self.cgroupPermissions = cgroupPermissions
    }
  }

  /// The task's ID: `<allocation ID>/<task name>/<random>`.
  public var id: String

  /// The task's name in its group.
  public var name = ""

  /// The name of the task's group.
  public var taskGroupName = ""

  /// The allocation the task belongs to.
  public var allocationID = ""

  /// The job's ID.
  public var jobID = ""

  /// The job's name.
  public var jobName = ""

  /// The ID of the periodic or parameterized job that this job is an instance of. Nomad's client does not send it.
  public var parentJobID = ""

  /// The job's namespace.
  public var namespace = ""

  /// The ID of the node.
  public var nodeID = ""

  /// The name of the node.
  public var nodeName = ""

  /// The job's `config` block as MessagePack: a map of attribute names, nil for what is not set.
  public var driverConfig: [UInt8] = []

  /// The task's environment.
  public var environment: [String: String] = [:]

  /// The part of ``environment`` that device plugins made.
  public var deviceEnvironment: [String: String] = [:]

  /// The user the task is to run as.
  public var user = ""

  /// The allocation's directory; the task's own is the one with its name in it.
  public var allocationDirectory = ""

  /// Where the task's standard output is to be written: a FIFO of the log collector, or `/dev/null`.
  public var stdoutPath = ""

  /// The same for standard error.
  public var stderrPath = ""

  /// What the task may use of the node, where the client said so.
  public var resources: TaskResources?

  /// What is to be mounted into the task.
  public var mounts: [Mount] = []

  /// Devices for the task.
  public var devices: [Device] = []

  /// The network namespace made for the task, if any.
  public var networkIsolation: NetworkIsolation?

  /// The task's own DNS settings, if any.
  public var dns: DNS?

  /// Makes the configuration of a task; what else is known is set afterwards.
  public init(id: String) {
    self.id = id
  }

  /// Decodes the job's `config` block.
  ///
  /// - Throws: ``ConfigurationError`` that names the attribute that is missing or of the wrong type.
  public func decodeDriverConfig<T: Decodable>(_ type: T.Type) throws(ConfigurationError) -> T {
    try decodeBlock(type, from: driverConfig, named: "task configuration")
  }
}

extension TaskConfig {
  init(_ wire: WireTaskConfig) {
    self.init(id: wire.id)
    name = wire.name
    taskGroupName = wire.taskGroupName
    allocationID = wire.allocID
    jobID = wire.jobID
    jobName = wire.jobName
    parentJobID = wire.parentJobID
    namespace = wire.namespace
    nodeID = wire.nodeID
    nodeName = wire.nodeName
    driverConfig = [UInt8](wire.msgpackDriverConfig)
    environment = wire.env
    deviceEnvironment = wire.deviceEnv
    user = wire.user
    allocationDirectory = wire.allocDir
    stdoutPath = wire.stdoutPath
    stderrPath = wire.stderrPath
    resources = wire.hasResources ? TaskResources(wire.resources) : nil
    mounts = wire.mounts.map { Mount($0) }
    devices = wire.devices.map { Device($0) }
    networkIsolation = wire.hasNetworkIsolationSpec ? NetworkIsolation(wire.networkIsolationSpec) : nil
    dns = wire.hasDns ? DNS(wire.dns) : nil
  }

  var wire: WireTaskConfig {
    .with {
      $0.id = id
      $0.name = name
      $0.taskGroupName = taskGroupName
      $0.allocID = allocationID
      $0.jobID = jobID
      $0.jobName = jobName
      $0.parentJobID = parentJobID
      $0.namespace = namespace
      $0.nodeID = nodeID
      $0.nodeName = nodeName
      $0.msgpackDriverConfig = Data(driverConfig)
      $0.env = environment
      $0.deviceEnv = deviceEnvironment
      $0.user = user
      $0.allocDir = allocationDirectory
      $0.stdoutPath = stdoutPath
      $0.stderrPath = stderrPath
      if let resources { $0.resources = resources.wire }
      $0.mounts = mounts.map(\.wire)
      $0.devices = devices.map(\.wire)
      if let networkIsolation { $0.networkIsolationSpec = networkIsolation.wire }
      if let dns { $0.dns = dns.wire }
    }
  }
}

extension TaskConfig.DNS {
  init(_ wire: WireDNSConfig) {
    self.init(servers: wire.servers, searches: wire.searches, options: wire.options)
  }

  var wire: WireDNSConfig {
    .with {
      $0.servers = servers
      $0.searches = searches
      $0.options = options
    }
  }
}

extension TaskConfig.Mount {
  init(_ wire: WireMount) {
    self.init(
      taskPath: wire.taskPath, hostPath: wire.hostPath, isReadOnly: wire.readonly,
      propagationMode: wire.propagationMode, seLinuxLabel: wire.selinuxLabel, requestName: wire.requestName)
  }

  var wire: WireMount {
    .with {
      $0.taskPath = taskPath
      $0.hostPath = hostPath
      $0.readonly = isReadOnly
      $0.propagationMode = propagationMode
      $0.selinuxLabel = seLinuxLabel
      $0.requestName = requestName
    }
  }
}

extension TaskConfig.Device {
  init(_ wire: WireDevice) {
    self.init(
      taskPath: wire.taskPath, hostPath: wire.hostPath, cgroupPermissions: wire.cgroupPermissions)
  }

  var wire: WireDevice {
    .with {
      $0.taskPath = taskPath
      $0.hostPath = hostPath
      $0.cgroupPermissions = cgroupPermissions
    }
  }
}
