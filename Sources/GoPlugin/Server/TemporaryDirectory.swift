import Foundation

/// A new directory that only its owner can enter, with a name nobody can know beforehand (mkdtemp(3)).
struct TemporaryDirectory {
  /// Its absolute path.
  let path: String

  /// Makes the directory under `TMPDIR`, or under `/tmp` if that is not set.
  ///
  /// - Throws: ``PluginServerError/socket(_:)`` if that is not possible.
  init(environment: [String: String]) throws(PluginServerError) {
    var base = environment["TMPDIR"] ?? ""
    if base.isEmpty { base = "/tmp" }
    guard base.hasPrefix("/") else {
      throw .socket(
        "Cannot make a directory for the plugin's socket: TMPDIR is '\(base)', not an absolute path.")
    }
    var template = Array("\(base)/plugin-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw .socket(
        "Cannot make a directory for the plugin's socket in '\(base)': \(errorText(errno)). TMPDIR can name "
          + "another directory.")
    }
    self.path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Removes the directory and what is in it; symbolic links are removed, not followed.
  func remove() { try? FileManager.default.removeItem(atPath: self.path) }
}

/// The system's text for an error number (strerror(3)).
func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
