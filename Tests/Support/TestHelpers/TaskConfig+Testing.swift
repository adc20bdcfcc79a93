import Foundation
package import MessagePack
package import NomadPlugin

extension TaskConfig {
  /// A task of an allocation and with an ID of its own, whose logs go nowhere.
  ///
  /// - Parameter driverConfig: the job's `config` block.
  package static func test(_ driverConfig: MessagePackValue) throws -> TaskConfig {
    let allocation = UUID().uuidString.lowercased()
    var config = TaskConfig(id: "\(allocation)/main/12345678")
    config.name = "main"
    config.allocationID = allocation
    config.jobName = "test"
    config.stdoutPath = "/dev/null"
    config.stderrPath = "/dev/null"
    config.driverConfig = try MessagePackEncoder().encode(driverConfig)
    return config
  }

  /// A task that is a unit, with further attributes of its `config` block.
  package static func test(
    unit: String, _ attributes: [String: MessagePackValue] = [:]
  ) throws -> TaskConfig {
    try .test(MessagePackValue(attributes.merging(["unit": .string(unit)]) { $1 }))
  }
}

extension MessagePackValue {
  /// A map with texts as keys, in their order.
  package init(_ attributes: [String: MessagePackValue]) {
    self = .map(
      attributes.sorted { $0.key < $1.key }.map { MapEntry(key: .string($0.key), value: $0.value) })
  }
}
