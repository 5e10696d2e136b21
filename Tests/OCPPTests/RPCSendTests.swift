import Testing

@testable import OCPP

/// What `RPCEndpoint` sends, and the message ids.
@Suite struct RPCSendTests {
  private let empty = Array("{}".utf8)

  private func text(_ frame: [UInt8]?) -> String? { frame.map { String(decoding: $0, as: UTF8.self) } }

  @Test func frames() {
    var endpoint = RPCEndpoint(version: .v201)
    #expect(
      text(endpoint.call(id: "1", action: "Authorize", payload: Array(#"{"a":"b"}"#.utf8)))
        == #"[2,"1","Authorize",{"a":"b"}]"#)
    #expect(endpoint.outstanding?.action == "Authorize")
    _ = endpoint.receive(Array(#"[2,"\"\u0001","Reset",{}]"#.utf8))
    #expect(text(endpoint.result(id: "\"\u{1}", payload: empty)) == #"[3,"\"\u0001",{}]"#)
    _ = endpoint.receive(Array(#"[2,"r","Reset",{}]"#.utf8))
    #expect(
      text(
        endpoint.error(
          id: "r", .occurrenceConstraintViolation, description: "at \"/x\"", details: Array(#"{"y":1}"#.utf8)))
        == #"[4,"r","OccurrenceConstraintViolation","at \"/x\"",{"y":1}]"#)
  }

  // Part 4, 4.1.1: no call before the one sent earlier is answered or has timed out.
  @Test func oneCallAtATime() {
    var endpoint = RPCEndpoint(version: .v201)
    #expect(endpoint.call(id: "1", action: "A", payload: empty) != nil)
    #expect(endpoint.call(id: "2", action: "B", payload: empty) == nil)
    #expect(endpoint.outstanding?.id == "1")
    endpoint.abandon()
    endpoint.abandon()
    #expect(endpoint.call(id: "2", action: "B", payload: empty) != nil)
    _ = endpoint.receive(Array(#"[4,"2","GenericError","",{}]"#.utf8))
    #expect(endpoint.call(id: "3", action: "C", payload: empty) != nil)
  }

  @Test func answersToCallsOfAnotherConnectionAreNotSent() {
    var endpoint = RPCEndpoint(version: .v201)
    #expect(endpoint.result(id: "old", payload: empty) == nil)
    #expect(endpoint.error(id: "old", .internalError, description: "") == nil)
  }

  @Test func descriptionsAreCutBetweenCharacters() {
    var endpoint = RPCEndpoint(version: .v201)
    for (description, expected) in [
      (String(repeating: "a", count: 255), String(repeating: "a", count: 255)),
      (String(repeating: "a", count: 256), String(repeating: "a", count: 255)),
      (String(repeating: "e\u{301}", count: 200), String(repeating: "e\u{301}", count: 127)),
      ("e" + String(repeating: "\u{301}", count: 300), ""),
    ] {
      _ = endpoint.receive(Array(#"[2,"r","Reset",{}]"#.utf8))
      let frame = endpoint.error(id: "r", .genericError, description: description)
      #expect((try? JSONValue.parse(frame ?? []))?.arrayValue?[3].stringValue == expected)
    }
  }

  @Test func whatOnly21CanSend() {
    let older = RPCEndpoint(version: .v201)
    #expect(older.send(id: "1", action: "NotifyPeriodicEventStream", payload: empty) == nil)
    #expect(older.resultError(id: "1", .formatViolation, description: "") == nil)
    var newer = RPCEndpoint(version: .v21)
    #expect(newer.call(id: "0", action: "A", payload: empty) != nil)
    // A SEND does not wait for a call and is not one.
    #expect(
      text(newer.send(id: "1", action: "NotifyPeriodicEventStream", payload: empty))
        == #"[6,"1","NotifyPeriodicEventStream",{}]"#)
    #expect(newer.outstanding?.id == "0")
    #expect(
      text(newer.resultError(id: "7", .typeConstraintViolation, description: "x"))
        == #"[5,"7","TypeConstraintViolation","x",{}]"#)
  }

  @Test func twoEndpointsUnderstandEachOther() {
    for version in OCPPVersion.allCases {
      var station = RPCEndpoint(version: version)
      var csms = RPCEndpoint(version: version)
      guard let call = station.call(id: "c", action: "DataTransfer", payload: Array(#"{"d":"😀\""}"#.utf8)) else {
        Issue.record("no call")
        return
      }
      #expect(csms.receive(call) == .call(id: "c", action: "DataTransfer", payload: Array(#"{"d":"😀\""}"#.utf8)))
      #expect(station.receive(csms.result(id: "c", payload: empty) ?? []) == .result(id: "c", payload: empty))
      let second = station.call(id: "d", action: "X", payload: empty) ?? []
      _ = csms.receive(second)
      #expect(
        station.receive(csms.error(id: "d", .notImplemented, description: "X?") ?? [])
          == .error(id: "d", code: "NotImplemented", description: "X?", details: empty))
    }
  }

  // MARK: Message ids

  private func ids(seed: UInt64, _ count: Int) -> [String] {
    var generator = MessageIDGenerator(random: SplitMix64(state: seed))
    return (0..<count).map { _ in generator.next() }
  }

  @Test func idsAreUUIDsOfVersion4() {
    for id in ids(seed: 1, 1000) {
      #expect(id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil, "\(id)")
    }
  }

  // Part 4, 4.1.4
  @Test func idsDoNotRepeatWithinOrAcrossStarts() {
    let all = (0..<20).flatMap { ids(seed: UInt64($0) &* 0xD134_2543_DE82_EF95, 1000) }
    #expect(Set(all).count == all.count)
    // The same seed gives the same ids: that is what a replay needs.
    #expect(ids(seed: 5, 10) == ids(seed: 5, 10))
  }

  @Test func allRandomBitsAreUsed() {
    struct Fixed: RandomNumberGenerator {
      var value: UInt64
      mutating func next() -> UInt64 { value }
    }
    var zeros = Fixed(value: 0)
    var ones = Fixed(value: .max)
    #expect(MessageIDGenerator<Fixed>.uuid(using: &zeros) == "00000000-0000-4000-8000-000000000000")
    #expect(MessageIDGenerator<Fixed>.uuid(using: &ones) == "ffffffff-ffff-4fff-bfff-ffffffffffff")
  }
}

/// A generator with a seed, so that a failure comes again.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
