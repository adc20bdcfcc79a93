import Systemd

extension UnitStatus {
  /// The units that this one starts; of a socket with an instance of a template for each connection (`Accept=yes`), the
  /// slice in which those instances are by default (systemd.special(7), `system-….slice`).
  var triggeredUnits: [UnitName] {
    if self.acceptsConnections == true, let name = try? UnitName(self.id), name.type == .socket {
      return (try? UnitName("system-\(Self.escape(name.prefix)).slice")).map { [$0] } ?? []
    }
    return self.triggers.compactMap { try? UnitName($0) }
  }

  /// Escapes a text for a unit's name as systemd-escape(1) does.
  private static func escape(_ text: String) -> String {
    var escaped = ""
    for (index, byte) in text.utf8.enumerated() {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ":"), UInt8(ascii: "_"):
        escaped.unicodeScalars.append(Unicode.Scalar(byte))
      case UInt8(ascii: ".") where index > 0:
        escaped += "."
      default:
        let digits = String(byte, radix: 16)
        escaped += "\\x" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return escaped
  }
}
