import Logging
import NomadPlugin

/// The checkpoint of a task's logs, in memory and in its file.
struct LogCheckpointStore {
  var checkpoint: LogCheckpoint
  /// nil if the checkpoint file cannot be opened.
  private let file: LogCheckpointFile?
  private let logger: Logger
  /// Whether the checkpoint could not be saved the last time.
  private var checkpointFailed = false

  /// Reads the checkpoint that an earlier process of the plugin has saved.
  ///
  /// - Parameter resumes: whether to go on where that process ended. Its keeper is taken over in any case: it may have
  ///   died while it started the same task.
  init(for task: TaskConfig, resumes: Bool, logger: Logger) {
    self.logger = logger
    do {
      self.file = try LogCheckpointFile(for: task)
    } catch {
      self.file = nil
      logger.warning(
        "Cannot open the log checkpoint: lines will be repeated after a restart of the plugin.",
        metadata: ["error": "\(error)"])
    }
    let saved = self.file?.read()
    self.checkpoint = (resumes ? saved : nil) ?? LogCheckpoint()
    self.checkpoint.keeper = saved?.keeper
  }

  /// Writes the checkpoint to its file. A failure is logged once; the logs go on without checkpoints.
  ///
  /// - Returns: whether a later process of the plugin will find it.
  mutating func saveCheckpoint() -> Bool {
    guard let file = self.file else { return false }
    let problem = file.write(self.checkpoint)
    if let problem, !self.checkpointFailed {
      self.logger.warning(
        "Cannot save the log checkpoint: lines will be repeated after a restart of the plugin.",
        metadata: ["error": "\(problem)"])
    }
    self.checkpointFailed = problem != nil
    return problem == nil
  }

  /// Removes the file.
  func remove() { self.file?.remove() }
}
