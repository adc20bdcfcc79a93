/// Makes inputs of others: the same ones for the same seed.
struct Mutator {
  private var state: UInt64
  private let inputs: [[UInt8]]
  private let words: [[UInt8]]

  private static let maximumLength = 4096

  init(seed: UInt64, inputs: [[UInt8]], words: [String]) {
    self.state = seed
    self.inputs = inputs
    self.words = words.map { Array($0.utf8) }
  }

  /// The next input: one of those given, changed in a few places.
  mutating func next() -> [UInt8] {
    var input = self.choice(self.inputs) ?? []
    for _ in 0...self.number(below: 6) { self.change(&input) }
    return Array(input.prefix(Self.maximumLength))
  }

  private mutating func change(_ input: inout [UInt8]) {
    let start = self.number(below: input.count + 1)
    let end = min(input.count, start + self.number(below: self.number(below: 4) == 0 ? 64 : 4))
    switch self.number(below: 6) {
    case 0: input.replaceSubrange(start..<end, with: [])
    case 1: input.replaceSubrange(start..<end, with: self.choice(self.words) ?? [])
    case 2: input.insert(UInt8(truncatingIfNeeded: self.number(below: 256)), at: start)
    case 3 where start < input.count: input[start] ^= 1 << self.number(below: 8)
    case 4: input.insert(contentsOf: input[start..<end], at: self.number(below: input.count + 1))
    default:
      let other = self.choice(self.inputs) ?? []
      let from = self.number(below: other.count + 1)
      input.insert(contentsOf: other[from..<min(other.count, from + self.number(below: 32))], at: start)
    }
  }

  private mutating func choice(_ values: [[UInt8]]) -> [UInt8]? {
    values.isEmpty ? nil : values[self.number(below: values.count)]
  }

  private mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}

extension Mutator: RandomNumberGenerator {
  /// SplitMix64.
  mutating func next() -> UInt64 {
    self.state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = self.state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
