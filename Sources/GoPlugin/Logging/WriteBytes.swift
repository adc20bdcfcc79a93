import Foundation

/// Writes bytes to a descriptor, with a single write(2) if the system takes them all at once.
///
/// - Returns: How many were written: fewer than given if `deadline` passed while the reader took nothing, or if
///   an error occurred, which is in `errno`.
func writeBytes(_ bytes: [UInt8], to descriptor: Int32, until deadline: ContinuousClock.Instant) -> Int {
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes {
      Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
    }
    if count >= 0 {
      written += count
    } else if errno == EAGAIN {
      let rest = ContinuousClock.now.duration(to: deadline)
      guard rest > .zero else { break }
      var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      // Rounded up, so that it is never a busy loop.
      _ = poll(
        &request, 1,
        Int32(
          clamping: rest.components.seconds * 1000 + rest.components.attoseconds / 1_000_000_000_000_000 + 1))
    } else if errno != EINTR {
      break
    }
  }
  return written
}
