import Certificates
import Foundation
import StationCore
import Testing

@testable import Hardware

/// Whether a signature verifies is shown with another library by the conformance suite (ocmf.py).
@Suite("A simulated meter that signs") struct OCMFMeterTests {
  private static let moment: Int64 = 1_784_020_013_589

  private func folder() throws -> String {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("meter-key-\(UUID())").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  @Test func theKeyStaysAndIsForItsOwnerOnly() throws {
    let folder = try folder()
    let key = try MeterKey(directory: folder, name: "meter.key")
    let mode = try FileManager.default.attributesOfItem(atPath: folder + "/meter.key")[.posixPermissions] as? Int
    #expect(mode == 0o600)
    #expect(try MeterKey(directory: folder, name: "meter.key").publicKey == key.publicKey)
    #expect(try MeterKey(directory: folder, name: "other.key").publicKey != key.publicKey)
    // SubjectPublicKeyInfo of a point on P-256, uncompressed.
    #expect(key.publicKey.count == 91)
  }

  @Test func aFileThatHoldsNoKeyIsAnErrorAndStays() throws {
    let folder = try folder()
    let file = folder + "/meter.key"
    try "no key".write(toFile: file, atomically: false, encoding: .utf8)
    #expect(throws: PrivateKeyError.self) { try MeterKey(directory: folder, name: "meter.key") }
    #expect(try String(contentsOfFile: file, encoding: .utf8) == "no key")
    #expect(throws: PrivateKeyError.self) { try MeterKey(directory: folder + "/absent", name: "meter.key") }
  }

  @Test func theRecordSaysWhatTheReadingSays() throws {
    let key = try MeterKey(directory: try folder(), name: "meter.key")
    let meter = OCMFMeter(evse: 2, key: key)
    let reading = MeterReading(evse: 2, acquiredAtWall: Self.moment, energyImport: 1_234_056_789)
    let signed = try #require(meter.signed(reading, wall: 0).signed)
    let parts = String(decoding: signed.data, as: UTF8.self).split(separator: "|")
    #expect(parts.count == 3)
    #expect(parts[0] == "OCMF")
    let payload = try JSONSerialization.jsonObject(with: Data(parts[1].utf8)) as? [String: Any]
    #expect(payload?["PG"] as? String == "F1")
    #expect(payload?["IS"] as? Bool == false)
    #expect(parts[1].contains(#""TM":"2026-07-14T09:06:53,589+0000 I","RV":1234.056789,"RI""#))
    let section = try JSONSerialization.jsonObject(with: Data(parts[2].utf8)) as? [String: String]
    #expect(section?["SA"] == "ECDSA-secp256r1-SHA256")
    #expect(section?["SD"]?.hasPrefix("30") == true)
    #expect(signed.encodingMethod == "OCMF")
    #expect(String(decoding: signed.publicKey ?? [], as: UTF8.self).hasPrefix("oca:base16:asn1:3059301306"))
    let next = try #require(meter.signed(reading, wall: 0).signed)
    #expect(String(decoding: next.data, as: UTF8.self).contains(#""PG":"F2""#))
    #expect(meter.signed(MeterReading(evse: 2), wall: 0).signed == nil)
  }
}
