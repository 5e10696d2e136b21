import Testing

@testable import OCPP

/// What `RPCEndpoint` makes of received messages; OCPP-J Part 4 chapter 4.
@Suite struct RPCReceiveTests {
  typealias Event = RPCEndpoint.Event

  private func receive(_ text: String, _ version: OCPPVersion = .v201) -> Event {
    var endpoint = RPCEndpoint(version: version)
    return endpoint.receive(Array(text.utf8))
  }

  /// An endpoint whose call `a` (`Heartbeat`) is outstanding.
  private func calling(_ version: OCPPVersion = .v201) -> RPCEndpoint {
    var endpoint = RPCEndpoint(version: version)
    _ = endpoint.call(id: "a", action: "Heartbeat", payload: Array("{}".utf8))
    return endpoint
  }

  /// The CALLERROR of a `.reply`, read by the independent path of `JSONValue`.
  private func reply(_ event: Event, _ place: SourceLocation = #_sourceLocation) -> (id: String, code: String)? {
    guard case .reply(let frame, let reason) = event else {
      Issue.record("no reply: \(event)", sourceLocation: place)
      return nil
    }
    #expect(!reason.isEmpty, sourceLocation: place)
    guard let elements = (try? JSONValue.parse(frame))?.arrayValue, elements.count == 5, elements[0] == 4,
      let id = elements[1].stringValue, let code = elements[2].stringValue, let description = elements[3].stringValue,
      elements[4] == [:]
    else {
      Issue.record("no CALLERROR: \(String(decoding: frame, as: UTF8.self))", sourceLocation: place)
      return nil
    }
    #expect(description.unicodeScalars.count <= 255, sourceLocation: place)
    #expect(id.unicodeScalars.count <= 36, sourceLocation: place)
    return (id, code)
  }

  // MARK: CALL

  @Test(arguments: [
    (
      #"[2,"19223201","BootNotification",{"a":[1,{"b":null}]}]"#, "19223201", "BootNotification",
      #"{"a":[1,{"b":null}]}"#
    ),
    (" [ 2 , \"x\" ,\n\"Reset\"\t,\r\n{ \"type\" : \"Immediate\" } ] ", "x", "Reset", #"{ "type" : "Immediate" }"#),
    (#"[2,"\u0041\n\ud83d\ude00","R\u0065set",{}]"#, "A\n😀", "Reset", "{}"),
    (#"[2,"","",{}]"#, "", "", "{}"),
    // Part 4, 4.1.5: null is a notation of no payload.
    (#"[2,"x","Heartbeat",null]"#, "x", "Heartbeat", "{}"),
    // The case of an action matters; that it is unknown is not for this layer to say.
    (#"[2,"x","heartbeat",{}]"#, "x", "heartbeat", "{}"),
    (#"[2,"\#(String(repeating: "ä", count: 36))","A",{}]"#, String(repeating: "ä", count: 36), "A", "{}"),
    (#"[2,"x","A",{"n":1e999,"k":1,"k":2}]"#, "x", "A", #"{"n":1e999,"k":1,"k":2}"#),
  ])
  func call(_ text: String, _ id: String, _ action: String, _ payload: String) {
    #expect(receive(text) == .call(id: id, action: action, payload: Array(payload.utf8)))
  }

  @Test(arguments: [
    // Not JSON, or no array, or nothing that tells the type.
    ("", "-1", "RpcFrameworkError"),
    (" ", "-1", "RpcFrameworkError"),
    ("hello", "-1", "RpcFrameworkError"),
    ("\u{0}", "-1", "RpcFrameworkError"),
    ("[2\u{0}", "-1", "RpcFrameworkError"),
    ("\u{FEFF}[2,\"x\",\"A\",{}]", "-1", "RpcFrameworkError"),
    ("{}", "-1", "RpcFrameworkError"),
    (#"{"messageTypeId":2}"#, "-1", "RpcFrameworkError"),
    ("null", "-1", "RpcFrameworkError"),
    (#""[2]""#, "-1", "RpcFrameworkError"),
    ("2", "-1", "RpcFrameworkError"),
    ("[]", "-1", "RpcFrameworkError"),
    ("[", "-1", "RpcFrameworkError"),
    ("]", "-1", "RpcFrameworkError"),
    ("[,]", "-1", "RpcFrameworkError"),
    ("[null]", "-1", "RpcFrameworkError"),
    ("[[2]]", "-1", "RpcFrameworkError"),
    (#"["2","x","A",{}]"#, "x", "RpcFrameworkError"),
    (#"[true,"x","A",{}]"#, "x", "RpcFrameworkError"),
    // Number of elements.
    ("[2]", "-1", "RpcFrameworkError"),
    (#"[2,"x"]"#, "x", "RpcFrameworkError"),
    (#"[2,"x","A"]"#, "x", "RpcFrameworkError"),
    (#"[2,"x",{}]"#, "x", "RpcFrameworkError"),
    (#"[2,"x","A",{},{}]"#, "x", "RpcFrameworkError"),
    (#"[2,"x",{},"A",{}]"#, "x", "RpcFrameworkError"),
    (#"[2,"x","A",{},1,2,3,4,5,6,7,8]"#, "x", "RpcFrameworkError"),
    // The id.
    (#"[2,1,"A",{}]"#, "-1", "RpcFrameworkError"),
    (#"[2,null,"A",{}]"#, "-1", "RpcFrameworkError"),
    (#"[2,["x"],"A",{}]"#, "-1", "RpcFrameworkError"),
    (#"[2,"\#(String(repeating: "a", count: 37))","A",{}]"#, "-1", "RpcFrameworkError"),
    (#"[2,"\#(String(repeating: "😀", count: 37))","A",{}]"#, "-1", "RpcFrameworkError"),
    (#"[2,"\#(String(repeating: "a", count: 100_000))","A",{}]"#, "-1", "RpcFrameworkError"),
    (#"[2,"x\ud800","A",{}]"#, "-1", "RpcFrameworkError"),
    // The action.
    (#"[2,"x",7,{}]"#, "x", "RpcFrameworkError"),
    (#"[2,"x",null,{}]"#, "x", "RpcFrameworkError"),
    // The payload.
    (#"[2,"x","A",[]]"#, "x", "ProtocolError"),
    (#"[2,"x","A","{}"]"#, "x", "ProtocolError"),
    (#"[2,"x","A",1]"#, "x", "ProtocolError"),
    (#"[2,"x","A",true]"#, "x", "ProtocolError"),
    // JSON that breaks: before the action is read, and behind it.
    (#"[2,"x"#, "-1", "RpcFrameworkError"),
    (#"[2,"x""#, "x", "RpcFrameworkError"),
    (#"[2,"x","A"#, "x", "RpcFrameworkError"),
    (#"[2,"x" "A",{}]"#, "x", "RpcFrameworkError"),
    (#"[2,"x","A",{"a":}]"#, "x", "FormatViolation"),
    (#"[2,"x","A",{"a":1"#, "x", "FormatViolation"),
    (#"[2,"x","A",{a:1}]"#, "x", "FormatViolation"),
    (#"[2,"x","A",{"a":NaN}]"#, "x", "FormatViolation"),
    (#"[2,"x","A",{"a":01}]"#, "x", "FormatViolation"),
    (#"[2,"x","A",{"a":"\q"}]"#, "x", "FormatViolation"),
    (#"[2,"x","A",{"a":"\#u{1}"}]"#, "x", "FormatViolation"),
    (#"[2,"x","A",{}"#, "x", "FormatViolation"),
    (#"[2,"x","A",{},]"#, "x", "FormatViolation"),
    (#"[2,"x","A",{}] trailing"#, "x", "FormatViolation"),
    (#"[2,"x","A",{}][2,"y","A",{}]"#, "x", "FormatViolation"),
    (#"[2,"x","A",'{}']"#, "x", "FormatViolation"),
  ])
  func badCall(_ text: String, _ id: String, _ code: String) {
    for version in OCPPVersion.allCases {
      let answer = reply(receive(text, version))
      #expect(answer?.id == id)
      #expect(answer?.code == code)
    }
  }

  @Test func invalidUTF8IsRefusedWithTheIDIfThatIsReadable() {
    var endpoint = RPCEndpoint(version: .v201)
    let inPayload = Array(#"[2,"x","A",{"a":""#.utf8) + [0xC3, 0x28] + Array(#""}]"#.utf8)
    let answer = reply(endpoint.receive(inPayload))
    #expect(answer?.id == "x" && answer?.code == "FormatViolation")
    let inID = Array(#"[2,""#.utf8) + [0xFF] + Array(#"","A",{}]"#.utf8)
    #expect(reply(endpoint.receive(inID))?.id == "-1")
  }

  @Test(arguments: ["[", "{\"a\":"])
  func deepNestingIsRefused(_ opening: String) {
    let deep = String(repeating: opening, count: 10_000)
    #expect(reply(receive(deep))?.code == "RpcFrameworkError")
    let answer = reply(receive(#"[2,"x","A",{"a":"# + deep))
    #expect(answer?.id == "x" && answer?.code == "FormatViolation")
    let closed = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
    #expect(reply(receive(#"[2,"x","A",{"a":\#(closed)}]"#))?.code == "FormatViolation")
  }

  @Test func messageBeyondTheSizeLimitIsRefused() {
    let text = #"[2,"x","A",{"a":""# + String(repeating: "a", count: JSONLimits.maxBytes) + #""}]"#
    let answer = reply(receive(text))
    #expect(answer?.id == "-1" && answer?.code == "RpcFrameworkError")
  }

  /// What was broken must not get into the answer unescaped (Part 4, 4.2.3); `reply` parses the answer.
  @Test func brokenInputDoesNotBreakTheAnswer() {
    for text in [#"[2,"x","A",""}}\u0000","#, #"["\"},{",2]"#, #"[2,"x",["\"\\"],{}]"#, #"[2,"\"]","A",{"}"#] {
      _ = reply(receive(text))
    }
    let answer = reply(receive(#"[2,"\"\\\u0001é","A",1]"#))
    #expect(answer?.id == "\"\\\u{1}é")
  }

  // MARK: The peer's calls that are unanswered

  @Test func repeatedIDIsRefusedWhileTheFirstIsHandled() {
    var endpoint = RPCEndpoint(version: .v201)
    let text = Array(#"[2,"x","Reset",{}]"#.utf8)
    guard case .call = endpoint.receive(text) else {
      Issue.record("no call")
      return
    }
    let answer = reply(endpoint.receive(text))
    #expect(answer?.id == "x" && answer?.code == "RpcFrameworkError")
    // The first is still to be answered, once.
    #expect(endpoint.result(id: "x", payload: Array("{}".utf8)) == Array(#"[3,"x",{}]"#.utf8))
    #expect(endpoint.result(id: "x", payload: Array("{}".utf8)) == nil)
    #expect(endpoint.error(id: "x", .internalError, description: "") == nil)
    // Then the id is free again, as after a retry of the peer.
    #expect(endpoint.receive(text) == .call(id: "x", action: "Reset", payload: Array("{}".utf8)))
  }

  @Test func furtherCallsAreTakenUpToTheLimit() {
    var endpoint = RPCEndpoint(version: .v201)
    for number in 0..<RPCEndpoint.maxUnansweredCalls {
      let event = endpoint.receive(Array(#"[2,"\#(number)","Reset",{}]"#.utf8))
      #expect(event == .call(id: "\(number)", action: "Reset", payload: Array("{}".utf8)))
    }
    let answer = reply(endpoint.receive(Array(#"[2,"more","Reset",{}]"#.utf8)))
    #expect(answer?.id == "more" && answer?.code == "GenericError")
    #expect(endpoint.error(id: "more", .internalError, description: "") == nil)
    // In any order.
    #expect(endpoint.error(id: "7", .notSupported, description: "no") == Array(#"[4,"7","NotSupported","no",{}]"#.utf8))
    #expect(
      endpoint.receive(Array(#"[2,"more","Reset",{}]"#.utf8))
        == .call(id: "more", action: "Reset", payload: Array("{}".utf8)))
    #expect(endpoint.result(id: "0", payload: Array("{}".utf8)) != nil)
  }

  // Part 4, 4.1.1: calls of both sides cross.
  @Test func theDirectionsAreIndependent() {
    var endpoint = calling()
    #expect(
      endpoint.receive(Array(#"[2,"a","Reset",{}]"#.utf8))
        == .call(id: "a", action: "Reset", payload: Array("{}".utf8)))
    #expect(endpoint.result(id: "a", payload: Array("{}".utf8)) == Array(#"[3,"a",{}]"#.utf8))
    #expect(endpoint.outstanding?.id == "a")
    #expect(
      endpoint.receive(Array(#"[3,"a",{"x":1}]"#.utf8)) == .result(id: "a", payload: Array(#"{"x":1}"#.utf8)))
    #expect(endpoint.outstanding == nil)
  }

  // MARK: CALLRESULT

  @Test func resultOfTheOutstandingCall() {
    for (text, payload) in [(#"[3,"a",{"b":[]}]"#, #"{"b":[]}"#), (#" [3 ,"\u0061", null ]"#, "{}")] {
      var endpoint = calling()
      #expect(endpoint.receive(Array(text.utf8)) == .result(id: "a", payload: Array(payload.utf8)))
      #expect(endpoint.outstanding == nil)
      guard case .dropped = endpoint.receive(Array(text.utf8)) else {
        Issue.record("answered twice")
        return
      }
    }
  }

  @Test(arguments: [
    #"[3,"a"]"#, #"[3,"a",{},{}]"#, #"[3,"a",[]]"#, #"[3,"a","{}"]"#, #"[3,"a",{"x":}]"#, #"[3,"a",{"x":1"#,
    #"[3,"a",{}] x"#,
  ])
  func unusableResultOfTheOutstandingCall(_ text: String) {
    var endpoint = calling()
    guard case .badResult(id: "a", let reason, reply: nil) = endpoint.receive(Array(text.utf8)) else {
      Issue.record("not a bad result")
      return
    }
    #expect(!reason.isEmpty)
    #expect(endpoint.outstanding == nil)

    // 2.1 can say so.
    var newer = calling(.v21)
    guard case .badResult(id: "a", _, let reply?) = newer.receive(Array(text.utf8)),
      let elements = (try? JSONValue.parse(reply))?.arrayValue
    else {
      Issue.record("no CALLRESULTERROR")
      return
    }
    #expect(elements.count == 5)
    #expect(elements.prefix(3) == [5, "a", "FormatViolation"])
    #expect(elements.last == [:])
  }

  @Test(arguments: OCPPVersion.allCases)
  func answersOfNothingAreDropped(_ version: OCPPVersion) {
    let texts = [
      #"[3,"b",{}]"#, #"[3,"A",{}]"#, #"[3,1,{}]"#, #"[3]"#, #"[3,"-1",{}]"#, #"[3,"b",{"#, #"[3,"b"]"#,
      #"[3,"\#(String(repeating: "a", count: 37))",{}]"#, #"[4,"b","GenericError","",{}]"#,
      #"[4,"-1","RpcFrameworkError","",{}]"#, "[4]", #"[4,null]"#, #"[4,"b""#, #"[5]"#, #"[5,1,"x","",{}]"#, "[5,",
    ]
    for text in texts {
      var endpoint = calling(version)
      guard case .dropped(let reason) = endpoint.receive(Array(text.utf8)) else {
        Issue.record("not dropped: \(text)")
        continue
      }
      #expect(!reason.isEmpty)
      #expect(endpoint.outstanding?.id == "a", "\(text)")
    }
  }

  @Test func lateAnswerIsDroppedAndExplained() {
    var endpoint = calling()
    endpoint.abandon()
    #expect(endpoint.outstanding == nil)
    #expect(endpoint.receive(Array(#"[3,"a",{}]"#.utf8)) == .dropped("late CALLRESULT for Heartbeat a"))
    #expect(
      endpoint.receive(Array(#"[4,"a","GenericError","",{}]"#.utf8)) == .dropped("late CALLERROR for Heartbeat a"))
    // Also while the next call waits.
    #expect(endpoint.call(id: "b", action: "Authorize", payload: Array("{}".utf8)) != nil)
    #expect(endpoint.receive(Array(#"[3,"a",{}]"#.utf8)) == .dropped("late CALLRESULT for Heartbeat a"))
    #expect(endpoint.outstanding?.id == "b")
  }

  /// Errata 2025-01 4.7: a retry may keep its id, so the answer of the first sending answers the retry.
  @Test func answerOfTheFirstSendingAnswersTheRetry() {
    var endpoint = calling()
    endpoint.abandon()
    #expect(endpoint.call(id: "a", action: "Heartbeat", payload: Array("{}".utf8)) != nil)
    #expect(endpoint.receive(Array(#"[3,"a",{}]"#.utf8)) == .result(id: "a", payload: Array("{}".utf8)))
  }

  // MARK: CALLERROR

  @Test(arguments: [
    (#"[4,"a","NotSupported","why",{"x":1}]"#, "NotSupported", "why", #"{"x":1}"#),
    // Both spellings, and a code that nobody knows, are kept.
    (#"[4,"a","OccurenceConstraintViolation","",{}]"#, "OccurenceConstraintViolation", "", "{}"),
    (#"[4,"a","OccurrenceConstraintViolation","",{}]"#, "OccurrenceConstraintViolation", "", "{}"),
    (#"[4,"a","MadeUp","",{}]"#, "MadeUp", "", "{}"),
    // What a careless peer leaves out.
    (#"[4,"a","InternalError","oops",null]"#, "InternalError", "oops", "{}"),
    (#"[4,"a","InternalError","oops"]"#, "InternalError", "oops", "{}"),
    (#"[4,"a","InternalError",null,[]]"#, "InternalError", "", "{}"),
    (#"[4,"a"]"#, "GenericError", "", "{}"),
    (#"[4,"a",12,13,14,15,16,17,18]"#, "GenericError", "", "{}"),
    (#"[4,"a","InternalError","cut"#, "InternalError", "", "{}"),
  ])
  func errorOfTheOutstandingCall(_ text: String, _ code: String, _ description: String, _ details: String) {
    var endpoint = calling()
    #expect(
      endpoint.receive(Array(text.utf8))
        == .error(id: "a", code: code, description: description, details: Array(details.utf8)))
    #expect(endpoint.outstanding == nil)
  }

  @Test func longErrorTextsAreCut() {
    var endpoint = calling()
    let long = String(repeating: "ä", count: 10_000)
    #expect(
      endpoint.receive(Array(#"[4,"a","\#(long)","\#(long)",{}]"#.utf8))
        == .error(
          id: "a", code: String(repeating: "ä", count: 64), description: String(repeating: "ä", count: 255),
          details: Array("{}".utf8)))
  }

  // MARK: What differs by version

  @Test(arguments: [
    #"[1,"x",{}]"#, #"[0,"x"]"#, #"[7,"x","A",{}]"#, #"[-2,"x","A",{}]"#, #"[2.0,"x","A",{}]"#, #"[2e0,"x","A",{}]"#,
    #"[22,"x","A",{}]"#, #"[99999999999999999999999,"x"]"#, #"[9,"x","#,
  ])
  func unknownMessageType(_ text: String) {
    let answer = reply(receive(text))
    #expect(answer?.id == "x" && answer?.code == "MessageTypeNotSupported")
    guard case .dropped = receive(text, .v21) else {
      Issue.record("2.1 ignores it")
      return
    }
  }

  @Test func unknownMessageTypeWithoutID() {
    #expect(reply(receive("[7]"))?.id == "-1")
    #expect(reply(receive("[7,8]"))?.id == "-1")
  }

  @Test func sendExistsIn21Only() {
    let text = #"[6,"x","NotifyPeriodicEventStream",{"id":1}]"#
    #expect(receive(text, .v21) == .send(action: "NotifyPeriodicEventStream", payload: Array(#"{"id":1}"#.utf8)))
    #expect(reply(receive(text))?.code == "MessageTypeNotSupported")
    // It is never answered, whatever is wrong with it.
    for bad in [
      #"[6,"x"]"#, #"[6,1,"A",{}]"#, #"[6,"x",1,{}]"#, #"[6,"x","A",[]]"#, #"[6,"x","A",{},1]"#, #"[6,"x","A",{"#,
    ] {
      guard case .dropped = receive(bad, .v21) else {
        Issue.record("not dropped: \(bad)")
        continue
      }
    }
  }

  @Test func callResultErrorExistsIn21Only() {
    let text = #"[5,"x","PropertyConstraintViolation","why",{"p":1}]"#
    #expect(
      receive(text, .v21)
        == .resultError(
          id: "x", code: "PropertyConstraintViolation", description: "why", details: Array(#"{"p":1}"#.utf8)))
    guard case .dropped = receive(text) else {
      Issue.record("answered")
      return
    }
  }

  // MARK: Whatever comes

  /// Every prefix of valid messages, and every one of them with one byte changed, gives an event and never two answers'
  /// worth of output; the replies are valid CALLERRORs.
  @Test func cutAndDamagedMessages() {
    let samples = [
      #"[2,"19223201","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"\u00e4","n":[1.5e3,null]}}]"#,
      #"[3,"a",{"currentTime":"2013-02-01T20:53:32.486Z","interval":300}]"#, #"[4,"a","NotSupported","no",{}]"#,
    ]
    for sample in samples.map({ Array($0.utf8) }) {
      for version in OCPPVersion.allCases {
        for length in 0..<sample.count {
          check(Array(sample[..<length]), version)
          for byte in [0x00, 0x22, 0x2C, 0x5B, 0x5C, 0x5D, 0x7B, 0x7D, 0x80, 0xC3, 0xFF] as [UInt8] {
            var damaged = sample
            damaged[length] = byte
            check(damaged, version)
          }
        }
      }
    }
  }

  @Test func randomBytes() {
    var random = SplitMix64(state: 20_260_314)
    let alphabet = Array(#"[]{}",:0123456789-+.eE\u abnrtfls"#.utf8) + [0, 0x80, 0xC3, 0xA4, 0xFF]
    for _ in 0..<20_000 {
      let length = Int.random(in: 0...60, using: &random)
      let noise = (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
      check(noise, .v201)
      check(Array(#"[2,"x","A","#.utf8) + noise, .v201)
      check(Array(#"[3,"a","#.utf8) + noise, .v21)
    }
  }

  private func check(_ message: [UInt8], _ version: OCPPVersion) {
    var endpoint = calling(version)
    switch endpoint.receive(message) {
    case .call(let id, _, let payload):
      #expect(id.unicodeScalars.count <= 36)
      #expect(payload.first == UInt8(ascii: "{") && payload.last == UInt8(ascii: "}"))
    case .reply(let frame, let reason):
      _ = reply(.reply(frame, reason: reason))
      // An answer of type 3, 4 or 5 is never answered by an error.
      #expect(!["[3,", "[4,", "[5,"].contains { message.starts(with: $0.utf8) })
    case .result, .error:
      #expect(endpoint.outstanding == nil)
    case .badResult(_, _, let reply):
      #expect(endpoint.outstanding == nil)
      #expect((reply != nil) == (version == .v21))
    case .resultError, .send, .dropped:
      #expect(endpoint.outstanding != nil)
    }
  }
}
