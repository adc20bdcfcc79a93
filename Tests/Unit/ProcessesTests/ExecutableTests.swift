import Foundation
import TestHelpers
import Testing

@testable import Processes

@Suite struct ExecutableTests {
  @Test func findsTheFirstProgramOnThePath() async throws {
    try await withTemporaryDirectory { directory in
      #expect(Executable.find("sh", path: "") == "/usr/bin/sh")
      #expect(Executable.find("no-such-program", path: directory) == "/usr/bin/no-such-program")
      #expect(Executable.find("./sh", path: directory) == "./sh")
      try Data("#!/bin/sh\n".utf8).write(to: URL(fileURLWithPath: "\(directory)/sh"))
      #expect(Executable.find("sh", path: "\(directory):relative:") == "/usr/bin/sh")
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(directory)/sh")
      #expect(Executable.find("sh", path: "relative:\(directory):/bin") == "\(directory)/sh")
    }
  }

  @Test(arguments: [
    ("#!/no/such/interpreter\n", 0o755, "its interpreter /no/such/interpreter: No such file or directory"),
    ("#! \n", 0o755, "a script that names no interpreter"),
    ("#!", 0o755, "a script that names no interpreter"),
    ("echo hello\n", 0o755, "neither an ELF file nor a script that names its interpreter"),
    ("", 0o755, "neither an ELF file nor a script that names its interpreter"),
    ("#!/bin/sh\n", 0o644, "not executable (Permission denied)"),
  ])
  func refusesWhatCannotBeExecuted(content: String, mode: Int, reason: String) async throws {
    try await withTemporaryDirectory { directory in
      let path = "\(directory)/program"
      try Data(content.utf8).write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
      let command = Command(executable: path)
      await #expect(throws: CommandError.notExecutable(command, reason: reason)) {
        try await ProcessCommandRunner(logger: quietLogger).run(command)
      }
    }
  }

  @Test(arguments: [
    ("/no/such/program", "No such file or directory"), ("/etc", "not a regular file"),
    ("sh", "not an absolute path"), ("", "not an absolute path"),
  ])
  func refusesAPathThatIsNotAProgram(path: String, reason: String) async {
    let command = Command(executable: path)
    await #expect(throws: CommandError.notExecutable(command, reason: reason)) {
      try await ProcessCommandRunner(logger: quietLogger).run(command)
    }
  }

  @Test func refusesANulCharacter() async {
    let command = Command(executable: "/bin/echo", arguments: ["a\0b"])
    await #expect(throws: CommandError.spawnFailed(command, reason: "an argument contains a NUL character")) {
      try await ProcessCommandRunner(logger: quietLogger).run(command)
    }
  }
}
