import CGRPC
import GRPCCore

/// Metadata in libgrpc's form, owned. Not safe for use by several threads at once.
final class WireMetadata: @unchecked Sendable {
  /// The array that libgrpc reads or fills; its address does not change.
  let array: UnsafeMutablePointer<grpc_metadata_array>
  /// Whether the slices of the array belong to it; those that libgrpc fills in belong to the call.
  private let ownsSlices: Bool

  /// An empty array for libgrpc to fill.
  init() {
    self.array = .allocate(capacity: 1)
    grpc_metadata_array_init(self.array)
    self.ownsSlices = false
  }

  /// - Throws: `RPCError` (invalid argument) if a key or a value has characters that HTTP/2 headers may not
  ///   have, since libgrpc would refuse the whole batch without saying why.
  init(_ metadata: Metadata) throws {
    self.array = .allocate(capacity: 1)
    grpc_metadata_array_init(self.array)
    self.ownsSlices = true
    guard !metadata.isEmpty else { return }
    let entries = gpr_zalloc(metadata.count * MemoryLayout<grpc_metadata>.stride)
    self.array.pointee.capacity = metadata.count
    self.array.pointee.metadata = entries?.bindMemory(to: grpc_metadata.self, capacity: metadata.count)
    for (key, value) in metadata {
      // The library's own headers; the deadline is an argument of the call.
      if key == "grpc-timeout" { continue }
      var entry = grpc_metadata()
      entry.key = Self.slice(Array(key.lowercased().utf8))
      switch value {
      case .string(let string):
        // Of a binary key this is the value in Base64, which libgrpc would encode once more.
        let decoded =
          key.hasSuffix("-bin") ? ([key: value] as Metadata)[binaryValues: key].first { _ in true } : nil
        entry.value = Self.slice(decoded ?? Array(string.utf8))
      case .binary(let bytes):
        entry.value = Self.slice(bytes)
      }
      self.array.pointee.metadata[self.array.pointee.count] = entry
      self.array.pointee.count += 1
      let isLegal =
        grpc_header_key_is_legal(entry.key) != 0
        && (grpc_is_binary_header(entry.key) != 0 || grpc_header_nonbin_value_is_legal(entry.value) != 0)
      guard isLegal else {
        throw RPCError(
          code: .invalidArgument,
          message: "The metadata '\(key)' has a key or value that gRPC does not allow: keys have a-z, 0-9, "
            + "-, _ and ., values printable ASCII unless the key ends in -bin.")
      }
    }
  }

  deinit {
    if self.ownsSlices {
      for index in 0..<self.array.pointee.count {
        grpc_slice_unref(self.array.pointee.metadata[index].key)
        grpc_slice_unref(self.array.pointee.metadata[index].value)
      }
    }
    grpc_metadata_array_destroy(self.array)
    self.array.deallocate()
  }

  /// The metadata in GRPCCore's form. Values of keys that end in `-bin` are binary.
  var metadata: Metadata {
    var metadata = Metadata()
    metadata.reserveCapacity(self.array.pointee.count)
    for index in 0..<self.array.pointee.count {
      var entry = self.array.pointee.metadata[index]
      let key = String(slice: &entry.key)
      if key.hasSuffix("-bin") {
        metadata.addBinary([UInt8](slice: &entry.value), forKey: key)
      } else {
        metadata.addString(String(slice: &entry.value), forKey: key)
      }
    }
    return metadata
  }

  private static func slice(_ bytes: [UInt8]) -> grpc_slice {
    grpc_slice_from_copied_buffer(bytes, bytes.count)
  }
}

extension String {
  init(slice: inout grpc_slice) {
    self.init(
      decoding: UnsafeBufferPointer(start: cgrpc_slice_bytes(&slice), count: cgrpc_slice_count(&slice)),
      as: UTF8.self)
  }
}

extension [UInt8] {
  init(slice: inout grpc_slice) {
    self.init(UnsafeBufferPointer(start: cgrpc_slice_bytes(&slice), count: cgrpc_slice_count(&slice)))
  }
}
