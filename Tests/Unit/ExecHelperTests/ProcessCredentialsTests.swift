import Testing

@testable import ExecHelper

@Suite struct ProcessCredentialsTests {
  @Test func readsTheFirstOfEachValue() throws {
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
