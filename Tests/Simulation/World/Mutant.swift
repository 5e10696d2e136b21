import DeviceModel
import OCPP
import StationCore

/// Bugs that the simulation must find.
public enum Mutation: String, CaseIterable, Sendable {
  /// An Updated or Ended event is neither stored nor sent, now and then.
  case dropEvent
  /// Two neighbouring events of one transaction leave in the wrong order.
  case reorderEvents
  /// What happened offline does not say so.
  case forgetOffline
  /// The contactor closes before the ledger has the transaction.
  case contactorBeforeLedger
  /// An event gets the number of the one before it.
  case reuseSeqNo
  /// A message that failed is forgotten instead of tried again.
  case neverRetry
  /// A message is sent before the ledger has it.
  case sendBeforeLedger
  /// After a power cut open transactions are not known any more.
  case forgetOpenTransactions
  /// A resent event has more energy in it.
  case changeResend
  /// The contactor is not opened when the car stops asking.
  case keepContactorClosed
  /// Accepted settings are not stored.
  case forgetSettings
}

/// The core with one bug: its actions, or what it hears, are changed. No hook in the core is needed for it.
struct Mutant: StationHandle {
  private var station: Station
  private let mutation: Mutation
  private var dice: Dice
  /// Outbox ids that were dropped.
  private var dropped: Set<Int64> = []
  private var payloads: [String: [UInt8]] = [:]
  private var delayedSend: Action?
  private var sentOnce: Set<String> = []

  init(_ station: Station, _ mutation: Mutation, seed: UInt64) {
    self.station = station
    self.mutation = mutation
    dice = Dice(seed: seed)
  }

  var snapshot: StationSnapshot { station.snapshot }
  var model: DeviceModel { station.model }

  mutating func handle(_ input: Input, at now: StationTime) -> [Action] {
    station.handle(input, at: now)
  }
}
