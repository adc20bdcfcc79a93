import SwiftProtobuf
import FoundationEssentials

/// What the client keeps of a task, to have it recovered.
///
/// It is stored when the task starts and never updated. It has the whole configuration in it, as some versions of
/// Nomad recover from it alone.
public struct TaskHandle: Sendable, Hashable {
  /// The version of ``driverState``, 1 or greater: Nomad keeps 0 for itself.
  public var version: Int32

  /// The task's configuration, as it was handed to the driver.
  public var config: TaskConfig

  /// Where the task was in its life when the handle was made.
  public var state: TaskState

  /// What the driver needs to find the task again, in a form of its own.
  public var driverState: [UInt8]

  /// Makes a handle.
  public init(version: Int32 = 1, config: TaskConfig, state: TaskState = .running, driverState: [UInt8]) {
    self.version = version
    self.config = config
    self.state = state
    self.driverState = driverState
  }
}

extension TaskHandle {
  init(_ wire: WireTaskHandle) {
    self.init(
      version: wire.version, config: TaskConfig(wire.config), state: TaskState(wire.state),
      driverState: [UInt8](wire.driverState))
  }

  var wire: WireTaskHandle {
    .with {
      $0.version = version
      $0.config = config.wire
      $0.state = state.wire
      $0.driverState = Data(driverState)
    }
  }
}
