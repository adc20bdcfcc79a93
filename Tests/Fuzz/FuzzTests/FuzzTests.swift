import FuzzTargets
import Testing

/// A short run over generated inputs; `make fuzz` is the long one.
@Suite struct FuzzTests {
  @Test(arguments: FuzzTarget.all)
  func seedsHold(target: FuzzTarget) throws {
    for seed in target.seeds { try self.check(seed, target, "a seed") }
  }

  @Test(arguments: FuzzTarget.all)
  func generatedInputsHold(target: FuzzTarget) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var mutator = Mutator(seed: seed, inputs: target.seeds, words: target.words)
    for number in 0..<500 {
      let input: [UInt8] = mutator.next()
      try self.check(input, target, "input \(number) of seed \(seed)")
    }
  }

  private func check(_ input: [UInt8], _ target: FuzzTarget, _ which: String) throws {
    do {
      try target.check(input)
    } catch let failure as FuzzFailure {
      let shown = String(decoding: input, as: UTF8.self).debugDescription
      Issue.record("\(target), \(which): \(failure)\n\(shown)")
    }
  }
}
