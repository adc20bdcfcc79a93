import NomadPlugin
import Testing

@testable import SystemdDriver

@Suite struct TaskEventHubTests {
  private func first(_ count: Int, of hub: TaskEventHub) async -> [String] {
    var messages: [String] = []
    for await event in hub.events().prefix(count) { messages.append(event.message) }
    return messages
  }

  @Test func lateListenersHearWhatHappenedToTheTasksThereAre() async {
    let hub = TaskEventHub()
    hub.report(.started(unit: "a.service"), of: TaskConfig(id: "a"))
    hub.report(.started(unit: "b.service"), of: TaskConfig(id: "b"))
    hub.forget("a")
    #expect(await self.first(1, of: hub) == ["Started b.service"])
  }

  @Test(.timeLimit(.minutes(1))) func theEventsEndAfterTheLastOne() async {
    let hub = TaskEventHub()
    let waiting = hub.events()
    hub.report(.started(unit: "a.service"), of: TaskConfig(id: "a"))
    hub.end()
    var messages: [String] = []
    for await event in waiting { messages.append(event.message) }
    for await event in hub.events() { messages.append(event.message) }
    #expect(messages == ["Started a.service", "Started a.service"])
  }

  @Test func whatIsKeptIsBounded() async {
    let hub = TaskEventHub()
    for index in 0..<1000 {
      hub.report(.restarted(unit: "a.service", count: UInt32(index), reason: nil), of: TaskConfig(id: "a"))
    }
    let kept = await self.first(TaskEventHub.keptEvents, of: hub)
    #expect(kept.last == "systemd restarted a.service (restart 999)")
    // Nobody reads: the oldest are lost, and nobody waits.
    let slow = hub.events()
    for index in 0..<(2 * TaskEventHub.bufferSize) {
      hub.report(.restarted(unit: "a.service", count: UInt32(index), reason: nil), of: TaskConfig(id: "a"))
    }
    var iterator = slow.makeAsyncIterator()
    let oldest = await iterator.next()?.message
    let lost = TaskEventHub.bufferSize - TaskEventHub.keptEvents
    #expect(oldest == "systemd restarted a.service (restart \(lost))")
  }

  @Test(.timeLimit(.minutes(1))) func lateListenersHearOfAllTasks() async {
    let hub = TaskEventHub()
    let count = TaskEventHub.bufferSize + 100
    for index in 0..<count { hub.report(.started(unit: "\(index).service"), of: TaskConfig(id: "\(index)")) }
    #expect(await Set(self.first(count, of: hub)).count == count)
  }
}
