import AsyncPrimitives
import Testing

@Suite struct DeadlineTests {
  @Test func theValueComesFirst() async throws {
    #expect(try await withDeadline(after: .seconds(60)) { 7 } == 7)
  }

  @Test func theDeadlineCancelsTheBody() async throws {
    let wasCancelled = Promise<Bool>()
    let value = try await withDeadline(after: .milliseconds(10)) {
      try? await Promise<Void>().value
      wasCancelled.fulfil(Task.isCancelled)
      return 7
    }
    #expect(value == nil)
    #expect(try await wasCancelled.value)
  }

  @Test func anErrorIsThrownOn() async {
    struct Failure: Error {}
    await #expect(throws: Failure.self) { try await withDeadline(after: .seconds(60)) { throw Failure() } }
  }

  @Test func cancellationIsThrown() async throws {
    let task = Task { try await withDeadline(after: .seconds(60)) { try await Promise<Void>().value } }
    task.cancel()
    await #expect(throws: CancellationError.self) { _ = try await task.value }
  }
}
