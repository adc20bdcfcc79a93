import ControlGroups
import Systemd

extension ControlGroupUsage {
  /// What `systemctl show` tells of a unit's control group.
  init(_ status: UnitStatus, time: ContinuousClock.Instant) {
    self.init(time: time)
    self.identity = status.invocationID
    self.cpuTime = status.cpuUsageNanoseconds
    self.memory = status.memoryCurrent
    self.memoryPeak = status.memoryPeak
    self.swap = status.memorySwapCurrent
  }
}
