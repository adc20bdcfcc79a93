import Testing

@testable import Systemd

@Suite struct UnitListingTests {
  @Test func readsColumns() throws {
    let output = """
      bad.service        loaded     failed   failed       bad.service
      postgresql.service masked     inactive dead         postgresql.service
      we-\\x2dird.service loaded     active   running      A unit with a name
      web@1.service      not-found  inactive dead         web@1.service
        new.service      strange    odd      auto-restart

      two words
      *.service          loaded     active   running      not a name
      plain              loaded     active   running      not a full name
      """
    let units = UnitListing.parse(Array(output.utf8))
    #expect(
      units == [
        try UnitName("bad"): UnitListing(loadState: .loaded, activeState: .failed, subState: "failed"),
        try UnitName("postgresql"): UnitListing(loadState: .masked, activeState: .inactive, subState: "dead"),
        try UnitName("we-\\x2dird"): UnitListing(
          loadState: .loaded, activeState: .active, subState: "running"),
        try UnitName("web@1"): UnitListing(loadState: .notFound, activeState: .inactive, subState: "dead"),
        try UnitName("new"):
          UnitListing(loadState: .unknown("strange"), activeState: .unknown("odd"), subState: "auto-restart"),
      ])
    #expect(UnitListing.parse([0xff, 0x20, 0x0a, 0x00]) == [:])
  }
}
