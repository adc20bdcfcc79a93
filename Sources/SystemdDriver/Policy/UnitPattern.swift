import CLinux
import Foundation

/// A pattern of unit names, as systemctl knows them: `*` is any text, `?` any character, `[…]` one of these characters
/// (`glob(7)`). A backslash is itself, since names have some.
struct UnitPattern: Sendable, Hashable {
  let text: String

  init(_ text: String) { self.text = text }

  func matches(_ name: String) -> Bool { fnmatch(self.text, name, FNM_NOESCAPE) == 0 }
}

extension UnitPattern: ExpressibleByStringLiteral, CustomStringConvertible {
  init(stringLiteral text: String) { self.init(text) }

  var description: String { self.text }
}
