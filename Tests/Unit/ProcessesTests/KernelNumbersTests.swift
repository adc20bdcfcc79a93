import Testing

@testable import Processes

@Suite struct KernelNumbersTests {
  @Test func readsNumbers() {
    let numbers = KernelNumbers(Array("anon 5\nanon_thp 7\nfile 18446744073709551615\nbad x\nmax\n12\n".utf8))
    #expect(numbers["anon"] == 5)
    #expect(numbers["anon_thp"] == 7)
    #expect(numbers["file"] == .max)
    for name in ["bad", "max", "an", "file_", ""] { #expect(numbers[name] == nil) }
    #expect(numbers.all == [12])
    #expect(KernelNumbers(Array("42\n".utf8)).first == 42)
    for text in ["", "max\n", "-1\n", "18446744073709551616\n", "99999999999999999999\n"] {
      #expect(KernelNumbers(Array(text.utf8)).first == nil)
    }
  }
}
