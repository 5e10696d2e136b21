import OCPP

/// One more value of a meter: a quantity that `MeterReading` has no field for, or one phase of one that it has.
public struct MeterSample: Hashable, Sendable {
  public var measurand: MeasurandEnumType
  /// `nil`: all phases together.
  public var phase: PhaseEnumType?
  /// Thousandths of the unit of the measurand (Wh, varh, VAh, W, var, A, V, Hz, percent).
  public var thousandths: Int64

  public init(_ measurand: MeasurandEnumType, phase: PhaseEnumType? = nil, thousandths: Int64) {
    self.measurand = measurand
    self.phase = phase
    self.thousandths = thousandths
  }
}

/// A reading as the meter itself signed it. The station looks at nothing in it: it goes to the CSMS as it is (J02.FR.21).
public struct SignedReading: Hashable, Sendable {
  /// The signed data as the meter gave them, e.g. the text of an OCMF record.
  public var data: [UInt8]
  /// The format of `data`, e.g. `OCMF`.
  public var encodingMethod: String
  /// The method of the signature; may be empty where `data` tells it.
  public var signingMethod: String
  /// The key that verifies it, as the meter gave it; `nil` where it gives none.
  public var publicKey: [UInt8]?

  public init(data: [UInt8], encodingMethod: String, signingMethod: String = "", publicKey: [UInt8]? = nil) {
    self.data = data
    self.encodingMethod = encodingMethod
    self.signingMethod = signingMethod
    self.publicKey = publicKey
  }
}
