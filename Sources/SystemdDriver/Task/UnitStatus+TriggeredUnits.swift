import Systemd

extension UnitStatus {
  /// The units that this one starts; of a socket with an instance of a template for each connection (`Accept=yes`), the
  /// slice in which those instances are by default (systemd.special(7), `system-….slice`).
  ///
  /// - Parameter isAllowed: which units count; of such a socket, whether an instance does.
  func triggeredUnits(_ isAllowed: (UnitName) -> Bool) -> [UnitName] {
    if self.acceptsConnections == true, let name = try? UnitName(self.id), name.type == .socket {
      guard let instance = try? UnitName("\(name.prefix)@0.service"), isAllowed(instance),
        let slice = try? UnitName("system-\(Self.escape(name.prefix)).slice")
      else { return [] }
      return [slice]
    }
    return self.triggers.compactMap { try? UnitName($0) }.filter(isAllowed)
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
