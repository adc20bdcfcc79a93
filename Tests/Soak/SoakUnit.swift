import Foundation
import NomadTestSupport

/// What the units of the soak do.
enum SoakUnit: String, CaseIterable {
  /// Prints a line each tenth of a second until it is stopped.
  case runs
  /// Prints three lines and ends with the exit code that its instance's name begins with.
  case exits
  /// The same, and its failure is reset at once by another unit.
  case forgotten
  /// Prints 5,000 lines at once.
  case bursts
  /// Fails twice, and is restarted by systemd each time, before it ends well.
  case restarts
  /// Takes no notice of SIGTERM.
  case stubborn
  /// A start that takes its time.
  case oneshot
  /// Has no program.
  case broken

  private var lines: [String] {
    switch self {
    case .runs:
      [#"ExecStart=/bin/sh -c 'i=0; while :; do i=$((i+1)); echo "$$$$ $i"; sleep 0.1; done'"#]
    case .exits, .forgotten:
      [
        #"ExecStart=/bin/sh -c 'n=%i; for i in 1 2 3; do echo "$$$$ $i"; sleep 0.1; done; exit $${n%%%%-*}'"#
      ]
    case .bursts:
      ["LogRateLimitIntervalSec=1s", "LogRateLimitBurst=1000000", "ExecStart=/usr/bin/seq 5000"]
    case .restarts:
      [
        "Restart=on-failure", "RestartSec=100ms",
        #"ExecStart=/bin/sh -c 'for i in 1 2 3; do echo "$$$$ $i"; sleep 0.05; done; n=/run/soak-%i; echo x >> $n; "#
          + #"test $(wc -l < $n 2>/dev/null) -ge 3 && rm $n'"#,
      ]
    case .stubborn:
      [
        "TimeoutStopSec=300",
        #"ExecStart=/bin/sh -c 'trap "" TERM; i=0; while :; do i=$((i+1)); echo "$$$$ $i"; sleep 0.2; done'"#,
      ]
    case .oneshot: ["Type=oneshot", #"ExecStart=/bin/sh -c 'echo "$$$$ 1"; sleep 0.5; echo "$$$$ 2"'"#]
    case .broken: ["ExecStart=/nonexistent/program"]
    }
  }

  private var settings: [String] {
    ["StartLimitIntervalSec=0"] + (self == .forgotten ? ["OnFailure=soak-forget@%i.service"] : [])
  }

  /// Makes the files of all.
  static func install() async throws {
    for unit in Self.allCases {
      try Units.write(
        ["[Unit]"] + unit.settings + ["[Service]"] + unit.lines, to: "soak-\(unit)@.service")
    }
    try Units.write(
      ["[Service]", "Type=oneshot", "ExecStart=systemctl reset-failed soak-forgotten@%i.service"],
      to: "soak-forget@.service")
    try await Units.systemctl("daemon-reload")
  }

  /// The name for one run, and the exit codes that it may end with by itself.
  func run() -> (name: String, exitCodes: Set<Int32>) {
    let code = Int32.random(in: 0...9)
    let exitCodes: Set<Int32> =
      switch self {
      case .runs, .stubborn: []
      case .exits, .forgotten: [code]
      case .bursts, .restarts, .oneshot: [0]
      case .broken: [203]
      }
    return ("soak-\(self)@\(code)-\(UUID().uuidString.lowercased()).service", exitCodes)
  }

  /// How many lines a run prints that ends by itself; nil: any number, or not by the unit's program.
  var lineCount: Int? {
    switch self {
    case .runs, .stubborn, .restarts, .broken: nil
    case .exits, .forgotten: 3
    case .bursts: 5000
    case .oneshot: 2
    }
  }
}
