import Testing

@testable import Systemd

@Suite struct UnitPropertiesTests {
  @Test(
    arguments: [
      ("", []), ("\n\n", []), ("no equals sign\n", []),
      ("A=1\nB=\n", [["A": "1", "B": ""]]), ("A=1", [["A": "1"]]),
      ("A=1\n\nA=2\nB=3\n", [["A": "1"], ["A": "2", "B": "3"]]),
      ("\n\nA=1\n\n\n\nA=2\n\n", [["A": "1"], ["A": "2"]]),
      ("A=1\nskipped\nB=2\n", [["A": "1", "B": "2"]]),
      // The first value counts, be it empty.
      ("A=1\nA=2\n", [["A": "1"]]), ("A=\nA=2\n", [["A": ""]]),
      ("A=b=c\n=d\n", [["A": "b=c", "": "d"]]),
      // A carriage return and a line feed are one Character.
      ("A=1\r\nB=2\r\n\r\nC=3\n", [["A": "1\r", "B": "2\r", "C": "3"]]),
      (" A = 1 \n", [[" A ": " 1 "]]),
    ] as [(String, [[String: String]])])
  func reads(output: String, units: [[String: String]]) {
    #expect(UnitProperties.parse(Array(output.utf8)) == units)
  }

  @Test func replacesWhatIsNotUTF8() {
    #expect(UnitProperties.parse([0xff, 0x3d, 0xfe]) == [["\u{fffd}": "\u{fffd}"]])
  }
}
