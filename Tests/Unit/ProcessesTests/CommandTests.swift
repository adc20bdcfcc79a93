import TestHelpers
import Testing

@testable import Processes

@Suite struct CommandTests {
  @Test(arguments: [
    ([], "/bin/x"),
    (["a", "-b", "--c=d/e.f", "x@1:2", "100%"], "/bin/x a -b --c=d/e.f x@1:2 100%"),
    ([""], "/bin/x ''"),
    (["a b", "$x", "`y`", "*", "a;b", "we-\\x2dird"], "/bin/x 'a b' '$x' '`y`' '*' 'a;b' 'we-\\x2dird'"),
    (["it's", "'"], "/bin/x 'it'\\''s' ''\\'''"),
    (["é"], "/bin/x 'é'"),
    (["a\nb\t\u{1b}[0m'\\"], "/bin/x $'a\\nb\\t\\033[0m\\'\\\\'"),
    (["\u{85}7"], "/bin/x $'\\302\\2057'"),
  ])
  func isShownAsAShellLine(arguments: [String], line: String) {
    #expect(Command(executable: "/bin/x", arguments: arguments).description == line)
  }

  @Test func bashReadsTheShellLineBack() async throws {
    let runner = ProcessCommandRunner(logger: quietLogger)
    var random = SeededGenerator(seed: 1)
    let alphabet = [
      "'", "\\", "\"", "$", "`", "!", "\n", "\t", "\u{1}", "\u{1b}", "\u{7f}", "\u{9b}", "a", "7", " ", "é",
      "~", "#",
    ]
    let arguments = (0..<200).map { _ in
      (0..<Int.random(in: 0...12, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "" }
        .joined()
    }
    let line = Command(executable: "/usr/bin/printf", arguments: ["%s\\0"] + arguments).description
    #expect(!line.contains { $0.isNewline || $0 == "\u{1b}" })
    let output = try await runner.run(
      Command(executable: "/bin/bash", arguments: ["-c", line], timeLimit: .seconds(60)))
    #expect(output.text == arguments.map { $0 + "\0" }.joined())
  }

  @Test func errorsNameTheCommand() {
    let command = Command(executable: "/bin/x", arguments: ["a b"], timeLimit: .seconds(2), outputLimit: 7)
    #expect(
      CommandError.notExecutable(command, reason: "No such file").description
        == "cannot execute /bin/x: No such file")
    #expect(CommandError.spawnFailed(command, reason: "why").description == "cannot start /bin/x 'a b': why")
    #expect(
      CommandError.timedOut(command, standardError: "").description
        == "/bin/x 'a b' did not end within 2.0 seconds and was killed; it said nothing")
    #expect(
      CommandError.tooMuchOutput(command).description == "/bin/x 'a b' wrote more than 7 bytes and was killed"
    )
    #expect(CommandError.tooMuchOutput(command).command == command)
  }

  @Test func displayTextIsOneBoundedPrintableLine() {
    #expect(DisplayText("  a\tb \r\n\n\u{1b}[31mred\u{202e}x\u{7f} \n".utf8).text == "ab [31mredx")
    #expect(DisplayText([0x61, 0xff, 0x62]).text == "a\u{fffd}b")
    let long = DisplayText((String(repeating: "x", count: 100_000) + "end").utf8).text
    #expect(long.count == DisplayText.limit + 1 && long.hasPrefix("…") && long.hasSuffix("end"))
  }
}
