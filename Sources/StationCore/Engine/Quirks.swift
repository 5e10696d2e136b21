import OCPP

/// Deviations of a CSMS from the specification that the station tolerates, by name. `station ctl quirks` lists those it
/// has met since its start, with their counts.
public enum Quirk: String, Hashable, Sendable, CaseIterable {
  /// `currentTime` names no time zone; it is taken for UTC.
  case currentTimeWithoutZone
  /// The answer to a TransactionEvent is no valid TransactionEventResponse: not an acknowledgement, the event is kept
  /// and tried again (E13).
  case transactionEventAnswerInvalid
  /// An answer to a call that is not outstanding: late, repeated, or with an id of the CSMS' own making; dropped.
  case answerToNoCall
  /// A CALLERROR whose code OCPP does not know; it counts as GenericError.
  case errorCodeUnknown
  /// `currentTime` is before the year 2025; the clock is not set by it.
  case currentTimeImplausible
}

extension Station {
  mutating func tolerate(_ quirk: Quirk) {
    let count = quirks[quirk, default: 0] + 1
    quirks[quirk] = count
    if count == 1 { log(.warning, "the CSMS deviates, tolerated: \(quirk.rawValue)") }
  }
}
