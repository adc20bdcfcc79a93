import Foundation

/// The boot of this machine (random(4)).
package enum BootID {
  /// The identifier of the boot; nil if it is not known.
  package static var current: String? {
    (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
