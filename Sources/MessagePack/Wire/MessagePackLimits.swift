/// How much a decoder takes from, and an encoder gives to, the other side.
public struct MessagePackLimits: Sendable, Hashable {
  /// The greatest number of arrays and maps inside each other: 0 allows none.
  public let depth: Int

  /// The greatest size of an encoded value in bytes.
  ///
  /// Decoding takes up to about 80 bytes of memory for each byte of input, for arrays of tiny arrays; what is
  /// mostly text takes little more than its own size.
  public let byteCount: Int

  /// Sets the limits.
  ///
  /// - Parameters:
  ///   - depth: Arrays and maps inside each other. Taken into the range 0 through 512, as each level needs
  ///     stack.
  ///   - byteCount: Bytes of an encoded value. A negative number is taken as 0.
  public init(depth: Int = 64, byteCount: Int = 16 * 1024 * 1024) {
    self.depth = min(max(depth, 0), 512)
    self.byteCount = max(byteCount, 0)
  }
}
