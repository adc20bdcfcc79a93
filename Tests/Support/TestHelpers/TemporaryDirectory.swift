import Foundation

/// Gives a new directory, which is removed after `body`.
package func withTemporaryDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
  // Short, since sockets have to fit.
  let path = FileManager.default.temporaryDirectory
    .appendingPathComponent("test-\(UUID().uuidString.prefix(13).lowercased())").path
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try await body(path)
}
