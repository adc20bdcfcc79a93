/// A value in memory of its own, for libgrpc to fill in, freed with the last reference.
final class Owned<Value>: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Value>

  init(_ value: Value) {
    self.pointer = .allocate(capacity: 1)
    self.pointer.initialize(to: value)
  }

  deinit {
    self.pointer.deinitialize(count: 1)
    self.pointer.deallocate()
  }
}
