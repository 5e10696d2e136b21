import Certificates
import OCPP
import StationCore

/// The part of a simulated meter that signs: each reading becomes a record in the Open Charge Metering Format
/// (OCMF 1.4.1, https://github.com/SAFE-eV/OCMF-Open-Charge-Metering-Format), signed with the meter's own key.
///
/// Records are numbered from 1 at every start (pagination F, readings outside of a transaction: a meter does not know of any).
public final class OCMFMeter {
  private let key: MeterKey
  private let serialNumber: String
  private let publicKey: [UInt8]
  private var pagination: Int64 = 0

  public init(evse: Int, key: MeterKey) {
    self.key = key
    serialNumber = "SIM-\(evse)-\(hexadecimal(key.publicKey.suffix(4)))"
    // As the OCA's note on signed meter values names a key in a message.
    publicKey = Array("oca:base16:asn1:\(hexadecimal(key.publicKey))".utf8)
  }

  /// The reading with its signature. A reading without an energy register is not signed.
  /// - Parameter wall: UTC milliseconds, for a reading that is of now.
  public func signed(_ reading: MeterReading, wall: Int64) -> MeterReading {
    guard let energy = reading.energyImport, energy >= 0 else { return reading }
    pagination += 1
    let payload = payload(energy: energy, at: reading.acquiredAtWall ?? wall)
    guard let signature = key.sign(Array(payload.utf8)) else { return reading }
    var result = reading
    let section = #"{"SA":"ECDSA-secp256r1-SHA256","SD":"\#(hexadecimal(signature))"}"#
    result.signed = SignedReading(
      data: Array("OCMF|\(payload)|\(section)".utf8), encodingMethod: "OCMF",
      signingMethod: "ECDSA-secp256r1-SHA256", publicKey: publicKey)
    return result
  }

  private func payload(energy: Int64, at time: Int64) -> String {
    // The clock is the station's, which a meter cannot vouch for: I, informative.
    let utc = DateTime(unixMilliseconds: time).description.dropLast()
    let moment = String(utc.map { $0 == "." ? "," : $0 }) + "+0000 I"
    let kilowattHours = "\(energy / 1_000_000).\(String(1_000_000 + energy % 1_000_000).dropFirst())"
    return #"{"FV":"1.4","GI":"station","GS":"\#(serialNumber)","PG":"F\#(pagination)","MV":"station","#
      + #""MM":"simulated","MS":"\#(serialNumber)","IS":false,"IT":"NONE","RD":[{"TM":"\#(moment)","#
      + #""RV":\#(kilowattHours),"RI":"1-0:1.8.0*255","RU":"kWh","RT":"AC","ST":"G"}]}"#
  }
}
