import OCPP

/// The file transfers under way, and whom they belong to.
struct Transfers: Sendable {
  struct Active: Hashable, Sendable {
    var id: Int64
    /// Bytes that are there, and how many it will be, as told last.
    var done: Int64 = 0
    var total: Int64?
  }

  var active: [Transfer.Kind: Active] = [:]
  /// How the last one ended that was to be cancelled: the cancelling may turn out to have been refused.
  var unheard: (id: Int64, result: TransferResult)?
  private var nextID: Int64 = 1

  mutating func begin(_ kind: Transfer.Kind) -> Int64 {
    defer { nextID += 1 }
    active[kind] = Active(id: nextID)
    return nextID
  }
}

extension Station {
  /// Starts one in place of one of the same kind, of which nothing is heard any more.
  mutating func startTransfer(_ transfer: Transfer) {
    emit(.transfer(id: transfers.begin(transfer.kind), .start(transfer)))
  }

  /// Nothing is heard of it any more; what it has fetched stays.
  mutating func cancelTransfer(_ kind: Transfer.Kind) {
    guard let active = transfers.active.removeValue(forKey: kind) else { return }
    emit(.transfer(id: active.id, .cancel))
  }

  mutating func removeTransferFile(_ file: String) { emit(.transfer(id: 0, .remove(file: file))) }

  /// At the start: what nobody remembers goes.
  mutating func tidyTransferFiles() { emit(.transfer(id: 0, .keepOnly(transferFilesInUse))) }

  mutating func transferTold(_ id: Int64, _ event: TransferEvent) {
    guard let (kind, active) = transfers.active.first(where: { $0.value.id == id }) else {
      if case .ended(let result) = event { transfers.unheard = (id, result) }
      return
    }
    switch event {
    case .progress(let done, let total):
      transfers.active[kind] = Transfers.Active(id: active.id, done: done, total: total)
    case .ended(let result):
      transfers.active[kind] = nil
      transferEnded(kind, result)
    }
  }

  /// The commit before it failed.
  mutating func transferRefused(_ id: Int64, _ request: TransferRequest) {
    guard case .start(let transfer) = request else { return }
    switch transfer.kind {
    case .log: transferTold(id, .ended(.failed(.storage, "the ledger could not be written")))
    case .firmware:
      // It was no attempt, and what was fetched before stays.
      guard transfers.active[.firmware]?.id == id else { return }
      transfers.active[.firmware] = nil
      tryFirmwareAgain()
    }
  }
}

// MARK: Whom they belong to

extension Station {
  /// Files of the directory `transfers` that a block still needs.
  var transferFilesInUse: [String] { [logs.upload?.file, firmware.update?.file].compactMap { $0 } }

  mutating func transferEnded(_ kind: Transfer.Kind, _ result: TransferResult) {
    switch kind {
    case .log: logUploadEnded(result)
    case .firmware: firmwareTransferEnded(result)
    }
  }
}
