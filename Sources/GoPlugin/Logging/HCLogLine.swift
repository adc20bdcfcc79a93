import Foundation
import Logging

/// One line of a log in go-hclog's JSON form, the form that a go-plugin host reads from standard error.
///
/// go-plugin takes lines of up to 64 KiB, so long texts are cut with a mark where they end, and fields that have
/// no room are counted in `@omitted`. Every line is strict JSON in UTF-8 whatever it is made of.
struct HCLogLine {
  /// The longest line in bytes, with its line break.
  static let maximumLength = 60 * 1024

  private static let maximumMessageLength = 32 * 1024
  private static let maximumValueLength = 8 * 1024
  private static let maximumKeyLength = 128
  private static let maximumDepth = 8
  /// Kept free for closing brackets and marks.
  private static let reserve = 1024

  /// The line with its line break.
  private(set) var bytes: [UInt8] = []

  /// Metadata whose key starts with `@` gets `_` before it: the host gives such keys a meaning.
  init(
    level: Logger.Level, module: String, message: String, metadata: Logger.Metadata = [:],
    time: timespec = .now
  ) {
    self.append("{\"@level\":\"\(Self.name(of: level))\",\"@message\":")
    self.appendString(message, limit: Self.maximumMessageLength)
    self.append(",\"@module\":")
    self.appendString(module, limit: Self.maximumKeyLength)
    self.append(",\"@timestamp\":\"\(Self.timestamp(time))\"")
    let fields = metadata.map { key, value in
      (key: key.hasPrefix("@") ? Self.unusedKey(for: key, in: metadata) : key, value: value)
    }
    let omitted = self.appendFields(fields.sorted { $0.key < $1.key }, isFirst: false, depth: 0)
    if omitted > 0 { self.append(",\"@omitted\":\(omitted)") }
    self.append("}\n")
  }

  private static func unusedKey(for key: String, in metadata: Logger.Metadata) -> String {
    var key = key
    repeat { key = "_" + key } while metadata[key] != nil
    return key
  }

  /// hclog has fewer levels than swift-log.
  private static func name(of level: Logger.Level) -> String {
    switch level {
    case .trace: "trace"
    case .debug: "debug"
    case .info, .notice: "info"
    case .warning: "warn"
    case .error, .critical: "error"
    }
  }

  /// RFC 3339 with microseconds, in UTC.
  private static func timestamp(_ time: timespec) -> String {
    var seconds = time.tv_sec
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func digits(_ value: some BinaryInteger, _ count: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    return "\(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
      + "T\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
      + ".\(digits(time.tv_nsec / 1000, 6))Z"
  }

  private var hasRoom: Bool { self.bytes.count + Self.reserve + 256 <= Self.maximumLength }

  /// Appends as many fields as there is room for; returns how many there were more.
  private mutating func appendFields(
    _ fields: [(key: String, value: Logger.MetadataValue)], isFirst: Bool, depth: Int
  ) -> Int {
    for (index, field) in fields.enumerated() {
      guard self.hasRoom else { return fields.count - index }
      if !isFirst || index > 0 { self.append(",") }
      self.appendString(field.key, limit: Self.maximumKeyLength)
      self.append(":")
      self.appendValue(field.value, depth: depth)
    }
    return 0
  }

  private mutating func appendValue(_ value: Logger.MetadataValue, depth: Int) {
    switch value {
    case .string(let text):
      self.appendString(text)
    case .stringConvertible(let value):
      switch value {
      case let flag as Bool: self.append(flag ? "true" : "false")
      case let number as any FixedWidthInteger: self.append(number.description)
      case let number as Double where number.isFinite: self.append(number.description)
      default: self.appendString(value.description)
      }
    case _ where depth >= Self.maximumDepth:
      self.appendString("…")
    case .dictionary(let dictionary):
      self.append("{")
      let fields = dictionary.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
      let omitted = self.appendFields(fields, isFirst: true, depth: depth + 1)
      if omitted > 0 { self.append("\(omitted < fields.count ? "," : "")\"@omitted\":\(omitted)") }
      self.append("}")
    case .array(let values):
      self.append("[")
      for (index, value) in values.enumerated() {
        if index > 0 { self.append(",") }
        guard self.hasRoom else {
          self.append("\"… (\(values.count - index) more)\"")
          break
        }
        self.appendValue(value, depth: depth + 1)
      }
      self.append("]")
    }
  }

  private mutating func append(_ text: String) { self.bytes += text.utf8 }

  private mutating func appendString(_ text: String) {
    let room = Self.maximumLength - Self.reserve - self.bytes.count
    self.appendString(text, limit: min(Self.maximumValueLength, max(room, 128)))
  }

  /// Appends a JSON string of at most `limit` bytes and its quotes.
  private mutating func appendString(_ text: String, limit: Int) {
    self.bytes.append(UInt8(ascii: "\""))
    let end = self.bytes.count + limit
    // Where to cut if the text turns out to be too long, and how much of it is before that.
    var cut = (length: self.bytes.count, consumed: 0)
    var consumed = 0
    for scalar in text.unicodeScalars {
      self.appendEscaped(scalar)
      guard self.bytes.count <= end else {
        self.bytes.removeSubrange(cut.length...)
        self.append("… (\(text.utf8.count - cut.consumed) bytes cut)")
        break
      }
      consumed += UTF8.width(scalar)
      // The mark has at most 40 bytes.
      if self.bytes.count + 40 <= end { cut = (self.bytes.count, consumed) }
    }
    self.bytes.append(UInt8(ascii: "\""))
  }

  private mutating func appendEscaped(_ scalar: Unicode.Scalar) {
    switch scalar {
    case "\"": self.append("\\\"")
    case "\\": self.append("\\\\")
    case "\n": self.append("\\n")
    case "\r": self.append("\\r")
    case "\t": self.append("\\t")
    // Control characters could steer the terminal of whoever reads the agent's log; the last two end lines in
    // JavaScript.
    case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}", "\u{2028}", "\u{2029}":
      let digits = String(scalar.value, radix: 16)
      self.append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
    default: self.bytes += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
    }
  }
}

extension timespec {
  /// The time of day.
  static var now: timespec {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return time
  }
}
