@testable import Processes

@testable import Systemd

extension FuzzTarget {
  static let displayText = FuzzTarget(
    "text",
    seeds: [
      "Failed to start web.service: \u{1b}[31mno\u{1b}[0m\n\n  next \u{202e}line\r\n", "1min 30.5s",
      "infinity",
      "18446744073709551615us", "Sun 2026-11-22 17:11:40.452823 UTC", "Thu 9999-12-31 23:59:59 UTC",
      "systemd 252 (252.38-1~deb12u1)\n+PAM", String(repeating: "x", count: 2100) + "\u{301}\u{301}",
    ],
    words: ["y", " month", "w ", "μs", ".5", " UTC", "-02-29 ", ":60", "\u{85}", "\u{feff}", "systemd "]
  ) { input in
    let shown = DisplayText(input).text
    try holdIsPlain(shown, "what is shown")
    try hold(shown.count <= DisplayText.limit + 1, "what is shown is long")
    let written = text(input)
    if let span = TimeSpan(written), case .finite(let duration) = span {
      try hold(duration >= .zero, "a span is negative")
    }
    if let time = RealtimeTimestamp(written) {
      // Sun 2026-11-22 17:11:40 UTC, and 2026-11-22T17:11:40.000000Z
      let words = written.split(separator: " ")
      let seconds = words[2].prefix { $0 != "." }
      try hold(time.description.hasPrefix("\(words[1])T\(seconds)."), "\(written) is read as \(time)")
    }
    if let version = SystemdVersion(written) { try hold(!version.full.isEmpty, "the version is empty") }
  }
}
