import Testing

@testable import ExecHelper

@Suite struct ExecContextTests {
  private func thereAndBack(_ context: ExecContext) -> ExecContext? {
    var words = ArraySlice(["x", "y"] + context.arguments + ["ls", ""]).dropFirst(2)
    let result = ExecContext(arguments: &words)
    #expect(Array(words) == ["ls", ""])
    return result
  }

  @Test func asArguments() {
    var host = ExecContext.HostContext()
    #expect(self.thereAndBack(.host(host)) == .host(host))
    host.controlGroup = "/system.slice/a b.service"
    host.directory = "~"
    host.isDirectoryOptional = true
    host.user = "web"
    host.group = "www"
    host.supplementaryGroups = ["adm", "7"]
    host.userID = 61184
    host.groupID = 61185
    #expect(self.thereAndBack(.host(host)) == .host(host))
    for userID in [nil, 1000] as [UInt32?] {
      let process = ExecContext.process(42, controlGroup: "/system.slice/a.service", userID: userID)
      #expect(self.thereAndBack(process) == process)
    }
  }

  @Test(arguments: [[], ["process"], ["process", "x", "/a"], ["host", "", "/"], ["ls"]])
  func notAsArguments(words: [String]) {
    var words = words[...]
    #expect(ExecContext(arguments: &words) == nil)
  }

  @Test func fromProperties() {
    var host = ExecContext.HostContext(properties: [
      "WorkingDirectory": "!/srv", "User": "web", "Group": "", "SupplementaryGroups": "a b",
      "UID": "[not set]",
      "GID": "7", "ControlGroup": "/g",
    ])
    #expect(host.directory == "/srv" && host.isDirectoryOptional)
    #expect(host.user == "web" && host.group == nil && host.supplementaryGroups == ["a", "b"])
    #expect(host.userID == nil && host.groupID == 7 && host.controlGroup == "/g")
    host = ExecContext.HostContext(properties: [:])
    #expect(host == ExecContext.HostContext())
    #expect(host.directory == "/" && !host.isDirectoryOptional)
  }
}
