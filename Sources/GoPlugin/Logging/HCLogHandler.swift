public import Logging

/// A log handler for plugins: writes go-hclog's JSON lines, which a go-plugin host reads from the plugin's
/// standard error, filters by its own level and puts into its log.
///
/// Install it with `LoggingSystem.bootstrap { HCLogHandler(label: $0) }`. The label becomes `@module`.
public struct HCLogHandler: LogHandler {
  /// The lowest level that is written.
  public var logLevel: Logger.Level
  /// Fields of every line.
  public var metadata: Logger.Metadata = [:]
  /// Fields that depend on the task that logs.
  public var metadataProvider: Logger.MetadataProvider?

  private let module: String
  private let writer: HCLogWriter

  /// Makes a handler that writes to `writer`.
  ///
  /// - Parameters:
  ///   - label: The name of the part of the plugin that logs; `@module` in the line.
  ///   - level: The lowest level that is written. By default all are, and the host decides.
  ///   - writer: Takes the lines.
  public init(label: String, level: Logger.Level = .trace, writer: HCLogWriter = .standardError) {
    self.module = label
    self.logLevel = level
    self.writer = writer
  }

  /// Reads or changes one field of every line.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { self.metadata[key] }
    set { self.metadata[key] = newValue }
  }

  /// Writes one line. Where keys are the same, the event's own fields count most, then those of the provider.
  public func log(event: LogEvent) {
    var metadata = self.metadata
    if let provider = self.metadataProvider { metadata.merge(provider.get()) { $1 } }
    if let error = event.error { metadata["error"] = "\(error)" }
    if let fields = event.metadata { metadata.merge(fields) { $1 } }
    self.writer.write(
      HCLogLine(
        level: event.level, module: self.module, message: event.message.description, metadata: metadata))
  }
}
