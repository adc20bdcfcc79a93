import AsyncPrimitives
import Foundation
import GRPCCore
import Logging
import Synchronization
import Testing

@testable import GoPlugin

@Suite struct PluginHostTests {
  func host(
    _ script: String, startLimit: Duration = .seconds(60), environment: [String: String] = [:]
  ) -> PluginHost {
    PluginHost(
      path: "/bin/sh", arguments: ["-c", script],
      environment: environment.merging(["PATH": "/usr/bin:/bin"]) { given, _ in given },
      magicCookie: TestPlugin.cookie, protocolVersions: [2], startLimit: startLimit)
  }

  func failure(of host: PluginHost) async -> PluginHostError? {
    await #expect(throws: PluginHostError.self) {
      try await host.withPlugin { _ in Issue.record("The plugin is not usable.") }
    }
  }

  @Test func pluginThatCannotBeStarted() async {
    let host = PluginHost(path: "/nonexistent/plugin", magicCookie: TestPlugin.cookie, protocolVersions: [2])
    let error = await self.failure(of: host)
    #expect(error?.code == .notStarted)
    #expect(error?.description.contains("No such file") == true)
  }

  @Test(arguments: [
    "echo hello", "echo; echo '1|2|unix|/p|grpc|'", "echo '1|3|unix|/p|grpc|'",
    "echo '1|2|tcp|1.2.3.4:5|grpc|'",
    "echo '2|2|unix|/p|grpc|'", "echo '1|2|unix|/p|netrpc|'", "echo '1|2|unix|/p|grpc|AAAA'",
    "head -c 200000 /dev/zero; exec sleep 600", "printf '\\377\\376\\n'; exec sleep 600",
  ])
  func unusableProtocolLine(script: String) async {
    let error = await self.failure(of: self.host("echo 'on stderr' >&2; \(script)"))
    #expect(error?.code == .badProtocolLine)
    #expect(error?.output.contains("stderr: on stderr") == true)
    #expect(error?.output.contains("stdout: ") == true)
  }

  @Test func pluginThatPrintsNothing() async {
    let error = await self.failure(
      of: self.host("echo 'still thinking' >&2; exec sleep 600", startLimit: .milliseconds(200)))
    #expect(error?.code == .noProtocolLine)
  }

  @Test func pluginThatDiesEarly() async {
    let error = await self.failure(
      of: self.host("for i in $(seq 100); do echo \"line $i\" >&2; done; exit 9"))
    #expect(error?.code == .endedEarly)
    #expect(error?.reason.contains("exit status 9") == true)
    #expect(error?.output.hasPrefix("  stderr: line 1\n  stderr: line 2\n") == true)
    #expect(error?.output.contains("  …\n  stderr: line 91\n") == true)
    #expect(error?.output.hasSuffix("  stderr: line 100") == true)
  }

  @Test func pluginThatDoesNotListen() async {
    let error = await self.failure(of: self.host("echo '1|2|unix|/nonexistent/socket|grpc|'; exec sleep 600"))
    #expect(error?.code == .unhealthy)
  }

  @Test func handshakeIsInTheEnvironment() async {
    let error = await self.failure(
      of: self.host(
        #"echo "$TEST_COOKIE $PLUGIN_PROTOCOL_VERSIONS ${PLUGIN_CLIENT_CERT-unset} $OWN" >&2; exit 1"#,
        environment: ["PLUGIN_CLIENT_CERT": "x", "OWN": "mine"]))
    #expect(error?.output == "  stderr: open sesame 2 unset mine")
  }

  @Test func pluginIsUsedAndAskedToEnd() async throws {
    try await TestPlugin.with { plugin in
      // The process stands for the plugin and ends when the socket of the real one is gone.
      let script =
        "echo '\(plugin.line)'; echo later; echo oops >&2; "
        + #"echo '{"@level":"warn","@message":"careful"}' >&2; "#
        + "while test -e '\(plugin.line.socketPath)'; do sleep 0.01; done; echo end"
      let printed = Mutex<[PluginOutput]>([])
      let version = try await self.host(script).withPlugin(
        onOutput: { line in printed.withLock { $0.append(line) } },
        { running in
          #expect(kill(running.processIdentifier, 0) == 0)
          try await running.client.expectServing("plugin")
          return running.protocolVersion
        })
      #expect(version == 2)
      #expect(plugin.shutdown.current == .hostRequest)
      let lines = printed.withLock { $0 }
      #expect(lines.count == 4)
      #expect(lines.contains(.standardOutput("later")))
      #expect(lines.last == .standardOutput("end"))
      #expect(lines.contains(.standardError("oops")))
      #expect(lines.contains { if case .log(let entry) = $0 { entry.message == "careful" } else { false } })
    }
  }

  @Test func pluginThatDoesNotEndIsKilled() async throws {
    try await TestPlugin.with { plugin in
      let script = "trap '' TERM INT; echo '\(plugin.line)'; while :; do sleep 0.1; done"
      let process = try await self.host(script).withPlugin { $0.processIdentifier }
      #expect(plugin.shutdown.current == .hostRequest)
      #expect(kill(process, 0) == -1 && errno == ESRCH)
    }
  }

  @Test func errorOfTheBodyEndsThePluginInOrder() async throws {
    struct OwnError: Error, Equatable {}
    for error in [OwnError() as any Error, RPCError(code: .unavailable, message: "only this call")] {
      try await TestPlugin.with { plugin in
        let script = "echo '\(plugin.line)'; while test -e '\(plugin.line.socketPath)'; do sleep 0.01; done"
        let thrown = await #expect(throws: (any Error).self) {
          try await self.host(script).withPlugin { _ in throw error }
        }
        #expect("\(String(describing: thrown))".contains("\(error)"))
        #expect(plugin.shutdown.current == .hostRequest)
      }
    }
  }

  @Test func cancellationEndsThePluginInOrder() async throws {
    try await TestPlugin.with { plugin in
      let script = "echo '\(plugin.line)'; while test -e '\(plugin.line.socketPath)'; do sleep 0.01; done"
      let isUsed = Promise<pid_t>()
      let using = Task {
        try await self.host(script).withPlugin { running in
          isUsed.fulfil(running.processIdentifier)
          try await Promise<Void>().value
        }
      }
      let process = try await isUsed.value
      using.cancel()
      await #expect(throws: CancellationError.self) { try await using.value }
      #expect(plugin.shutdown.current == .hostRequest)
      #expect(kill(process, 0) == -1 && errno == ESRCH)
    }
  }

  @Test func pluginThatDiesInUseIsExplained() async throws {
    try await TestPlugin.with { plugin in
      let script = "echo '\(plugin.line)'; echo 'last words' >&2; exec sleep 600"
      let error = await #expect(throws: PluginHostError.self) {
        try await self.host(script).withPlugin { running in
          plugin.shutdown.fulfil(.termination)
          try await plugin.serving.value
          #expect(kill(running.processIdentifier, SIGKILL) == 0)
          _ = try await running.client.health(of: "plugin")
        }
      }
      #expect(error?.code == .ended)
      #expect(error?.reason.contains("killed by signal 9") == true)
      #expect(error?.output.contains("last words") == true)
    }
  }

  @Test func nothingIsLeftBehind() async throws {
    let directory = try TemporaryDirectory(environment: [:])
    defer { directory.remove() }
    // What the plugin leaves in its directory is removed, what a link there leads to is not.
    try Data().write(to: URL(fileURLWithPath: "\(directory.path)/kept"))
    let script = "touch $TMPDIR/left; ln -s '\(directory.path)' $TMPDIR/link; echo $TMPDIR >&2; exit 1"
    let error = await self.failure(of: self.host(script, environment: ["TMPDIR": directory.path]))
    #expect(error?.output.contains(directory.path + "/") == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["kept"])
  }
}
