import Testing

@testable import Systemd

@Suite struct SystemdVersionTests {
  @Test(arguments: [
    ("systemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT\n", 252, "252.38-1~deb12u1"), ("systemd 247", 247, "247"),
    ("systemd 257~rc2 (257~rc2-3)", 257, "257~rc2-3"), ("systemd 255 ()", 255, "255"),
  ])
  func readsVersions(output: String, number: Int, full: String) throws {
    let version = try #require(SystemdVersion(output))
    #expect(version.number == number && version.full == full)
  }

  @Test(arguments: ["", "systemd", "systemd x", "upstart 1", "\nsystemd 252", "systemd 99999999999999999999"])
  func refusesOtherVersions(output: String) {
    #expect(SystemdVersion(output) == nil)
  }
}
