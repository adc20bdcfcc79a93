import AsyncPrimitives
import Testing

@Suite struct PromiseTests {
  @Test func everyWaiterGetsTheFirstValue() async throws {
    let promise = Promise<Int>()
    #expect(promise.current == nil)
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<20 { group.addTask { try await promise.value } }
      promise.fulfil(1)
      promise.fulfil(2)
      for try await value in group { #expect(value == 1) }
    }
    #expect(try await promise.value == 1)
    #expect(try await promise.value(within: .zero) == 1)
  }

  @Test func cancelledWaiterIsResumed() async {
    let promise = Promise<Int>()
    for _ in 0..<200 {
      let waiting = Task { try await promise.value }
      waiting.cancel()
      await #expect(throws: CancellationError.self) { try await waiting.value }
    }
  }

  @Test func waitHasALimit() async throws {
    #expect(try await Promise<Int>().value(within: .milliseconds(1)) == nil)
  }
}
