import Foundation
import Systemd

extension RealtimeTimestamp {
  /// The same point in time as a date, which is not before 1970.
  init(_ date: Date) { self.init(microseconds: UInt64(max(0, date.timeIntervalSince1970) * 1e6)) }

  /// The same point in time in Foundation's form.
  var date: Date { Date(timeIntervalSince1970: Double(self.microseconds) / 1e6) }
}
