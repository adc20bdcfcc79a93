import CGRPC

/// A message in libgrpc's form, owned.
final class ByteBuffer: @unchecked Sendable {
  /// Where libgrpc finds the buffer to send, or puts the one it received; its address does not change.
  let slot: UnsafeMutablePointer<UnsafeMutablePointer<grpc_byte_buffer>?>

  /// A place for a message to be received.
  init() {
    self.slot = .allocate(capacity: 1)
    self.slot.initialize(to: nil)
  }

  /// A message to be sent.
  convenience init(_ bytes: [UInt8]) {
    self.init()
    var slice = grpc_slice_from_copied_buffer(bytes, bytes.count)
    self.slot.pointee = grpc_raw_byte_buffer_create(&slice, 1)
    grpc_slice_unref(slice)
  }

  deinit {
    grpc_byte_buffer_destroy(self.slot.pointee)
    self.slot.deallocate()
  }

  /// The message received; nil if there was none, which is the end of the stream.
  var bytes: [UInt8]? {
    guard let buffer = self.slot.pointee else { return nil }
    var reader = grpc_byte_buffer_reader()
    guard grpc_byte_buffer_reader_init(&reader, buffer) != 0 else { return nil }
    defer { grpc_byte_buffer_reader_destroy(&reader) }
    return [UInt8](unsafeUninitializedCapacity: grpc_byte_buffer_length(buffer)) { target, count in
      var slice = grpc_slice()
      while grpc_byte_buffer_reader_next(&reader, &slice) != 0 {
        let length = min(cgrpc_slice_count(&slice), target.count - count)
        (target.baseAddress.map { $0 + count })?.update(from: cgrpc_slice_bytes(&slice), count: length)
        count += length
        grpc_slice_unref(slice)
      }
    }
  }
}
