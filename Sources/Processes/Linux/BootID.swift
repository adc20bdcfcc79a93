import Foundation

/// The boot of this machine (random(4)).
package enum BootID {
  /// Its identifier; nil where it is not known.
  package static var current: String? {
    (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
