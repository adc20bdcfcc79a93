import Foundation
import Systemd

extension RealtimeTimestamp {
  /// The same point in time in Foundation's form.
  var date: Date { Date(timeIntervalSince1970: Double(self.microseconds) / 1e6) }
}
