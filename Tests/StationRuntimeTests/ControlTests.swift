import Hardware
import NIOCore
import NIOEmbedded
import OCPP
import StationCore
import Testing

@testable import StationRuntime

/// The rules of the control socket's contract.
struct ControlTests {
  @Test func stateHasTheFieldsOfTheContract() throws {
    let control = try ControlBench()
    let answer = try control.client().answer(#"{"id":1,"cmd":"state"}"#)
    #expect(answer["id"] == 1)
    #expect(answer["ok"] == true)
    let station = answer["station"]
    #expect(station?["id"] == "cp001")
    #expect(
      station?["csms"]
        == [
          "connected": true, "url": "ws://csms", "registration": "Accepted", "protocol": "ocpp2.0.1",
          "securityProfile": 1,
          "tls": nil, "served": nil,
        ])
    #expect(station?["network"] == ["online": true])
    #expect(station?["faults"] == [])
    #expect(answer["ledger"] == ["bytesWritten": 12345, "commits": 3, "checkpoints": 2])
    let evses = answer["evses"]?.arrayValue ?? []
    #expect(evses.map { $0["id"] } == [1, 2])
    #expect(evses.first?["transaction"] == .null)
    #expect(evses.first?["reservationId"] == .null)
    #expect(evses.last?["transaction"] == ["id": "T", "chargingState": "Charging", "idToken": "DEADBEEF", "seqNo": 3])
    let meter = evses.first?["meter"]
    #expect(meter?["energyWh"] == 0)
    #expect(meter?["powerW"] == 0)
    #expect(meter?["currentA"] == [0, 0, 0])
    #expect(meter?["voltageV"] == [230, 230, 230])
    let connector = evses.first?["connectors"]?.arrayValue?.first
    for (name, value) in [
      ("id", 1), ("type", "sType2"), ("status", "Available"), ("plugged", false), ("locked", false),
    ]
      as [(String, JSONValue)]
    {
      #expect(connector?[name] == value)
    }
  }

  @Test(arguments: ["7", "\"seven\"", "true", "null", "-1.5"]) func anyScalarIsEchoedAsId(id: String) throws {
    let answers = try ControlBench().client().ask(#"{"cmd":"plugOut","evse":1,"id":\#(id)}"#)
    #expect(answers == [#"{"id":\#(id),"ok":true}"#])
  }

  @Test(arguments: [
    ("nonsense", "the line is not JSON: "), (#"{"id":1,"cmd":"state""#, "the line is not JSON: "),
    ("[1,2]", "the line is not a JSON object"), (#"{"id":[],"cmd":"state"}"#, "field id is not a JSON scalar"),
    (#"{"id":1}"#, "field cmd is missing"), (#"{"id":1,"cmd":7}"#, "field cmd: 7 given, expected a string"),
    (#"{"id":1,"cmd":"plugin","evse":1}"#, #"unknown cmd "plugin"; did you mean plugIn?"#),
    (#"{"id":1,"cmd":"xyzzy"}"#, #"unknown cmd "xyzzy""#),
    (#"{"id":1,"cmd":"plugIn"}"#, "field evse is missing"),
    (#"{"id":1,"cmd":"maintenance","action":"acceptMeter","evse":1}"#, "evse 1 has no real meter"),
    (#"{"id":1,"cmd":"maintenance","action":"resetRCD","evse":1}"#, "evse 1 has no RCD that can be reset from here"),
    (#"{"id":1,"cmd":"maintenance","action":"recheckContactor","evse":1}"#, "evse 1 has no contactor on GPIO lines"),
    (#"{"id":1,"cmd":"plugIn","evse":"1"}"#, #"field evse: "1" given, expected a whole number"#),
    (#"{"id":1,"cmd":"plugIn","evse":1.5}"#, "field evse: 1.5 given, expected a whole number"),
    (#"{"id":1,"cmd":"plugIn","evse":9}"#, "evse 9 does not exist, expected 1-2"),
    (#"{"id":1,"cmd":"plugIn","evse":99999999999999999999}"#, "field evse: 99999999999999999999 given"),
    (#"{"id":1,"cmd":"plugIn","evse":1,"ev":[]}"#, "field ev: [] given, expected an object"),
    (#"{"id":1,"cmd":"plugIn","evse":1,"ev":{"mode":"XC"}}"#, #"field ev.mode: "XC" given, expected one of AC, DC"#),
    (#"{"id":1,"cmd":"plugIn","evse":1,"ev":{"maxCurrentA":1e99}}"#, "field ev.maxCurrentA: "),
    (#"{"id":1,"cmd":"swipe","idToken":""}"#, #"field idToken: "" given, expected 1 to 36 characters"#),
    (#"{"id":1,"cmd":"swipe","idToken":"A","type":"RFID"}"#, #"field type: "RFID" given, expected one of "#),
    (#"{"id":1,"cmd":"swipe","idToken":"A","evses":[3]}"#, "evses 3 does not exist"),
    (#"{"id":1,"cmd":"ev","evse":1,"state":"asleep"}"#, #"field state: "asleep" given, expected one of charging, "#),
    (#"{"id":1,"cmd":"fault","action":"raise"}"#, "field fault is missing"),
    (
      #"{"id":1,"cmd":"fault","action":"lift","fault":"X"}"#,
      #"field action: "lift" given, expected one of raise, clear"#
    ),
    (#"{"id":1,"cmd":"fault","action":"raise","fault":"X","connector":1}"#, "field connector: given without evse"),
    (#"{"id":1,"cmd":"network","online":"no"}"#, #"field online: "no" given, expected true or false"#),
    (#"{"id":1,"cmd":"meter","evse":1,"currentA":[1,2,3,4]}"#, "field currentA: [1,2,3,4] given, expected a list"),
    (#"{"id":1,"cmd":"meter","evse":1,"timestamp":"noon"}"#, #"field timestamp: "noon" given, expected a time"#),
    (#"{"id":1,"cmd":"subscribe","events":["weather"]}"#, #"field events: "weather" given, expected one of "#),
    (#"{"id":1,"cmd":"display"}"#, "this station does not have that function yet"),
  ]) func whatIsWrongIsAnsweredWithTheReason(line: String, reason: String) throws {
    let control = try ControlBench()
    let client = try control.client()
    let answer = try client.answer(line)
    #expect(answer["ok"] == false)
    let error = answer["error"]?.stringValue ?? ""
    #expect(error.hasPrefix(reason), "\(error)")
    // The connection and the station go on.
    #expect(try client.answer(#"{"id":2,"cmd":"state"}"#)["ok"] == true)
  }

  @Test func depthAndInvalidUTF8AreRefused() throws {
    let client = try ControlBench().client()
    let deep = String(repeating: "[", count: 10_000)
    #expect(try client.answer(#"{"id":1,"cmd":"state","x":"# + deep)["ok"] == false)
    try client.channel.writeInbound(ByteBuffer(bytes: Array(#"{"id":1,"cmd":""#.utf8) + [0xFF, 0x22, 0x7D, 0x0A]))
    let answers = try client.lines()
    #expect(answers.count == 1)
    #expect(answers.first?.contains(#""ok":false"#) == true)
  }

  @Test func aPlugInIsSeenByTheCoreBeforeItIsAnswered() throws {
    let control = try ControlBench()
    let client = try control.client()
    #expect(try client.ask(#"{"id":1,"cmd":"plugIn","evse":1,"unknown":{"a":1}}"#) == [#"{"id":1,"ok":true}"#])
    #expect(control.bench.script.inputs.contains(.hardware(.pilot(evse: 1, connector: 1, state: .b))))
    let state = try client.answer(#"{"id":2,"cmd":"state"}"#)
    #expect(state["evses"]?.arrayValue?.first?["connectors"]?.arrayValue?.first?["plugged"] == true)
  }

  @Test func aStimulusThatChangesNothingIsFine() throws {
    let client = try ControlBench().client()
    #expect(try client.ask(#"{"id":1,"cmd":"plugOut","evse":1}"#) == [#"{"id":1,"ok":true}"#])
    #expect(try client.ask(#"{"id":1,"cmd":"network","online":true}"#) == [#"{"id":1,"ok":true}"#])
  }

  @Test func aSwipeCarriesTokenTypeAndReaders() throws {
    let control = try ControlBench()
    _ = try control.client().ask(
      #"{"id":1,"cmd":"swipe","idToken":"ABBA","type":"Central","evses":[2],"additionalInfo":[{"additionalIdToken":"x","type":"y"}]}"#
    )
    let token = IdTokenType(
      idToken: "ABBA", type: .central, additionalInfo: [AdditionalInfoType(additionalIdToken: "x", type: "y")])
    #expect(control.bench.script.inputs.last == .hardware(.token(TokenPresentation(idToken: token, evses: [2]))))
  }

  @Test func quantitiesAreExact() throws {
    let control = try ControlBench()
    let client = try control.client()
    _ = try client.ask(#"{"id":1,"cmd":"meter","evse":1,"energyWh":1234.567,"powerW":7360,"currentA":[32,0.1,0]}"#)
    let state = try client.answer(#"{"id":2,"cmd":"state"}"#)
    let meter = state["evses"]?.arrayValue?.first?["meter"]
    #expect(meter?["energyWh"]?.text == "1234.567")
    #expect(meter?["powerW"]?.text == "7360")
    #expect(meter?["currentA"]?.text == "[32,0.1,0]")
  }

  @Test func faultsAreListedByName() throws {
    let client = try ControlBench().client()
    _ = try client.ask(#"{"id":1,"cmd":"fault","action":"raise","fault":"GroundFailure","evse":1}"#)
    _ = try client.ask(#"{"id":1,"cmd":"fault","action":"raise","fault":"UnderVoltage"}"#)
    let state = try client.answer(#"{"id":2,"cmd":"state"}"#)
    #expect(state["station"]?["faults"] == ["UnderVoltage"])
    #expect(state["evses"]?.arrayValue?.first?["faults"] == ["GroundFailure"])
    #expect(state["evses"]?.arrayValue?.last?["faults"] == [])
  }

  @Test func commandsOfAConnectionTakeEffectInTheirOrder() throws {
    let control = try ControlBench()
    let client = try control.client()
    try client.type(
      #"{"id":1,"cmd":"plugIn","evse":1}"# + "\n" + #"{"id":2,"cmd":"plugOut","evse":1}"# + "\r\n\n"
        + #"{"id":3,"cmd":"plugIn","evse":2}"# + "\n" + #"{"id":4,"cmd":"pl"#)
    #expect(try client.lines() == [#"{"id":1,"ok":true}"#, #"{"id":2,"ok":true}"#, #"{"id":3,"ok":true}"#])
    try client.type(#"ugOut","evse":2}"# + "\n")
    #expect(try client.lines() == [#"{"id":4,"ok":true}"#])
    let pilots: [HardwareEvent] = control.bench.script.inputs.compactMap {
      if case .hardware(let event) = $0, case .pilot = event { return event }
      return nil
    }
    #expect(
      pilots == [
        .pilot(evse: 1, connector: 1, state: .b), .pilot(evse: 1, connector: 1, state: .a),
        .pilot(evse: 2, connector: 1, state: .b), .pilot(evse: 2, connector: 1, state: .a),
      ])
  }

  @Test func networkCutsAndRestores() throws {
    let control = try ControlBench()
    let client = try control.client()
    #expect(try client.answer(#"{"id":1,"cmd":"network","online":false}"#)["ok"] == true)
    #expect(control.bench.link.calls == [.disconnect(1006)])
    #expect(try client.answer(#"{"id":2,"cmd":"state"}"#)["station"]?["network"] == ["online": false])
    #expect(try client.answer(#"{"id":3,"cmd":"network","online":true}"#)["ok"] == true)
    #expect(control.bench.script.told == [.network(online: false), .network(online: true)])
  }

  @Test func dataTransferIsAnsweredWhenTheCSMSHasAnswered() throws {
    let control = try ControlBench()
    let client = try control.client()
    #expect(try client.ask(#"{"id":5,"cmd":"dataTransfer","vendorId":"v","messageId":"m","data":{"a":[1]}}"#) == [])
    #expect(
      control.bench.script.told == [
        .control(id: 1, .dataTransfer(vendorId: "v", messageId: "m", data: ["a": [1]]))
      ])
    #expect(try client.ask(#"{"id":6,"cmd":"plugOut","evse":1}"#) == [#"{"id":6,"ok":true}"#])
    control.bench.script.answer = { input in
      guard case .link(.pong) = input else { return [] }
      return [.controlReply(id: 1, .success(["status": "Accepted", "data": 2]))]
    }
    control.bench.runtime.linkEvent(.pong)
    #expect(try client.lines() == [#"{"id":5,"ok":true,"status":"Accepted","data":2}"#])
    // Twice answered is answered once.
    control.bench.runtime.linkEvent(.pong)
    #expect(try client.lines() == [])
  }

  @Test func aCSMSThatNeverAnswersIsWaitedForSoLongOnly() throws {
    let control = try ControlBench()
    let client = try control.client()
    _ = try client.ask(#"{"id":5,"cmd":"dataTransfer","vendorId":"v"}"#)
    control.bench.advance(milliseconds: 59_999)
    #expect(try client.lines() == [])
    control.bench.advance(milliseconds: 1)
    #expect(try client.lines() == [#"{"id":5,"ok":false,"error":"the CSMS has not answered within 60 s"}"#])
  }

  @Test func soManyMayWaitForTheCSMSAndNotOneMore() throws {
    let client = try ControlBench().client()
    for _ in 0..<ControlDesk.pendingLimit { _ = try client.ask(#"{"id":5,"cmd":"dataTransfer","vendorId":"v"}"#) }
    #expect(try client.answer(#"{"id":6,"cmd":"dataTransfer","vendorId":"v"}"#)["ok"] == false)
  }

  @Test func eventsGoToThoseWhoSubscribedToThem() throws {
    let control = try ControlBench()
    let all = try control.client()
    let some = try control.client()
    let none = try control.client()
    #expect(try all.ask(#"{"id":1,"cmd":"subscribe"}"#) == [#"{"id":1,"ok":true}"#])
    #expect(try some.ask(#"{"id":1,"cmd":"subscribe","events":["csms"]}"#) == [#"{"id":1,"ok":true}"#])
    control.bench.script.answer = { input in
      guard case .link(.pong) = input else { return [] }
      return [
        .event(StationEvent(event: "transaction", fields: [JSONMember(name: "evse", value: 1)])),
        .event(StationEvent(event: "csms", fields: [JSONMember(name: "connected", value: true)])),
      ]
    }
    control.bench.runtime.linkEvent(.pong)
    #expect(try all.lines() == [#"{"event":"transaction","evse":1}"#, #"{"event":"csms","connected":true}"#])
    #expect(try some.lines() == [#"{"event":"csms","connected":true}"#])
    #expect(try none.lines() == [])
  }

  @Test func aRebootIsAnsweredFirst() throws {
    for (cause, ending) in [
      ("powerLoss", StationRuntime.Ending.restart(.powerUp, abrupt: true)),
      ("watchdog", .restart(.watchdog, abrupt: true)), ("localReset", .restart(.localReset, abrupt: false)),
    ] {
      let control = try ControlBench()
      control.bench.script.answer = { $0 == .shutdown ? [.stopped] : [] }
      let client = try control.client()
      #expect(try client.ask(#"{"id":1,"cmd":"reboot","cause":"\#(cause)"}"#) == [#"{"id":1,"ok":true}"#])
      #expect(control.bench.endings == [ending])
    }
  }

  // MARK: Limits

  @Test func aLineThatIsTooLongEndsTheConnection() throws {
    let client = try ControlBench().client()
    try client.type(String(repeating: "x", count: ControlServer.lineLimit))
    #expect(try client.lines() == [])
    try client.type("xx")
    #expect(try client.lines() == [#"{"id":null,"ok":false,"error":"the line is longer than 1048576 bytes"}"#])
    #expect(!client.channel.isActive)
  }

  @Test func tooManyClientsAreTurnedAwayUntilOneLeaves() throws {
    let control = try ControlBench()
    let clients = try (0..<ControlServer.clientLimit).map { _ in try control.client() }
    let refused = try control.client()
    #expect(try refused.lines().first?.contains("64 clients are connected") == true)
    #expect(!refused.channel.isActive)
    try clients[7].channel.close().wait()
    #expect(try control.client().answer(#"{"id":1,"cmd":"state"}"#)["ok"] == true)
  }

  @Test func aClientThatEndsItsInputGetsItsAnswers() throws {
    let control = try ControlBench()
    let quick = try control.client()
    try quick.type(#"{"id":1,"cmd":"plugOut","evse":1}"#)
    quick.endInput()
    #expect(try quick.lines() == [#"{"id":1,"ok":true}"#])
    #expect(!quick.channel.isActive)

    let waiting = try control.client()
    _ = try waiting.ask(#"{"id":5,"cmd":"dataTransfer","vendorId":"v"}"#)
    waiting.endInput()
    #expect(waiting.channel.isActive)
    control.bench.script.answer = { input in
      if case .link(.pong) = input { return [.controlReply(id: 1, .failure(ControlError("offline")))] }
      return []
    }
    control.bench.runtime.linkEvent(.pong)
    #expect(try waiting.lines() == [#"{"id":5,"ok":false,"error":"offline"}"#])
    #expect(!waiting.channel.isActive)
  }

  @Test func stoppingClosesAllClientsAndRemovesTheFile() throws {
    let control = try ControlBench()
    let client = try control.client()
    control.desk.close()
    #expect(!client.channel.isActive)
    #expect(throws: Never.self) { _ = try ControlSocketFile(listeningAt: control.folder.path + "/s") }
  }
}
