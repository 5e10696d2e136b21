import OCPP
import StationCore

extension Books {
  /// Everything has had its time to reach the CSMS.
  func checkEnd() {
    if let problem = world.core.securityLog.problems.first { world.violated("security log", problem) }
    for id in order { if let transaction = transactions[id] { check(transaction) } }
    for index in world.site.bays.indices {
      let loose = world.site.delivered(index) - accountedEnergy(index + 1)
      if loose > Self.slack {
        world.violated("no energy without a transaction", "\(loose) mWh flowed at EVSE \(index + 1) at the end")
      }
      world.coverage.count("deliveredKWh", world.site.delivered(index) / 1_000_000)
    }
  }

  private func check(_ transaction: Transaction) {
    for seqNo in 0..<transaction.next {
      guard let event = transaction.events[seqNo] else {
        return world.violated("nothing is lost", "event \(seqNo) of \(transaction.id)")
      }
      if event.held != nil || event.isUndelivered { continue }
      // Thinning was judged when it happened; what was not in the ledger yet may have gone before it came there.
      if event.type == .updated, event.isThinned || event.whileFailing && event.queued == nil { continue }
      return world.violated(
        "nothing is lost",
        "event \(seqNo) of \(transaction.id), \(event.type.rawValue), outbox id \(event.queued?.outboxID ?? -1), is nowhere"
      )
    }
    guard transaction.hasEnded, transaction.events[transaction.next - 1]?.type == .ended else {
      return world.violated("every transaction ends", transaction.id)
    }
    checkTimes(of: transaction)
    checkReadings(of: transaction)
    checkBill(of: transaction)
  }

  private func requests(of transaction: Transaction) -> [TransactionEventRequest] {
    (0..<transaction.next).compactMap { transaction.events[$0]?.held }
  }

  private func checkTimes(of transaction: Transaction) {
    guard !transaction.clockIsDisturbed, !clockIsUncertain else { return }
    // A late answer to a Heartbeat may set the clock by as much as it is late.
    let tolerance: Int64 = world.scenario.timeSource == "NTP" ? 0 : 45 * .second
    var last = DateTime(unixMilliseconds: 0)
    for request in requests(of: transaction) {
      if request.timestamp.unixMilliseconds < last.unixMilliseconds - tolerance {
        return world.violated(
          "time stamps", "event \(request.seqNo) of \(transaction.id) says \(request.timestamp) after \(last)")
      }
      last = request.timestamp
    }
  }

  private func registers(_ request: TransactionEventRequest) -> [(value: Int64, context: ReadingContextEnumType?)] {
    (request.meterValue ?? []).flatMap { value in
      value.sampledValue.compactMap { sample in
        guard sample.measurand == .energyActiveImportRegister else { return nil }
        return sample.value.scaled(byPowerOfTen: 3)?.rounded.wholeValue.map { ($0, sample.context) }
      }
    }
  }

  private func checkReadings(of transaction: Transaction) {
    var last: Int64 = .min
    for request in requests(of: transaction) {
      for (value, _) in registers(request) where readings[transaction.evse]?.contains(value) != true {
        return world.violated(
          "no invented energy", "event \(request.seqNo) of \(transaction.id) says \(value) mWh, which no meter has said"
        )
      }
      guard !transaction.meterIsDisturbed, request.eventType != .ended else { continue }
      for (value, _) in registers(request) {
        if value < last {
          return world.violated(
            "monotone registers", "event \(request.seqNo) of \(transaction.id) says \(value) mWh after \(last)")
        }
        last = value
      }
    }
  }

  private func checkBill(of transaction: Transaction) {
    let requests = requests(of: transaction)
    let real = transaction.end - transaction.begin
    guard real > Self.slack else { return }
    guard !transaction.meterIsDisturbed, let ended = requests.last, ended.eventType == .ended,
      transaction.events[0]?.held != nil
    else { return world.coverage.count("energyChecksSkipped") }
    let begin = requests.flatMap(registers).first { $0.context == .transactionBegin }?.value
    let end = registers(ended).last { $0.context == .transactionEnd }?.value
    guard let end, let begin else {
      if transaction.events.values.contains(where: { $0.held == nil }) || transaction.cuts > 0 {
        return world.coverage.count("energyChecksSkipped")
      }
      return world.violated(
        "energy in the bill", "\(transaction.id) delivered \(real) mWh and has no Begin or no End value")
    }
    world.coverage.count("billsChecked")
    let bill = end - begin
    // One reading at the beginning may be as old as the period while nothing flows, when nothing changes.
    let step = Self.slack + 22_000_000 * (world.scenario.activePeriod + .second) / .hour
    if bill > real + Self.slack {
      world.violated("energy in the bill", "\(transaction.id) bills \(bill) mWh, \(real) flowed")
    }
    let owed = transaction.cuts == 0 ? real : (transaction.durable ?? transaction.begin) - transaction.begin
    if bill < min(owed, real) - step {
      world.violated("energy in the bill", "\(transaction.id) bills \(bill) mWh, \(owed) of \(real) had to be")
    }
  }
}

extension DecimalNumber {
  /// The value when it is whole and fits.
  var wholeValue: Int64? {
    var value = mantissa
    var exponent = exponent
    while exponent > 0, abs(value) < Int64.max / 10 {
      value *= 10
      exponent -= 1
    }
    return exponent == 0 ? value : nil
  }
}
