import ControlGroups
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

  @Test func membership() {
    let unified = ControlGroupMembership(Array("0::/system.slice/a.service/x:y\n".utf8))
    let legacy = ControlGroupMembership(
      Array("4:cpu,cpuacct:/system.slice\n1:name=systemd:/system.slice/a.service\n0::/\n".utf8))
    for membership in [unified, legacy] {
      #expect(membership.isInside("/system.slice/a.service"))
      for group in ["/system.slice/a.servic", "/system.slice/b.service", "/", "", "system.slice"] {
        #expect(!membership.isInside(group))
      }
    }
    #expect(!legacy.isInside("/system.slice/a.service/x"))
    #expect(
      !ControlGroupMembership(Array("nonsense\n4:cpu:/system.slice/a.service\n".utf8)).isInside(
        "/system.slice"))
  }

  @Test func credentials() throws {
    let status = """
      Name:\tUid:\t7\r
      Umask:\t0027
      Uid:\t1000\t0\t0\t0
      Gid:\t100\t0\t0\t0
      Groups:\t4 24\u{20}
      CapBnd:\t000001ffffffffff
      NoNewPrivs:\t1
      """
    let credentials = try #require(ProcessCredentials(status: Array(status.utf8)))
    #expect(credentials.userID == 1000 && credentials.groupID == 100 && credentials.groups == [4, 24])
    #expect(credentials.mask == 0o27 && credentials.boundingSet == 0x1ff_ffff_ffff)
    #expect(credentials.hasNoNewPrivileges)
    #expect(ProcessCredentials(status: Array("Uid:\t1\nGid:\t1\n".utf8)) == nil)
  }
}
