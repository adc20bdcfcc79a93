import AsyncPrimitives
import Testing

@testable import SystemdDriver

@Suite struct RequestCoalescerTests {
  @Test func oneCommandForAllWhoAskTogether() async throws {
    let batches = RequestCoalescer<Int, Int> { numbers in
      Dictionary(uniqueKeysWithValues: numbers.filter { $0 != 3 }.map { ($0, 2 * $0) })
    }
    // All ask before the first is answered.
    let answers = try await withThrowingTaskGroup(of: Int?.self) { group in
      for number in [1, 2, 2, 3] { group.addTask { try await batches.value(for: number) } }
      group.addTask {
        await batches.run()
        return nil
      }
      defer { group.cancelAll() }
      var answers: [Int?] = []
      while answers.count < 4, let answer = try await group.next() { answers.append(answer) }
      return answers
    }
    #expect(answers.compactMap(\.self).sorted() == [2, 4, 4])
  }

  /// There is room for another batch, or one that takes too long does not count any more.
  @Test(arguments: [(2, nil), (1, .milliseconds(1))] as [(Int, Duration?)])
  func aBatchThatHangsHoldsUpNoOther(width: Int, patience: Duration?) async throws {
    let (isHanging, end) = (Promise<Void>(), Promise<Void>())
    let batches = RequestCoalescer<Int, Int>(width: width, patience: patience) { numbers in
      if numbers.contains(0) {
        isHanging.fulfil(())
        try await end.value
      }
      return Dictionary(uniqueKeysWithValues: numbers.map { ($0, $0) })
    }
    let running = Task { await batches.run() }
    async let hanging = batches.value(for: 0)
    try await isHanging.value
    for number in 1...3 {
      let answer = try await batches.value(for: number)
      #expect(answer == number)
    }
    end.fulfil(())
    let last = try await hanging
    #expect(last == 0)
    running.cancel()
    await running.value
  }
}
