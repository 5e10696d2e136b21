import Synchronization

/// What the ledger says of the space on its medium, kept until the loop runs; on any thread.
final class SpaceReports: Sendable {
  private struct State {
    var early: [Bool] = []
    var deliver: (@Sendable (Bool) -> Void)?
  }
  private let state = Mutex(State())

  func add(_ isLow: Bool) {
    state.withLock { state in
      if let deliver = state.deliver { deliver(isLow) } else { state.early.append(isLow) }
    }
  }

  /// Gives what was said so far, and from then on everything, in order. `deliver` is not to call back.
  func deliver(_ deliver: @escaping @Sendable (Bool) -> Void) {
    state.withLock { state in
      for isLow in state.early { deliver(isLow) }
      state = State(early: [], deliver: deliver)
    }
  }
}
