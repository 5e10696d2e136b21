import DeviceModel
import OCPP

/// Signed meter values (E02.FR.14, J01.FR.21, J02.FR.21): Base64 around what the meter signed, nothing else.
extension SignedReading {
  /// Longest of `signedMeterData` and of `publicKey` on the wire, characters (2.0.1).
  static let longestText = 2500
  /// Longest of `encodingMethod` and `signingMethod`, characters.
  static let longestMethod = 50

  private static func length(_ data: [UInt8]) -> Int { (data.count + 2) / 3 * 4 }

  /// It can be told as it is. What does not fit is not told at all: a part of it would verify nothing.
  var fits: Bool {
    !data.isEmpty && Self.length(data) <= Self.longestText && Self.length(publicKey ?? []) <= Self.longestText
      && encodingMethod.unicodeScalars.count <= Self.longestMethod
      && signingMethod.unicodeScalars.count <= Self.longestMethod
  }

  func value(withKey: Bool) -> SignedMeterValueType {
    SignedMeterValueType(
      encodingMethod: encodingMethod, signedMeterData: base64(data),
      publicKey: withKey ? base64(publicKey ?? []) : "", signingMethod: signingMethod)
  }
}

extension Station {
  /// Whether values for this purpose are to be signed, by the variables that an installer gives a station with such a meter.
  func signs(_ purpose: MeterValues.Purpose) -> Bool {
    let isAligned = purpose == .aligned || purpose == .alignedUpdated || purpose == .alignedEnded
    let component = isAligned ? "AlignedDataCtrlr" : "SampledDataCtrlr"
    guard flag(VariableAddress(component, "SignReadings"), default: false) else { return false }
    switch purpose {
    case .ended, .alignedEnded, .aligned: return true
    case .started:
      return starts(at: "DataSigned") || flag(VariableAddress(component, "SignStartedReadings"), default: false)
    case .updated, .alignedUpdated: return flag(VariableAddress(component, "SignUpdatedReadings"), default: false)
    case .trigger: return false
    }
  }

  /// Whether the next signed value of this EVSE brings the public key (PublicKeyWithSignedMeterValue).
  func signedValueBringsKey(evse id: Int) -> Bool {
    switch text(Setting.publicKeyWithSignedMeterValue) {
    case "EveryMeterValue": return true
    case "OncePerTransaction":
      guard evses.indices.contains(id - 1), let transaction = evses[id - 1].transaction else { return false }
      return !transaction.publicKeyIsSent
    default: return false
    }
  }

  /// A signed reading that is too long to be told is a fault of the meter, until one fits again. One that a transaction waits
  /// for is still missing then.
  mutating func checkSigned(_ reading: MeterReading) {
    guard let signed = reading.signed else { return }
    let fault = HardwareFault(name: "SignedMeterValueTooLong", evse: reading.evse, severity: .low, source: "core")
    guard signed.fits else { return faultRaised(fault) }
    faultCleared(fault)
    guard evses.indices.contains(reading.evse - 1) else { return }
    let evse = evses[reading.evse - 1]
    if evse.meter.acquiredSince >= evse.signatureSince ?? .min { faultCleared(Self.missing(evse.id)) }
  }

  // MARK: TxStartPoint DataSigned (E01.FR.04)

  /// A meter that signs may take seconds for it.
  private static let signingTime: Int64 = 15_000
  private static let askAgain: Int64 = 1000

  /// A transaction begins with a signed value, and nothing is offered before. Not so when values are not to be signed: then
  /// the last start point is the one at which energy flows.
  var startsWithSignature: Bool { starts(at: "DataSigned") && signs(.ended) }

  /// Somebody may charge, and all that lacks is the signed value with which the transaction begins: the meter is read until
  /// it gives one. A meter that takes longer than 15 s is a fault; it is still waited for.
  mutating func settleSignature(at index: Int) {
    let evse = evses[index]
    guard startsWithSignature, mayBeginTransaction(at: index) else {
      if evse.signatureSince != nil {
        evses[index].signatureSince = nil
        stopTimer(.evse(TimerID.signatureName, evse.id))
      }
      return
    }
    guard let since = evse.signatureSince else {
      evses[index].signatureSince = now.monotonic
      return askForSignature(at: index)
    }
    if let reading = evse.meter.fresh(at: now), reading.signed?.fits == true, evse.meter.acquiredSince >= since {
      startTransaction(at: index, trigger: .signedDataReceived)
    } else if now.monotonic - since >= Self.signingTime {
      faultRaised(Self.missing(evse.id))
    }
  }

  private static func missing(_ evse: Int) -> HardwareFault {
    HardwareFault(name: "SignedMeterValueMissing", evse: evse, severity: .low, source: "core")
  }

  mutating func askForSignature(at index: Int) {
    guard evses[index].signatureSince != nil else { return }
    emit(.hardware(.readMeters))
    startTimer(.evse(TimerID.signatureName, evses[index].id), after: Self.askAgain)
  }
}

extension TimerID {
  static let signatureName = "signature"
}
