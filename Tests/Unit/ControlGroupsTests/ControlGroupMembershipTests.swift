import Testing

@testable import ControlGroups

@Suite struct ControlGroupMembershipTests {
  @Test func isInsideAUnitsGroup() {
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
}
