import Processes
import Testing

@testable import ExecHelper

@Suite struct ExecEnvironmentTests {
  private func lines(_ environment: ExecEnvironment) -> [String] {
    environment.entries.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test func whatIsThereFirstStays() {
    var environment = ExecEnvironment()
    environment.add(environ: Array("A=1\0B=\0A=2\0".utf8))
    environment.add("B", "other")
    environment.add("C", "a=b")
    #expect(self.lines(environment) == ["A=1", "B=", "C=a=b"])
    #expect(environment["C"].map { Array($0) } == Array("a=b".utf8))
    #expect(environment["D"] == nil)
  }

  /// A process may write anything where its environment was.
  @Test func whatIsNoVariableIsLeftOut() {
    var environment = ExecEnvironment()
    environment.add(environ: Array("\0\0=x\0title\0".utf8) + [0xff, UInt8(ascii: "="), 0xfe])
    #expect(environment.entries.map { Array($0) } == [[0xff, UInt8(ascii: "="), 0xfe]])
  }

  @Test func variablesForACommandMeanNothingToTheHelper() {
    let (command, environment) = ExecHelper.command(
      program: "/p", ["ls", "-l"], in: .process(7, controlGroup: "/a", userID: nil),
      variables: ["LD_PRELOAD": "/evil.so", "": "x", "A=B": "x", "C": "a\0b", "D\0": "x"])
    #expect(environment == [Array("+LD_PRELOAD=/evil.so".utf8)])
    #expect(command.arguments == [".exec", "process", "7", "/a", "", "ls", "-l"])
  }
}
