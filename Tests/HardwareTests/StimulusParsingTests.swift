import Hardware
import OCPP
import StationCore
import Testing

@Suite("Simulated hardware: stimuli of the control socket")
struct StimulusParsingTests {
  private func parse(_ json: String) throws -> Result<Stimulus, StimulusError>? {
    let object = try JSONValue.parse(json)
    return Stimulus.parse(cmd: try #require(object["cmd"]?.stringValue), fields: object)
  }

  struct Good: Sendable, CustomTestStringConvertible {
    var json: String
    var stimulus: Stimulus

    init(_ json: String, _ stimulus: Stimulus) {
      self.json = json
      self.stimulus = stimulus
    }

    var testDescription: String { json }

    static let token = IdTokenType(idToken: "DEADBEEF", type: .iso14443)

    static let all: [Good] = [
      Good(#"{"id":7,"cmd":"plugIn","evse":1}"#, .plugIn(evse: 1, connector: 1, ev: SimulatedEV())),
      Good(
        #"{"cmd":"plugIn","evse":2,"connector":2,"ev":{"mode":"AC","maxCurrentA":16.5,"phases":3,"chargeDelayMs":20,"cableA":20}}"#,
        .plugIn(
          evse: 2, connector: 2,
          ev: SimulatedEV(maxCurrent: 16_500, phases: 3, chargeDelay: 20, cableRating: 20))),
      Good(
        #"{"cmd":"plugIn","evse":1,"ev":{"mode":"DC","batteryCapacityWh":5e4,"soc":12.345,"color":"red"},"extra":[1]}"#,
        .plugIn(
          evse: 1, connector: 1,
          ev: SimulatedEV(mode: .dc, batteryCapacity: 50_000_000, stateOfCharge: 12_345))),
      Good(
        #"{"cmd":"plugIn","evse":1,"ev":{"mode":"DC","iso15118":null}}"#,
        .plugIn(evse: 1, connector: 1, ev: SimulatedEV(mode: .dc, stateOfCharge: 20_000))),
      Good(
        #"{"cmd":"plugIn","evse":1,"ev":{"energyNeededWh":1.5}}"#,
        .plugIn(evse: 1, connector: 1, ev: SimulatedEV(energyNeeded: 1_500))),
      Good(#"{"cmd":"plugOut","evse":1}"#, .plugOut(evse: 1, connector: 1)),
      Good(#"{"cmd":"plugOut","evse":3,"connector":2}"#, .plugOut(evse: 3, connector: 2)),
      Good(#"{"cmd":"swipe","idToken":"DEADBEEF","evses":null}"#, .swipe(token, evses: nil)),
      Good(#"{"cmd":"swipe","idToken":"DEADBEEF","evses":[1,2]}"#, .swipe(token, evses: [1, 2])),
      Good(
        #"{"cmd":"swipe","idToken":"x","type":"Central","additionalInfo":[{"additionalIdToken":"a","type":"t"}]}"#,
        .swipe(
          IdTokenType(
            idToken: "x", type: .central, additionalInfo: [AdditionalInfoType(additionalIdToken: "a", type: "t")]),
          evses: nil)),
      Good(#"{"cmd":"ev","evse":1,"state":"suspended","soc":null}"#, .ev(evse: 1, .suspended, stateOfCharge: nil)),
      Good(#"{"cmd":"ev","evse":1,"state":"charging","soc":80}"#, .ev(evse: 1, .charging, stateOfCharge: 80_000)),
      Good(
        #"{"cmd":"fault","action":"raise","fault":"UnderVoltage"}"#,
        .raiseFault(HardwareFault(name: "UnderVoltage", evse: 0, severity: .high))),
      Good(
        #"{"cmd":"fault","action":"raise","fault":"X","evse":1,"connector":1,"severity":"low"}"#,
        .raiseFault(HardwareFault(name: "X", evse: 1, connector: 1, severity: .low))),
      Good(
        #"{"cmd":"fault","action":"clear","fault":"X","evse":1,"connector":null}"#,
        .clearFault(name: "X", evse: 1, connector: nil)),
      Good(
        #"{"cmd":"meter","evse":0,"energyWh":6000,"powerW":7360.25,"currentA":[32,0.5,0],"voltageV":[230.1],"frequencyHz":50.01,"soc":55.5,"timestamp":"2026-03-14T10:26:53.589+01:00"}"#,
        .meter(
          evse: 0,
          MeterSetting(
            energyImport: 6_000_000, power: 7_360_250, current: [32_000, 500, 0], voltage: [230_100],
            frequency: 50_010, stateOfCharge: 55_500, acquiredAtWall: 1_773_480_413_589), hold: true)),
      Good(#"{"cmd":"meter","evse":1,"hold":false}"#, .meter(evse: 1, MeterSetting(), hold: false)),
      Good(#"{"cmd":"meter","evse":1,"energyWh":0.0005}"#, .meter(evse: 1, MeterSetting(energyImport: 1), hold: true)),
      Good(#"{"cmd":"lock","evse":1,"stuck":true}"#, .lock(evse: 1, connector: 1, stuck: true)),
    ]
  }

  @Test("Fields, their defaults, and numbers as integers or decimals", arguments: Good.all)
  func good(_ good: Good) throws {
    #expect(try parse(good.json) == .success(good.stimulus))
  }

  @Test(
    "What does not fit is named with what was expected",
    arguments: [
      (#"{"cmd":"plugIn"}"#, "evse is missing, expected an EVSE id"),
      (#"{"cmd":"plugIn","evse":null}"#, "evse is missing, expected an EVSE id"),
      (#"{"cmd":"plugIn","evse":"1"}"#, #"evse is "1", expected an integer"#),
      (#"{"cmd":"plugIn","evse":1.5}"#, "evse is 1.5, expected an integer"),
      (
        #"{"cmd":"plugIn","evse":99999999999999999999999}"#,
        "evse is 99999999999999999999999, expected an integer"
      ),
      (#"{"cmd":"plugIn","evse":1,"connector":true}"#, "connector is true, expected an integer"),
      (#"{"cmd":"plugIn","evse":1,"ev":[]}"#, "ev is [], expected an object"),
      (#"{"cmd":"plugIn","evse":1,"ev":{"mode":"ac"}}"#, #"ev.mode is "ac", expected AC, DC"#),
      (#"{"cmd":"plugIn","evse":1,"ev":{"maxCurrentA":"32"}}"#, #"ev.maxCurrentA is "32", expected a number"#),
      (#"{"cmd":"plugIn","evse":1,"ev":{"maxCurrentA":1e300}}"#, "ev.maxCurrentA is 1e300, expected a number"),
      (#"{"cmd":"plugIn","evse":1,"ev":{"maxCurrentA":9e18}}"#, "ev.maxCurrentA is 9000000000000000000, expected a number"),
      (#"{"cmd":"plugIn","evse":1,"ev":{"chargeDelayMs":0.5}}"#, "ev.chargeDelayMs is 0.5, expected an integer"),
      (
        #"{"cmd":"plugIn","evse":1,"ev":{"iso15118":{"payment":"contract"}}}"#,
        "ev.iso15118 is not supported yet, expected an EV without it"
      ),
      (#"{"cmd":"swipe"}"#, "idToken is missing, expected a string of at most 36 characters"),
      (#"{"cmd":"swipe","idToken":123}"#, "idToken is 123, expected a string"),
      (
        #"{"cmd":"swipe","idToken":"A","type":"RFID"}"#,
        #"type is "RFID", expected Central, eMAID, ISO14443, ISO15693, KeyCode, Local, MacAddress, NoAuthorization"#
      ),
      (#"{"cmd":"swipe","idToken":"A","evses":1}"#, "evses is 1, expected an array of integers"),
      (#"{"cmd":"swipe","idToken":"A","evses":[1,"2"]}"#, #"evses[1] is "2", expected an integer"#),
      (#"{"cmd":"swipe","idToken":"A","additionalInfo":[]}"#, "additionalInfo is [], expected at least one item"),
      (#"{"cmd":"swipe","idToken":"A","additionalInfo":[3]}"#, "additionalInfo[0] is 3, expected an object"),
      (
        #"{"cmd":"swipe","idToken":"A","additionalInfo":[{"type":"t"}]}"#,
        "additionalInfo[0].additionalIdToken is missing, expected a string"
      ),
      (
        #"{"cmd":"swipe","idToken":"A","additionalInfo":[{"additionalIdToken":"1234567890123456789012345678901234567","type":"t"}]}"#,
        #"additionalInfo[0].additionalIdToken is "1234567890123456789012345678901234567", expected at most 36 characters"#
      ),
      (#"{"cmd":"ev","evse":1}"#, "state is missing, expected charging, suspended, stopped"),
      (#"{"cmd":"ev","evse":1,"state":"off"}"#, #"state is "off", expected charging, suspended, stopped"#),
      (#"{"cmd":"fault","action":"raise"}"#, "fault is missing, expected a name such as GroundFailure"),
      (#"{"cmd":"fault","fault":"X"}"#, "action is missing, expected raise, clear"),
      (#"{"cmd":"fault","fault":"X","action":"set"}"#, #"action is "set", expected raise, clear"#),
      (#"{"cmd":"fault","fault":"X","action":"raise","severity":9}"#, "severity is 9, expected a string"),
      (
        #"{"cmd":"fault","fault":"X","action":"raise","severity":"medium"}"#,
        #"severity is "medium", expected high, low"#
      ),
      (#"{"cmd":"meter"}"#, "evse is missing, expected an EVSE id"),
      (#"{"cmd":"meter","evse":1,"currentA":16}"#, "currentA is 16, expected an array of numbers"),
      (#"{"cmd":"meter","evse":1,"currentA":[16,null]}"#, "currentA[1] is null, expected a number"),
      (#"{"cmd":"meter","evse":1,"hold":"yes"}"#, #"hold is "yes", expected true or false"#),
      (
        #"{"cmd":"meter","evse":1,"timestamp":"now"}"#,
        #"timestamp is "now", expected a time such as 2026-03-14T09:26:53.589Z"#
      ),
      (#"{"cmd":"lock","evse":1}"#, "stuck is missing, expected true or false"),
      (#"{"cmd":"lock","evse":1,"stuck":1}"#, "stuck is 1, expected true or false"),
    ])
  func bad(_ json: String, _ text: String) throws {
    #expect(try parse(json) == .failure(StimulusError(text)))
  }

  @Test("Long values are cut in messages")
  func longValue() throws {
    let error = try #require(try parse(#"{"cmd":"lock","evse":1,"stuck":"\#(String(repeating: "x", count: 5_000))"}"#))
    guard case .failure(let error) = error else { return #expect(Bool(false), "\(error)") }
    #expect(error.text.count < 120)
  }

  @Test("Other commands are not for the hardware, and only objects are commands")
  func others() throws {
    #expect(Stimulus.parse(cmd: "state", fields: .object([])) == nil)
    #expect(
      Stimulus.parse(cmd: "lock", fields: .array([])) == .failure(StimulusError("the command is [], expected an object")))
  }
}
