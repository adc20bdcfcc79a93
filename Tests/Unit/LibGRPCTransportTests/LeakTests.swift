import Foundation
import GRPCCore
import TestHelpers
import Testing

@testable import LibGRPCTransport

/// What this process holds.
struct Holdings {
  /// Resident memory, in KiB.
  let memory: Int
  let descriptors: Int
  let threads: Int

  init() throws {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    func field(_ name: String) -> Int {
      let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") } ?? ""
      return Int(line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first ?? "") ?? -1
    }
    self.memory = field("VmRSS")
    self.threads = field("Threads")
    self.descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
  }
}

/// Makes calls of every shape, cancelled ones among them.
private func makeCalls(_ count: Int, _ client: Client) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    for caller in 0..<8 {
      group.addTask {
        for index in stride(from: caller, to: count, by: 8) {
          _ = try await client.call("Unary", [1, 2, 3], metadata: ["echo-a": "b"])
          _ = try await client.stream("ServerStream") {
            try await $0.write(Array("3 10".utf8))
          } _: {
            for try await _ in $0.messages {}
          }
          _ = try await client.stream("ClientStream") {
            for _ in 0..<3 { try await $0.write([1]) }
          } _: {
            for try await _ in $0.messages {}
          }
          _ = try await client.stream("BidiStream") {
            for _ in 0..<3 { try await $0.write([1]) }
          } _: {
            for try await _ in $0.messages {}
          }
          _ = try? await client.call("Fail", Array("9 no".utf8))
          let hanging = Task { try await client.call("Hang") }
          if index % 2 == 0 { await Task.yield() }
          hanging.cancel()
          _ = try? await hanging.value
          // The consumer leaves in the middle of the stream.
          _ = try await client.stream("ServerStream") {
            try await $0.write(Array("100 1000".utf8))
          } _: {
            for try await _ in $0.messages { break }
          }
        }
      }
    }
    try await group.waitForAll()
  }
}

@Suite struct LeakTests {
  /// In a process of its own, since others would change the figures.
  @Test func nothingGrowsWithTheNumberOfCalls() async throws {
    await #expect(processExitsWith: .success) {
      try await withEcho { client, _, _ in
        try await makeCalls(1000, client)
        let first = try Holdings()
        try await makeCalls(9000, client)
        try await eventually {
          let now = try Holdings()
          return now.descriptors <= first.descriptors && now.threads <= first.threads + 2
        }
        let now = try Holdings()
        print("memory after 1,000: \(first.memory) KiB, after 10,000: \(now.memory) KiB")
        // 63,000 calls came in between: 100 bytes kept of each would be 6 MiB.
        #expect(now.memory < first.memory + 6144)
      }
    }
  }
}
