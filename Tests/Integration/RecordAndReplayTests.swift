import NomadPlugin
import Foundation
import MessagePack
import NomadTestSupport
import Processes
import TestHelpers
import Testing
import Transcripts

/// What the real program records of a real systemd, and that it does the same again without one.
@Suite(.limitedParallelism) struct RecordAndReplayTests {
  /// What a run of the program showed.
  private struct Run {
    let status: Termination
    let output: String
    let error: String

    /// The lines of what came on standard error, where the unit's come beside the program's.
    var errorLines: [Substring] { self.error.split(separator: "\n").sorted() }
  }

  private func bash(_ script: String, _ arguments: String...) async throws -> Run {
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(
        executable: "/bin/bash", arguments: ["-c", script, "bash", program] + arguments,
        timeLimit: .seconds(120)))
    return Run(
      status: output.result.termination, output: String(decoding: output.standardOutput, as: UTF8.self),
      error: String(decoding: output.result.standardError, as: UTF8.self))
  }

  /// Runs the program where neither systemctl nor journalctl works.
  private func withoutSystemd(_ script: String, _ arguments: String...) async throws -> Run {
    let output = try await ProcessCommandRunner(logger: quietLogger).run(
      Command(
        executable: "/usr/bin/unshare",
        arguments: [
          "--mount", "/bin/bash", "-c",
          "for each in systemctl journalctl; do mount --bind /bin/false /usr/bin/$each || exit 99; done; exec bash -c \"$@\"",
          "bash", script, "bash", program,
        ] + arguments, timeLimit: .seconds(120)))
    return Run(
      status: output.result.termination, output: String(decoding: output.standardOutput, as: UTF8.self),
      error: String(decoding: output.result.standardError, as: UTF8.self))
  }

  private func withDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    let directory = "\(NSTemporaryDirectory())/transcripts-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try await body(directory)
  }

  private static let plain = #"exec "$@""#

  @Test(
    .needsSystemd,
    arguments: [
      "t-lines", "t-exit7", "t-killed", "t-bytes", "t-many", "t-oneshot", "t-failingoneshot", "t-noexec",
      "t-masked", "t-bad", "no-such-unit",
    ])
  func theSameAgainWithoutSystemd(template: String) async throws {
    let unit = template == "no-such-unit" ? "\(template).service" : try await Units.make(template)
    try await self.withDirectory { directory in
      let file = "\(directory)/t.jsonl"
      let recorded = try await self.bash(Self.plain, "run", "--record", file, unit)
      for speed in ["0", "1", "20"] {
        let replayed = try await self.withoutSystemd(
          Self.plain, "run", "--replay", file, "--replay-speed", speed, unit)
        #expect(replayed.status == recorded.status && replayed.output == recorded.output, "speed \(speed)")
        #expect(replayed.errorLines == recorded.errorLines, "speed \(speed)")
      }
      let transcript = try Transcript(contentsOf: file)
      #expect(transcript.exchanges.contains { $0.command.arguments == ["--version"] })
      #expect(transcript.exchanges.allSatisfy { $0.outcome != nil })
    }
  }

  /// Ctrl-C when the unit says that it is ready, and again when the first one shows its effect.
  private static let interrupting = """
    set -m; program=$1; interrupts=$2; directory=$3; shift 3
    rm -f $directory/out $directory/err
    "$program" "$@" > $directory/out 2> $directory/err & pid=$!
    until grep -qs ready $directory/out; do sleep 0.02; done
    kill -INT $pid
    if [ $interrupts = 2 ]; then
      until grep -qs Stopping $directory/err; do sleep 0.02; done
      kill -INT $pid
    fi
    wait $pid; status=$?; cat $directory/out; cat $directory/err >&2; exit $status
    """

  @Test(
    .needsSystemd,
    arguments: [("t-term", 1, 0), ("t-stubborn", 2, 137)] as [(String, Int, Int32)])
  func theSameStopAgain(template: String, interrupts: Int, status: Int32) async throws {
    let unit = try await Units.make(template)
    try await self.withDirectory { directory in
      let file = "\(directory)/t.jsonl"
      let recorded = try await self.bash(
        Self.interrupting, "\(interrupts)", directory, "run", "--kill-timeout", "300", "--record", file, unit)
      #expect(recorded.status == .exited(status))
      for speed in ["0", "1"] {
        let replayed = try await self.withoutSystemd(
          Self.interrupting, "\(interrupts)", directory, "run", "--kill-timeout", "300", "--replay", file,
          "--replay-speed", speed, unit)
        #expect(replayed.status == recorded.status && replayed.output == recorded.output)
        #expect(
          replayed.errorLines.filter { !$0.contains("The replay waits for") } == recorded.errorLines)
      }
    }
  }

  /// The stop that was recorded has to come again.
  @Test func aReplayThatWaitsSaysSo() async throws {
    try await self.withDirectory { directory in
      let script = """
        set -m; program=$1; directory=$2; shift 2
        "$program" "$@" > $directory/out 2> $directory/err & pid=$!
        until grep -qs "The replay waits for" $directory/err; do
          kill -0 $pid || break
          sleep 0.02
        done
        kill -INT $pid
        wait $pid; status=$?; cat $directory/err >&2; exit $status
        """
      let recording = "\(packageDirectory)/testdata/transcripts/252/stop.jsonl"
      let replayed = try await self.withoutSystemd(
        script, directory, "run", "--kill-timeout", "300", "--replay", recording, "s-stop.service")
      #expect(replayed.status == .exited(0), "\(replayed.error)")
      #expect(replayed.error.contains("systemctl"), "\(replayed.error)")
    }
  }

  @Test(.needsSystemd) func anotherUnitIsNotReplayed() async throws {
    let unit = try await Units.make("t-oneshot")
    try await self.withDirectory { directory in
      let file = "\(directory)/t.jsonl"
      _ = try await self.bash(Self.plain, "run", "--record", file, unit)
      let replayed = try await self.withoutSystemd(Self.plain, "run", "--replay", file, "other")
      #expect(replayed.status == .exited(1))
      #expect(replayed.error.contains("the nearest is: /usr/bin/systemctl"))
      #expect(replayed.error.contains("has \(unit) where this has other.service"))
      let second = try await self.bash(Self.plain, "run", "--record", file, unit)
      #expect(second.status == .exited(1) && second.error.contains("File exists"))
    }
  }

  /// Several tasks of one plugin, which asks for them in groups, recorded to a directory.
  @Test(.needsSystemd, arguments: [0, 1]) func aPluginWithSeveralTasks(speed: Int128) async throws {
    let templates = ["t-lines", "t-exit7", "t-restart", "t-term"]
    var units: [String] = []
    for template in templates { units.append(try await Units.make(template)) }
    let tasks = units
    @Sendable func run(_ nomad: Nomad) async throws -> [String] {
      try await withThrowingTaskGroup(of: (Int, String).self) { group in
        for (index, unit) in tasks.enumerated() {
          group.addTask {
            try await nomad.withTask(unit) { task in
              if templates[index] == "t-restart" {
                try await eventually("the restarts") {
                  try await task.inspect().driverAttributes["restarts"] == "2"
                }
              }
              if templates[index] == "t-term" {
                try await eventually("the first line") { task.allocation.lines == ["ready"] }
              }
              if index > 1 { try await task.calls.stopTask(task.id, timeout: .seconds(60)) }
              let result = try await task.wait()
              return (
                index, "\(result.exitCode) \(result.message ?? "") \(try await task.allocation.allLines())"
              )
            }
          }
        }
        return try await group.reduce(into: [Int: String]()) { $0[$1.0] = $1.1 }
          .sorted { $0.key < $1.key }.map(\.value)
      }
    }
    try await self.withDirectory { directory in
      let records = "\(directory)/records"
      // systemd counts a restart again that it has scheduled before a daemon-reload.
      let recorded = try await Units.withoutReload {
        try await Nomad.run(["record_dir": .string(records)]) { try await run($0) }
      }
      let files = try FileManager.default.contentsOfDirectory(atPath: records)
      #expect(files.count == 1)
      let file = "\(records)/\(files.first ?? "")"
      let replayed = try await Nomad.run(
        ["replay": .string(file), "replay_speed": .integer(speed), "poll_interval": "100ms"]
      ) { try await run($0) }
      #expect(replayed == recorded)
      #expect(recorded[0].contains("line 3") && recorded[1].hasPrefix("7 "))
    }
  }

  /// A recording of a plugin that was killed can be read to its last whole line.
  @Test(.needsSystemd) func aKilledPluginLeavesItsRecording() async throws {
    let unit = try await Units.make("t-counter")
    try await self.withDirectory { directory in
      _ = try? await Nomad.run(["record_dir": .string(directory)]) { nomad in
        try await nomad.withTask(unit) { task in
          try await eventually("some lines") { task.allocation.lines.count > 20 }
          kill(nomad.pluginProcess, SIGKILL)
        }
      }
      try await Units.systemctl("stop", "--", unit)
      let files = try FileManager.default.contentsOfDirectory(atPath: directory)
      let transcript = try Transcript(contentsOf: "\(directory)/\(files.first ?? "")")
      let follower = transcript.exchanges.first { $0.command.arguments.contains("--follow") }
      #expect(follower?.outcome == nil)
      #expect((follower?.standardOutput.count { $0 == UInt8(ascii: "\n") } ?? 0) > 20)
    }
  }

  @Test(.needsSystemd) func aFullDiskEndsTheRecordingOnly() async throws {
    let unit = try await Units.make("t-many")
    try await self.withDirectory { directory in
      let run = try await self.bash(
        """
        program=$1; shift
        exec unshare --mount bash -c 'mount -t tmpfs -o size=32k tmpfs $0 || exit 99
        "$@"; status=$?; "$1" transcript show $0/t.jsonl >/dev/null || exit 98; exit $status' \
          "$1" $program run --record "$1/t.jsonl" $2
        """, directory, unit)
      #expect(run.status == .exited(0))
      #expect(run.output.split(separator: "\n").count == 1000)
      let stops = run.error.split(separator: "\n").filter {
        $0.contains("The recording of commands has stopped")
      }
      #expect(stops.count == 1 && stops.first?.contains("No space left on device") == true, "\(run.error)")
    }
  }

  // MARK: Through a prefix

  /// All commands go through the prefix, whatever they are for.
  @Test(.needsSystemd) func aPrefixThatLogs() async throws {
    try await self.withDirectory { directory in
      let log = "\(directory)/log"
      let prefix = "\(directory)/prefix"
      try Data("#!/bin/sh\necho \"$*\" >> \(log)\nexec \"$@\"\n".utf8).write(to: URL(fileURLWithPath: prefix))
      chmod(prefix, 0o755)
      let options: MessagePackValue = [
        "command_prefix": [.string(prefix), "env"], "record_dir": .string("\(directory)/records"),
      ]
      let exit7 = try await Units.make("t-exit7")
      let term = try await Units.make("t-term")
      try await Nomad.run(options) { nomad async throws -> Void in
        let fingerprint = try await nomad.firstFingerprint()
        #expect(fingerprint.health == .healthy)
        try await nomad.withTask(exit7) { task async throws -> Void in
          #expect(try await task.wait().exitCode == 7)
          #expect(try await task.allocation.allLines() == ["bad"])
        }
        try await nomad.withTask(term) { task async throws -> Void in
          try await eventually("the first line") { task.allocation.lines == ["ready"] }
          try await task.calls.stopTask(task.id, timeout: .seconds(60), signal: "SIGUSR2")
          #expect(try await task.wait().exitCode == 4)
          #expect(try await task.allocation.allLines() == ["ready", "got USR2"])
        }
      }
      let lines = Set(
        try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map { line in
          line.split(separator: " ").prefix { $0 != "--" }.filter {
            $0 != "--no-pager" && $0 != "--no-ask-password"
          }
          .prefix(4).joined(separator: " ")
        })
      for expected in [
        "env systemctl --version", "env systemctl is-system-running", "env systemctl start",
        "env systemctl stop",
        "env systemctl kill --fail", "env systemctl reset-failed",
        "env systemctl show --timestamp=us+utc", "env journalctl --follow --no-tail", "env journalctl --sync",
        "env journalctl --boot --quiet", "env journalctl --quiet --lines=1",
      ] {
        #expect(lines.contains { $0.hasPrefix(expected) }, "\(expected) in \(lines.sorted())")
      }
      // Nothing was run besides, and it replays without the prefix.
      let files = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/records")
      let transcript = try Transcript(contentsOf: "\(directory)/records/\(files.first ?? "")")
      #expect(transcript.header.commandPrefix == [prefix, "env"])
      #expect(transcript.exchanges.allSatisfy { $0.command.executable == prefix })
      try FileManager.default.removeItem(atPath: prefix)
      let replayed = try await self.withoutSystemd(
        Self.plain, "run", "--replay", "\(directory)/records/\(files.first ?? "")", "--replay-speed", "0",
        exit7)
      #expect(replayed.status == .exited(7) && replayed.output == "bad\n")
    }
  }

  /// A systemd in namespaces of its own, reached as a container's would be.
  @Test(.needsSystemd) func aPrivateHostThroughNsenter() async throws {
    let script = """
      program=$1; name=inner-$$; directory=$2; host=testdata/systemd-host; cd "$3" || exit 95
      pid=$($host start $name | sed -n 's/.*; pid //p') || exit 97
      trap '$host stop $name' EXIT
      for unit in hello exit-code; do
        $host exec $name sh -c 'cat > /run/systemd/system/inner-$0.service' $unit < testdata/units/$unit.service || exit 96
      done
      $host exec $name systemctl daemon-reload
      for unit in hello exit-code; do
        "$program" run --command-prefix nsenter --command-prefix -t --command-prefix $pid --command-prefix -a \
          --record $directory/$unit.jsonl inner-$unit.service
        echo "$unit $?"
      done
      ! systemctl is-active --quiet inner-hello.service && systemctl cat inner-hello.service 2>&1 | grep -c ExecStart
      """
    try await self.withDirectory { directory in
      let run = try await self.bash(script, directory, packageDirectory)
      #expect(run.error.contains("==> inner-exit-code.service ended with exit code 7"), "\(run.error)")
      let lines = run.output.split(separator: "\n")
      #expect(lines.contains("hello 1 of 4") && lines.contains("goodbye") && lines.contains("hello 0"))
      #expect(lines.contains("exit-code 7"))
      // This systemd knows nothing of them.
      #expect(lines.last == "0")
      let replayed = try await self.withoutSystemd(
        Self.plain, "run", "--replay", "\(directory)/hello.jsonl", "inner-hello.service")
      #expect(replayed.status == .exited(0) && replayed.output.hasSuffix("goodbye\n"))
    }
  }
}
