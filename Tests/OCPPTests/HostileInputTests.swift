import OCPP
import Testing

/// Damaged messages are refused, or read as something that can be written again; they never stop the process.
@Suite struct HostileInputTests {
  /// xorshift: the same damage in every run.
  private struct Random {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15

    mutating func next(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state >> 1) % bound
    }
  }

  private func tryAll(_ json: [UInt8], _ counts: inout (accepted: Int, refused: Int)) {
    for version in OCPPVersion.allCases {
      do throws(PayloadError) {
        let value = try TransactionEventRequest.decode(json, version: version)
        #expect(throws: Never.self) { try value.encodeChecked(version: version) }
        counts.accepted += 1
      } catch {
        #expect(error.offset <= json.count)
        #expect(error.path.utf8.count <= JSONLimits.maxPathLength)
        counts.refused += 1
      }
    }
    let tree = try? JSONValue.parse(json)
    let skipped = try? JSONReader.read(json) { (r: inout JSONReader) throws(JSONFailure) in try r.skipValue() }
    // Only keys that come twice are refused by one and not by the other.
    if tree != nil { #expect(skipped != nil) }
  }

  @Test func cutAnywhere() throws {
    let json = try Samples.bytes("TransactionEventRequest")
    var counts = (accepted: 0, refused: 0)
    for length in 0..<json.count { tryAll(Array(json[..<length]), &counts) }
    #expect(counts.accepted == 0)
  }

  @Test func bytesChanged() throws {
    let json = try Samples.bytes("TransactionEventRequest")
    let interesting = Array(#"{}[]",:\u0eE-+.9tfn"#.utf8) + [0x00, 0x1F, 0x80, 0xC3, 0xED, 0xF4, 0xFF]
    var random = Random()
    var counts = (accepted: 0, refused: 0)
    for _ in 0..<1500 {
      var damaged = json
      for _ in 0...random.next(3) {
        let place = random.next(damaged.count)
        switch random.next(4) {
        case 0: damaged[place] = interesting[random.next(interesting.count)]
        case 1: damaged[place] = UInt8(random.next(256))
        case 2: damaged.insert(interesting[random.next(interesting.count)], at: place)
        default: damaged.removeSubrange(place..<min(damaged.count, place + 1 + random.next(20)))
        }
      }
      tryAll(damaged, &counts)
    }
    #expect(counts.accepted > 30)
    #expect(counts.refused > 500)
  }

  @Test func everyMessageRefusesWhatIsNoObject() throws {
    for version in OCPPVersion.allCases {
      for action in OCPPAction.all(in: version) {
        for suffix in ["Request", "Response", ""] {
          guard let type = OCPPAction.payloadType(action + suffix, version: version) else { continue }
          for json in [
            "", "null", "[]", "1", "\"x\"", "{", "{\"\":0}", "{\"customData\":{\"vendorId\":1}}",
            "{\"customData\":null}",
          ] {
            #expect(throws: PayloadError.self, "\(action)\(suffix): \(json)") {
              try type.decode(Array(json.utf8), version: version)
            }
          }
        }
      }
    }
  }
}
