/// What the core knows of the ledger's health.
struct Storage: Hashable, Sendable {
  /// A commit has failed and not yet been made good: no new transaction is begun that could not be recorded.
  var isFailing = false

  /// Time between two attempts to write everything again, milliseconds.
  static let retryInterval: Int64 = 10_000
}

extension Station {
  /// A commit failed; the actions that waited for it were not carried out. Everything that must survive is written
  /// again, whole, until it succeeds. Commands that were dropped with it are repeated by their own time-outs.
  mutating func commitFailed(_ failure: LedgerFailure) {
    if !storage.isFailing { log(.error, "the ledger cannot be written, no new transaction is begun: \(failure.text)") }
    storage.isFailing = true
    for index in evses.indices { evses[index].contactorCommanded = evses[index].contactorClosed }
    startTimer(.storage, after: Storage.retryInterval)
  }

  mutating func retryStorage() {
    guard storage.isFailing else { return }
    // Taken for good until another `commitFailed` says otherwise.
    storage.isFailing = false
    log(.notice, "writing the ledger again")
    for message in outbox.messages { persist(.enqueue(message.queued)) }
    for index in evses.indices { persistTransaction(at: index) }
    for (key, value) in availability.records { persist(.put(.availability, key: key, value: value)) }
    for (key, value) in provisioning.changedVariables.sorted(by: { $0.key < $1.key }) {
      persist(.put(.variable, key: key, value: Array(value.utf8)))
    }
  }
}
