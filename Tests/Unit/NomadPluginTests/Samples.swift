import Foundation

@testable import NomadPlugin

/// A task configuration in which every field has a value, and no two the same.
let fullTaskConfig: TaskConfig = {
  var config = TaskConfig(id: "alloc-1/web/7")
  config.name = "web"
  config.taskGroupName = "group"
  config.allocationID = "alloc-1"
  config.jobID = "job-1"
  config.jobName = "job"
  config.parentJobID = "parent"
  config.namespace = "default"
  config.nodeID = "node-1"
  config.nodeName = "node"
  config.driverConfig = [0x81, 0xa1, 0x61, 0xc3]
  config.environment = ["A": "1", "B": "zwei ✓"]
  config.deviceEnvironment = ["B": "zwei ✓"]
  config.user = "nobody"
  config.allocationDirectory = "/alloc"
  config.stdoutPath = "/alloc/out"
  config.stderrPath = "/alloc/err"
  var linux = TaskResources.Linux()
  linux.cpuPeriod = 1
  linux.cpuQuota = 2
  linux.cpuShares = 3
  linux.memoryLimitBytes = 4
  linux.oomScoreAdjustment = -5
  linux.cpusetCPUs = "0-3"
  linux.cpusetCgroupPath = "/sys/fs/cgroup/x"
  linux.percentTicks = 0.25
  config.resources = TaskResources(
    allocated: .init(
      cpuShares: 500, memoryMegabytes: 256, memoryMaximumMegabytes: 512,
      networks: [
        .init(
          device: "eth0", cidr: "10.0.0.0/8", ip: "10.0.0.1", megabits: 10,
          reservedPorts: [.init(label: "ssh", value: 22)], dynamicPorts: [.init(label: "http", value: 20123)])
      ]),
    linux: linux, ports: [.init(label: "http", value: 20123, to: 80, hostIP: "10.0.0.1")])
  config.mounts = [
    .init(
      taskPath: "/data", hostPath: "/srv", isReadOnly: true, propagationMode: "private", seLinuxLabel: "z",
      requestName: "volume")
  ]
  config.devices = [.init(taskPath: "/dev/a", hostPath: "/dev/b", cgroupPermissions: "rwm")]
  config.networkIsolation = NetworkIsolation(
    mode: .group, path: "/run/netns/x", labels: ["k": "v"],
    hostsEntry: .init(hostname: "web", address: "172.26.64.2"))
  config.dns = .init(servers: ["9.9.9.9"], searches: ["example.org"], options: ["ndots:2"])
  return config
}()

/// A time that both a `Date` and a timestamp hold exactly.
let someTime = Date(timeIntervalSince1970: 1_750_000_000.5)
