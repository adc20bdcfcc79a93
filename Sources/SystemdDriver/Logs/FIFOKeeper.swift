import Processes

/// Keeps the FIFOs of a task's logs open by a process that outlives the plugin.
///
/// Without it the log collector would see the end of the logs when the plugin dies, and would not read on after that.
actor FIFOKeeper {
  private let pipes: [LogPipe]
  private var keeper: DescriptorKeeper?
  /// The keeper that an earlier process of the plugin has started, as long as it is not adopted.
  private var previousKeeper: Int32?

  /// - Parameters:
  ///   - pipes: the FIFOs.
  ///   - previousKeeper: the process that an earlier process of the plugin has started, if it has.
  init(of pipes: [LogPipe], adopting previousKeeper: Int32?) {
    self.pipes = pipes
    self.previousKeeper = previousKeeper
  }

  /// Adopts the keeper of an earlier process of the plugin, or starts one.
  ///
  /// - Returns: the process if it was started here. It ends with the plugin until ``detach()`` is called. nil if there
  ///   is a keeper already.
  /// - Throws: `SpawnError`.
  func keepFIFOsOpen() async throws -> Int32? {
    self.adoptKeeper()
    guard self.keeper == nil else { return nil }
    let descriptors = self.duplicates
    defer { for descriptor in descriptors { LogPipe.close(descriptor) } }
    guard let first = descriptors.first, let last = descriptors.last else { return nil }
    let keeper = try await DescriptorKeeper.start(holding: first, last)
    self.keeper = keeper
    return keeper.processID
  }

  /// Lets a keeper that was started here outlive this process: a later process of the plugin can find it now.
  func detach() async { await self.keeper?.detach() }

  /// Closes the FIFOs and ends the keeper: the collector sees the end of the logs once it has read what is left.
  func closeFIFOs() async {
    // Adopting compares what the process holds with the FIFOs, which have to be open for that.
    self.adoptKeeper()
    for pipe in self.pipes { pipe.close() }
    // Only one task can wait for its end, and this can be called again meanwhile.
    let keeper = self.keeper
    self.keeper = nil
    await keeper?.end()
  }

  private func adoptKeeper() {
    guard self.keeper == nil, let processID = self.previousKeeper else { return }
    self.previousKeeper = nil
    let descriptors = self.duplicates
    defer { for descriptor in descriptors { LogPipe.close(descriptor) } }
    self.keeper = descriptors.first.flatMap { DescriptorKeeper(processID: processID, holding: $0) }
  }

  private var duplicates: [Int32] { self.pipes.compactMap { $0.duplicate() } }
}
