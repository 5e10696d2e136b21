import StationCore
import Synchronization

/// What the ledger reports unasked, as inputs of the core, kept until the loop runs; on any thread.
final class LedgerReports: Sendable {
  private struct State {
    var early: [Input] = []
    var deliver: (@Sendable (Input) -> Void)?
  }
  private let state = Mutex(State())

  func add(_ input: Input) {
    state.withLock { state in
      if let deliver = state.deliver { deliver(input) } else { state.early.append(input) }
    }
  }

  /// Gives what was said so far, and from then on everything, in order. `deliver` is not to call back.
  func deliver(_ deliver: @escaping @Sendable (Input) -> Void) {
    state.withLock { state in
      for input in state.early { deliver(input) }
      state = State(early: [], deliver: deliver)
    }
  }
}
