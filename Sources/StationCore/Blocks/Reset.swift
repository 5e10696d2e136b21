import DeviceModel
import OCPP

/// A Reset that the CSMS asked for and that is not finished (B11, B12).
struct PendingReset: Hashable, Sendable {
  /// Transactions are ended by us (Immediate) or awaited (OnIdle).
  var isImmediate: Bool
  /// Monotonic time after which the restart no longer waits for the CSMS to take the last events (B12.FR.05).
  var deadline: Int64?

  static let longestWait: Int64 = 10_000
}

extension Station {
  mutating func reset(_ request: ResetRequest, _ call: IncomingCall) {
    if let evse = request.evseId, evse != 0 {
      // Resetting one EVSE is not supported; EVSE/AllowReset is absent or false (B11.FR.09, B12.FR.09).
      answer(
        call,
        ResetResponse(
          status: .rejected, statusInfo: StatusInfoType(reasonCode: "UnsupportedRequest", additionalInfo: "evseId")))
      return
    }
    guard stopping == nil else {
      answer(call, ResetResponse(status: .rejected))
      return
    }
    let isBusy = evses.contains { $0.transaction != nil }
    switch request.type {
    case .onIdle where isBusy:
      provisioning.reset = PendingReset(isImmediate: false)
      answer(call, ResetResponse(status: .scheduled))
    case .immediate, .onIdle:
      answer(call, ResetResponse(status: .accepted))
      provisioning.reset = PendingReset(isImmediate: true)
      for index in evses.indices where evses[index].transaction != nil {
        evses[index].authorization = nil
        endTransaction(at: index, trigger: .resetCommand, reason: .immediateReset)
      }
    default: answer(call, ResetResponse(status: .rejected))
    }
  }

  /// Called after every input: begins the restart once no transaction is left.
  mutating func settleReset() {
    guard var reset = provisioning.reset, stopping == nil else { return }
    guard evses.allSatisfy({ $0.transaction == nil }) else { return }
    if reset.deadline == nil {
      reset.deadline = now.monotonic + PendingReset.longestWait
      provisioning.reset = reset
      startTimer(.reset, after: PendingReset.longestWait)
    }
    stopping = .restart(.remoteReset)
  }

  /// The restart waits, for a bounded time, until the CSMS has the last events of the transactions that it ended.
  var restartIsReady: Bool {
    guard isOnline, let deadline = provisioning.reset?.deadline, now.monotonic < deadline else { return true }
    return calls.outstanding == nil && outbox.isEmpty
  }
}
