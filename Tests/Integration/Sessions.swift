import GoPlugin
import MessagePack

extension Session {
  /// All sessions: what units do, and what is done with them.
  static let all: [Session] = ends + starts + stops + types + logs + meddling

  // MARK: How units end

  private static let ends = [
    Session(
      "lines", ["ExecStart=/bin/sh -c 'for i in 1 2 3; do echo line $i; done'"],
      .ends(0, output: "line 1\nline 2\nline 3\n", events: ["Started s-lines.service"])),
    Session("exit", ["ExecStart=/bin/sh -c 'echo bad; exit 7'"], .ends(7, output: "bad\n")),
    Session("signal", ["ExecStart=/bin/sh -c 'kill -USR1 $$$$'"], .ends(138, signal: 10)),
    Session("core", ["LimitCORE=0", "ExecStart=/bin/sh -c 'kill -ABRT $$$$'"], .ends(134, signal: 6)),
    Session("oneshot", ["Type=oneshot", "ExecStart=/bin/echo once"], .ends(0, output: "once\n")),
    Session(
      "oneshot-fails", ["Type=oneshot", "ExecStart=/bin/sh -c 'echo working; sleep 1; exit 3'"],
      .ends(3, output: "working\n")),
    // systemd forgets it at once; the journal tells.
    Session(
      "collected", unit: "s-collected.service",
      [
        "s-collected.service": [
          "[Unit]", "CollectMode=inactive-or-failed", "[Service]", "ExecStart=/bin/sh -c 'sleep 1; exit 7'",
        ]
      ],
      .ends(7)),
    Session(
      "restart",
      [
        "Restart=on-failure", "RestartSec=300ms",
        "ExecStart=/bin/sh -c 'n=/run/s-restart; echo x >> $n; echo run $(wc -l < $n); "
          + "test $(wc -l < $n) -ge 3 && exec sleep infinity; exit 4'",
      ],
      before: [["rm", "-f", "/run/s-restart"]],
      steps: [.event("systemd restarted"), .line("run 3"), .stop()],
      .ends(0, output: "run 1\nrun 2\nrun 3\n", events: ["Started", "systemd restarted", "Stopping"])),
    Session(
      "oom", ["ExecStart=/bin/sh -c 'echo ready; exec sleep infinity'"],
      steps: [.line("ready"), .outOfMemory], .ends(137, signal: 9, oomKilled: true, output: "ready\n")),
    Session(
      "watchdog",
      [
        "Type=notify", "NotifyAccess=all", "WatchdogSec=1", "LimitCORE=0",
        "ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'",
      ], .ends(134, signal: 6)),
  ]

  // MARK: How units start, and do not

  private static let starts = [
    Session(
      "notify",
      [
        "Type=notify", "NotifyAccess=all",
        "ExecStart=/bin/sh -c 'systemd-notify --ready --status=here; echo ready; exec sleep infinity'",
      ], steps: [.line("ready"), .stop()], .ends(0, output: "ready\n")),
    Session("no-program", ["ExecStart=/nonexistent/program"], .ends(203)),
    Session("missing", unit: "s-missing.service", [:], .doesNotStart(isRecoverable: false, "not found")),
    Session(
      "masked", unit: "s-masked.service", ["s-masked.service": []],
      .doesNotStart(isRecoverable: false, "unmask")),
    Session(
      "bad-setting", ["ExecStart=bin/true"], .doesNotStart(isRecoverable: false, "systemd-analyze verify")),
    Session(
      "condition", ["ExecStart=/bin/true"], unit: ["ConditionPathExists=/no/such/path"],
      .doesNotStart(isRecoverable: true, "did nothing")),
    Session(
      "conditions", ["ExecStart=/bin/true"],
      unit: ["ConditionPathExists=|/no/such/path", "ConditionPathExists=|/nor/this"],
      .doesNotStart(isRecoverable: true, "did nothing")),
    Session(
      "exec-condition", ["ExecCondition=/bin/false", "ExecStart=/bin/true"],
      .doesNotStart(isRecoverable: true, "did nothing")),
    Session(
      "assertion", ["ExecStart=/bin/true"], unit: ["AssertPathExists=/no/such/path"],
      .doesNotStart(isRecoverable: true, "Assertion failed")),
    Session(
      "requirement", unit: "s-requirement.service",
      [
        "s-requirement.service": [
          "[Unit]", "Requires=s-required.service", "After=s-required.service", "[Service]",
          "ExecStart=/bin/true",
        ],
        "s-required.service": ["[Service]", "Type=oneshot", "ExecStart=/bin/false"],
      ], .doesNotStart(isRecoverable: true, "s-required.service")),
    Session(
      "start-limit", ["Type=oneshot", "ExecStart=/bin/false"],
      unit: ["StartLimitBurst=1", "StartLimitIntervalSec=1h"],
      before: [["systemctl", "start", "s-start-limit.service"]],
      .doesNotStart(isRecoverable: true, "too often")),
    Session(
      "start-timeout", ["Type=notify", "TimeoutStartSec=1", "ExecStart=/bin/sleep infinity"],
      .doesNotStart(isRecoverable: true, "timeout")),
  ]

  // MARK: How units are stopped

  private static let traps =
    "ExecStart=/bin/sh -c 'trap \"echo got TERM; exit 0\" TERM; trap \"echo got USR2; exit 4\" USR2; "
    + "echo ready; while :; do sleep 0.05; done'"

  private static let stops = [
    Session(
      "stop", ["KillMode=mixed", traps], steps: [.line("ready"), .stop()],
      .ends(0, output: "ready\ngot TERM\n", events: ["Started", "Stopping"])),
    Session(
      "stop-signal", ["KillMode=mixed", traps], steps: [.line("ready"), .stop(signal: "SIGUSR2")],
      .ends(4, output: "ready\ngot USR2\n")),
    Session(
      "kill",
      ["TimeoutStopSec=300", "ExecStart=/bin/sh -c 'trap \"\" TERM; echo ready; exec sleep infinity'"],
      steps: [.line("ready"), .stop(timeout: .milliseconds(300))],
      .ends(137, signal: 9, output: "ready\n", events: ["Stopping", "killing"])),
    Session(
      "remains", ["Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true"],
      steps: [.subState("exited"), .stop()], .ends(0)),
  ]

  // MARK: Types of units

  private static let sleep = ["[Service]", "ExecStart=/bin/sleep infinity"]

  private static let types = [
    Session(
      "template", unit: "s-template@one.service",
      ["s-template@.service": ["[Service]", "ExecStart=/bin/echo this is %i"]],
      .ends(0, output: "this is one\n")),
    Session(
      "alias", unit: "s-alias.service",
      ["s-named.service": ["[Service]", "ExecStart=/bin/echo hello", "[Install]", "Alias=s-alias.service"]],
      .ends(0, output: "hello\n", events: ["s-named.service"])),
    Session(
      "timer", unit: "s-timer.timer",
      ["s-timer.timer": ["[Timer]", "OnActiveSec=1h"], "s-timer.service": sleep],
      steps: [.subState("waiting"), .stop()], .ends(0)),
    Session(
      "socket", unit: "s-socket.socket",
      ["s-socket.socket": ["[Socket]", "ListenStream=/run/s-socket"], "s-socket.service": sleep],
      steps: [.subState("listening"), .stop()], .ends(0)),
    Session(
      "triggered", unit: "s-triggered.service",
      ["s-triggered.timer": ["[Timer]", "OnActiveSec=1h"], "s-triggered.service": sleep],
      before: [["systemctl", "start", "s-triggered.timer"]], steps: [.subState("running"), .stop()],
      .ends(0, events: ["Stopping", "s-triggered.timer"])),
  ]

  // MARK: Logs

  private static let logs = [
    Session(
      "bytes", [#"ExecStart=/usr/bin/printf '\\377\\376 odd\\nTab\\there "quoted"\\nlast without newline'"#],
      .endsWithBytes([0xff, 0xfe] + Array(" odd\nTab\there \"quoted\"\nlast without newline\n".utf8))),
    Session(
      "rotation", ["ExecStart=/bin/sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.2; done'"],
      steps: [.line("line 2"), .aside(["journalctl", "--rotate"])],
      .ends(0, output: (1...10).map { "line \($0)\n" }.joined())),
  ]

  // MARK: What others do with a unit

  /// Gives a replay on a busy machine time to look at the unit before something happens to it.
  private static let pause = Step.aside(["sleep", "1"])

  private static let meddling = [
    Session(
      "adopted", ["ExecStart=/bin/sleep infinity"], before: [["systemctl", "start", "s-adopted.service"]],
      steps: [.event("already active"), .stop()], .ends(0, events: ["already active", "Stopping"])),
    Session(
      "restarted", ["ExecStart=/bin/sh -c 'echo here; exec sleep infinity'"],
      before: [["systemctl", "start", "s-restarted.service"]], options: ["on_active": "restart"],
      steps: [.line("here"), .stop()], .ends(0, output: "here\n", events: ["Restarted", "Stopping"])),
    Session(
      "replaced", ["ExecStart=/bin/sh -c 'echo here; exec sleep infinity'"],
      steps: [
        .line("here"), pause, .aside(["systemctl", "restart", "s-replaced.service"]), .event("somebody else"),
        .stop(),
      ], .ends(0, output: "here\nhere\n", events: ["Started", "somebody else", "Stopping"])),
    Session(
      "stopped-by-others", ["ExecStart=/bin/sh -c 'echo here; exec sleep infinity'"],
      steps: [.line("here"), pause, .aside(["systemctl", "stop", "s-stopped-by-others.service"])],
      .ends(0, output: "here\n")),
  ]
}
