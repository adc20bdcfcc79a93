/// The version of systemd.
public struct SystemdVersion: Sendable, Hashable {
  /// The number that features are known by, such as 252.
  public let number: Int

  /// The full version with the distribution's additions, such as `252.38-1~deb12u1`.
  public let full: String

  /// Reads the first line of `systemctl --version`, `systemd 252 (252.38-1~deb12u1)`; anything else gives
  /// nil.
  public init?(_ output: String) {
    let line = output.prefix { !$0.isNewline }
    let words = line.split(separator: " ")
    guard words.count >= 2, words[0] == "systemd",
      let number = Int(words[1].prefix { ("0"..."9").contains($0) })
    else { return nil }
    self.number = number
    let hasDetail =
      words.count == 3 && words[2].hasPrefix("(") && words[2].hasSuffix(")") && words[2].count > 2
    self.full = String(hasDetail ? words[2].dropFirst().dropLast() : words[1])
  }
}
