import GRPCCore
import Synchronization

@testable import LibGRPCTransport

/// Messages as they are.
struct Bytes: MessageSerializer, MessageDeserializer {
  func serialize<B: GRPCContiguousBytes>(_ message: [UInt8]) throws -> B { B(message) }

  func deserialize<B: GRPCContiguousBytes>(_ bytes: B) throws -> [UInt8] {
    bytes.withUnsafeBytes { Array($0) }
  }
}

/// The service that `Tests/Interop/grpcpeer` knows as well.
final class EchoService: RegistrableRPCService {
  static let service = ServiceDescriptor(fullyQualifiedService: "test.Echo")

  static func method(_ name: String) -> MethodDescriptor {
    MethodDescriptor(service: service, method: name)
  }

  /// How many handlers of `Hang` have been entered and cancelled.
  struct Hanging {
    var entered = 0
    var cancelled = 0
  }

  let hanging = Mutex(Hanging())
  /// How many messages `ServerStream` has handed over to the transport.
  let sent = Mutex(0)

  typealias Request = StreamingServerRequest<[UInt8]>
  typealias Response = StreamingServerResponse<[UInt8]>

  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    func register(_ name: String, _ handler: @escaping @Sendable (Request) async throws -> Response) {
      router.registerHandler(
        forMethod: Self.method(name), deserializer: Bytes(), serializer: Bytes()
      ) { request, _ in try await handler(request) }
    }
    register("Unary") { request in
      let message = try await Self.only(request)
      let (initial, trailing) = Self.echoedMetadata(request.metadata)
      return Response(metadata: initial) { writer in
        try await writer.write(message)
        return trailing
      }
    }
    register("ServerStream") { request in
      let numbers = Self.text(try await Self.only(request)).split(separator: " ").compactMap { Int($0) }
      guard numbers.count == 2 else { throw RPCError(code: .invalidArgument, message: "want: N SIZE") }
      return Response { writer in
        for index in 0..<numbers[0] {
          var message = [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: numbers[1])
          for byte in 0..<min(8, message.count) {
            message[byte] = UInt8(truncatingIfNeeded: index >> (8 * (7 - byte)))
          }
          try await writer.write(message)
          self.sent.withLock { $0 += 1 }
        }
        return [:]
      }
    }
    register("ClientStream") { request in
      var count = 0
      var total = 0
      for try await message in request.messages {
        count += 1
        total += message.count
      }
      let answer = Array("\(count) \(total)".utf8)
      return Response { writer in
        try await writer.write(answer)
        return [:]
      }
    }
    register("BidiStream") { request in
      Response { writer in
        for try await message in request.messages { try await writer.write(message) }
        return [:]
      }
    }
    register("Fail") { request in
      let text = Self.text(try await Self.only(request))
      if text == "metadata" { return Response(metadata: ["x": "häh"]) { _ in [:] } }
      let parts = text.split(separator: " ", maxSplits: 1)
      let code = Status.Code(rawValue: Int(parts[0]) ?? 2).flatMap { RPCError.Code($0) } ?? .unknown
      throw RPCError(
        code: code, message: parts.count > 1 ? String(parts[1]) : "",
        metadata: ["detail-bin": .binary([0x00, 0xff, 0x10])])
    }
    register("FailAtOnce") { request in
      for try await _ in request.messages { break }
      throw RPCError(code: .resourceExhausted, message: "enough")
    }
    register("Hang") { _ in
      self.hanging.withLock { $0.entered += 1 }
      defer { if Task.isCancelled { self.hanging.withLock { $0.cancelled += 1 } } }
      while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
      throw CancellationError()
    }
    register("Cancelled") { _ in
      Response { writer in
        try await writer.write(Array("\(self.hanging.withLock { $0.cancelled })".utf8))
        return [:]
      }
    }
  }

  private static func only(_ request: Request) async throws -> [UInt8] {
    var message: [UInt8]?
    for try await part in request.messages { message = part }
    guard let message else { throw RPCError(code: .invalidArgument, message: "no message") }
    return message
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  private static func echoedMetadata(_ metadata: Metadata) -> (initial: Metadata, trailing: Metadata) {
    var initial = Metadata()
    var trailing = Metadata()
    for (key, value) in metadata {
      if key.hasPrefix("echo-trailing-") {
        trailing.add(contentsOf: [(key, value)] as [Metadata.Element])
      } else if key.hasPrefix("echo-") {
        initial.add(contentsOf: [(key, value)] as [Metadata.Element])
      }
    }
    return (initial, trailing)
  }
}
