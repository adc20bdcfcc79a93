import NomadPlugin
@testable import Systemd

@testable import SystemdDriver

extension FuzzTarget {
  static let driverState = FuzzTarget(
    "driver-state",
    seeds: [
      "{\"bootID\":\"0a\",\"cursor\":\"s=0a;i=1\",\"invocationID\":\"0b\",\"started\":5,\"unit\":\"web.service\",\"version\":1}",
      "{\"since\":18446744073709551615,\"unit\":\"--now\",\"version\":1}", "{\"version\":2}", "[1]", "",
    ],
    words: [
      "\"version\":1", "\"unit\":\"", "\"cursor\":\"", "\"since\":", "\"started\":", "null", "1e400", "-1",
      "{{",
    ]
  ) { input in
    do {
      let state = try DriverState(input)
      let again = try DriverState(try state.encoded)
      try hold(again == state, "it is another when it is written and read")
      try hold(again.logs == state.logs && again.startedAt == state.startedAt, "its times are others")
      if case .after(let cursor) = state.logs {
        try hold(JournalCursor(cursor.text) == cursor, "\(cursor) is no cursor")
      }
    } catch let error as DriverError {
      // A part of what was read may have grown by being escaped.
      guard input.count < 2048 else { return }
      try hold((try? DriverState(input)) == nil, "what was written cannot be read: \(error)")
    }
  }

  static let taskRecord = FuzzTarget(
    "task-record",
    seeds: [
      "{\"end\":{\"exitCode\":7,\"oomKilled\":false,\"signal\":0,\"time\":1},\"task\":\"a/b/c\",\"unit\":\"web.service\",\"version\":1}",
      "{\"destroyed\":1,\"lastRun\":\"0b\",\"later\":[],\"task\":\"\",\"unit\":\"\",\"version\":1}", "[1]",
      "",
    ],
    words: [
      "\"version\":1", "\"task\":\"", "\"end\":{", "\"destroyed\":", "null", "18446744073709551616", "1e400",
      "-1",
    ]
  ) { input in
    guard let record = TaskRecord(input) else { return }
    try hold(TaskRecord(try record.encoded) == record, "it is another when it is written and read")
  }

  static let logPosition = FuzzTarget(
    "log-position",
    seeds: ["s=0a;i=1\n5\n17\n\n", "\n0\n\n", "s=1\n-1\n1\n", "\n9223372036854775807\n2147483647\n"],
    words: ["\n", "s=0a", "\r\n", "+1", "18446744073709551616"]
  ) { input in
    guard let checkpoint = LogCheckpoint(text(input)[...]) else { return }
    try hold(checkpoint.partial >= 0, "it is \(checkpoint.partial) bytes into a line")
    // To kill(2), 1 and lesser numbers mean other processes than a keeper.
    try hold((checkpoint.keeper ?? 2) > 1, "\(checkpoint.keeper ?? 0) cannot keep the FIFOs open")
    try hold(checkpoint.text.utf8.count <= 1024, "it does not fit into its file")
    try hold(LogCheckpoint(checkpoint.text[...]) == checkpoint, "it is another when it is written and read")
  }
}
