import Foundation
public import Logging

/// A line of a plugin's log, read from go-hclog's JSON form.
public struct HCLogEntry: Sendable, Equatable {
  /// How important it is; swift-log's name for hclog's level, and `info` for a level that is not known.
  public var level: Logger.Level
  /// What happened.
  public var message: String
  /// The part of the plugin that says so; empty if the line does not tell.
  public var module: String
  /// When, as in the line; nil if the line does not tell.
  public var timestamp: String?
  /// All other fields. Numbers, booleans and null are texts here.
  public var metadata: Logger.Metadata

  /// Reads a line; nil if it is not an entry of hclog, that is a JSON object with `@level` and `@message`.
  public init?(line: String) {
    guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(line.utf8)),
      case .dictionary(var fields) = value.metadata,
      case .string(let level) = fields.removeValue(forKey: "@level"),
      case .string(let message) = fields.removeValue(forKey: "@message")
    else { return nil }
    self.level =
      switch level {
      case "trace": .trace
      case "debug": .debug
      case "warn": .warning
      case "error": .error
      default: .info
      }
    self.message = message
    self.module = fields.removeValue(forKey: "@module").map { "\($0)" } ?? ""
    self.timestamp = fields.removeValue(forKey: "@timestamp").map { "\($0)" }
    self.metadata = fields
  }
}

/// Any JSON value, as log metadata.
private struct JSONValue: Decodable {
  let metadata: Logger.MetadataValue

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let text = try? container.decode(String.self) {
      self.metadata = .string(text)
    } else if let fields = try? container.decode([String: JSONValue].self) {
      self.metadata = .dictionary(fields.mapValues(\.metadata))
    } else if let values = try? container.decode([JSONValue].self) {
      self.metadata = .array(values.map(\.metadata))
    } else if let flag = try? container.decode(Bool.self) {
      self.metadata = .string(String(flag))
    } else if let number = try? container.decode(Int64.self) {
      self.metadata = .string(String(number))
    } else if container.decodeNil() {
      self.metadata = .string("null")
    } else {
      self.metadata = .string(String(try container.decode(Double.self)))
    }
  }
}
