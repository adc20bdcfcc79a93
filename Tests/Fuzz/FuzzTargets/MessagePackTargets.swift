@testable import MessagePack
import NomadPlugin
@testable import Systemd

@testable import SystemdDriver

extension FuzzTarget {
  static let messagePack = FuzzTarget(
    "message-pack", seeds: ["\u{1}", "text"],
    bytes: [
      [0x82, 0xa1, 0x61, 0x93, 0x01, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0xa1, 0x62, 0xc4, 0x01, 0xff],
      [0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 1], [0xc7, 0x0c, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
      [0xdd, 0xff, 0xff, 0xff, 0xff, 0], [0xdf, 0x80, 0, 0, 0], [UInt8](repeating: 0x91, count: 80),
      [0xd8, 5],
      [0x83, 0xa1, 0x69, 0xa3, 0x31, 0x65, 0x39, 0xa1, 0x64, 0xca, 0x7f, 0x80, 0, 0, 0xa1, 0x6e, 0xcf]
        + filled,
    ],
    words: [
      "1e999", "0.1", "-9223372036854775808", "18446744073709551616", "NaN", "integer", "number", "texts",
    ]
  ) { input in
    let value: MessagePackValue
    do {
      value = try MessagePackDecoder().decode(input)
    } catch let error as MessagePackError {
      try hold((0...input.count).contains(error.offset), "the error is beyond the input: \(error)")
      try holdIsPlain(error.description, "the error")
      return
    }
    let encoding = try MessagePackEncoder().encode(value)
    try hold(encoding.count <= input.count, "it is longer when it is written again")
    // Encodings are compared instead of values, as NaN is not equal to itself.
    let again = try MessagePackEncoder().encode(try MessagePackDecoder().decode(encoding))
    try hold(encoding == again, "it is another value when it is written and read")
    do {
      _ = try MessagePackDecoder().decode(Shape.self, from: value)
    } catch let error as DecodingError {
      try holdIsPlain(error.explanation, "the error")
    }
  }

  private static let filled = [UInt8](repeating: 0xff, count: 8)

  /// Something of everything that a configuration can have.
  private struct Shape: Decodable {
    let integer: Int8?
    let number: Double?
    let count: UInt64?
    let texts: [String]?
    let table: [String: Float]?
    let bytes: [UInt8]?
    let any: MessagePackValue?
  }

  static let configuration = FuzzTarget(
    "configuration", seeds: [],
    bytes: [
      block([
        "unit": "web", "on_active": "adopt", "on_stop": "leave", "signal_to": "all",
        "disable_log_collection": false,
        "logs": ["format": "short", "stderr_priority": "none", "lifecycle": true],
      ]),
      block([
        "enabled": true, "systemctl_path": "/x", "command_prefix": ["nsenter", "-a"], "poll_interval": "1s",
        "exec": ["enabled": false], "record_dir": "/r", "record_limit": 5, "replay_speed": 0.5,
      ]),
      block([
        "allowed_units": ["app-*", "[a-b]*.service"], "denied_units": ["x.timer"],
        "allowed_unit_types": ["service"],
        "policy": [["namespace": "a*", "job": "*", "allowed_units": ["*"]]], "poll_interval": "1h1m1.5s",
      ]),
    ],
    words: [
      "unit", "on_active", "restart", "poll_interval", "100ms", "9223372036854775807h", "1e9s", "policy",
      "replay",
      "record_limit", "replay_speed", "*.service", "[!", "\u{301}", ".service", "ns", "µs",
    ]
  ) { input in
    var task = TaskConfig(id: "x")
    task.driverConfig = input
    do {
      let configuration = try TaskOptions(task)
      try hold(
        (try? UnitName(configuration.unit.name)) == configuration.unit, "\(configuration.unit) is no name")
    } catch let error as ConfigurationError {
      try hold(!error.description.isEmpty, "the error does not say anything")
    }
    guard let configuration = try? PluginOptions(PluginConfiguration(messagePack: input, agent: nil))
    else {
      return
    }
    try hold(
      PluginOptions.pollIntervals.contains(configuration.pollInterval), "\(configuration.pollInterval)")
    let paths = [configuration.systemctlPath, configuration.journalctlPath].compactMap { $0 }
    try hold(
      paths.allSatisfy { $0.utf8.first == UInt8(ascii: "/") && !$0.utf8.contains(0) }, "not a path: \(paths)")
    try hold(!configuration.commandPrefix.contains { $0.isEmpty || $0.utf8.contains(0) }, "an empty word")
    // Whatever the policy allows, what the operator denies it does not.
    let policy = configuration.policy
    for unit in ["app-a.service", "x.timer"].compactMap({ try? UnitName($0) }) {
      let isDenied = policy.deniedUnits.contains { $0.matches(unit.name) }
      try hold(!isDenied || policy.refusal(of: unit, to: task) != nil, "\(unit) is denied and allowed")
    }
  }

  private static func block(_ value: MessagePackValue) -> [UInt8] {
    (try? MessagePackEncoder().encode(value)) ?? []
  }
}
