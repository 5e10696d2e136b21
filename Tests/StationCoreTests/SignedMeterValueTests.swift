import DeviceModel
import OCPP
import StationCore
import Testing

@Suite("Signed meter values: passed on as they are")
struct SignedMeterValueTests {
  private static let record = #"OCMF|{"FV":"1.0","GI":"METER","RD":[{"RV":1.234,"RU":"kWh"}]}|{"SD":"3045"}"#

  private func reading(_ wattHours: Int64, bytes: Int? = nil) -> MeterReading {
    var reading = MeterReading(evse: 1, energyImport: wattHours * 1000, current: [16_000, 0, 0])
    reading.signed = SignedReading(
      data: bytes.map { Array(repeating: 0x58, count: $0) } ?? Array(Self.record.utf8), encodingMethod: "OCMF",
      signingMethod: "ECDSA-secp256r1-SHA256", publicKey: [0xFF, 0xFE])
    return reading
  }

  private func bench(_ settings: [String: String], wall: Int64? = nil) throws -> StationBench {
    let all = [
      "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected",
      "SampledDataCtrlr/SignReadings": "true",
      "SampledDataCtrlr/TxUpdatedInterval": "60",
    ]
    return try StationBench.withVariables(
      [
        "SampledDataCtrlr": ["SignReadings", "SignStartedReadings", "SignUpdatedReadings"].map {
          ($0, "boolean", "false")
        },
        "AlignedDataCtrlr": ["SignReadings", "SignUpdatedReadings"].map { ($0, "boolean", "false") },
        "OCPPCommCtrlr": [("PublicKeyWithSignedMeterValue", "string", "Never")],
      ], all.merging(settings) { $1 }, wall: wall)
  }

  private func run(_ bench: StationBench) {
    bench.input(.hardware(.meter(reading(1000))))
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.wait(seconds: 59)
    bench.input(.hardware(.meter(reading(1100))))
    bench.wait(seconds: 1)
    bench.readings[1] = reading(1100)
    bench.plugOut()
    bench.wait(seconds: 2)
  }

  /// `context key` of each signed value, over all events.
  private func signed(_ bench: StationBench) -> [String] {
    bench.calls("TransactionEvent").flatMap { $0["meterValue"]?.arrayValue ?? [] }.flatMap {
      $0["sampledValue"]?.arrayValue ?? []
    }.compactMap { sample in
      sample["signedMeterValue"].map {
        "\(sample["context"]?.stringValue ?? "") \($0["publicKey"]?.stringValue ?? "none")"
      }
    }
  }

  // Proves: J02.FR.21
  @Test func whatTheMeterSignedReachesTheCSMSUnaltered() throws {
    let bench = try bench([:])
    run(bench)
    #expect(signed(bench) == ["Transaction.Begin ", "Transaction.End "])
    #expect(try Replay.run(bench.journal).difference == nil)
    let ended = bench.calls("TransactionEvent").last
    let value = ended?["meterValue.1.sampledValue.0.signedMeterValue"]
    #expect(
      value?["signedMeterData"]
        == "T0NNRnx7IkZWIjoiMS4wIiwiR0kiOiJNRVRFUiIsIlJEIjpbeyJSViI6MS4yMzQsIlJVIjoia1doIn1dfXx7IlNEIjoiMzA0NSJ9")
    #expect(value?["encodingMethod"] == "OCMF")
    #expect(value?["signingMethod"] == "ECDSA-secp256r1-SHA256")
    #expect(ended?["meterValue.1.sampledValue.0.measurand"] == "Energy.Active.Import.Register")
  }

  // Proves: J02.FR.21
  @Test(arguments: [
    ("Never", ["", "", "", ""]), ("OncePerTransaction", ["//4=", "", "", ""]),
    ("EveryMeterValue", ["//4=", "//4=", "//4=", "//4="]),
  ])
  func theKeyComesAsOftenAsConfigured(how: String, keys: [String]) throws {
    let bench = try bench([
      "OCPPCommCtrlr/PublicKeyWithSignedMeterValue": how, "SampledDataCtrlr/SignStartedReadings": "true",
      "SampledDataCtrlr/SignUpdatedReadings": "true",
    ])
    run(bench)
    let contexts = ["Transaction.Begin", "Sample.Periodic", "Transaction.Begin", "Transaction.End"]
    #expect(signed(bench) == zip(contexts, keys).map { "\($0) \($1)" })
  }

  // Proves: J01.FR.21
  @Test func clockAlignedValuesAreSignedToo() throws {
    let bench = try bench(["AlignedDataCtrlr/SignReadings": "true", "AlignedDataCtrlr/Interval": "900"])
    bench.readings = [1: reading(1000)]
    bench.wait(seconds: 901)
    let data = bench.calls("MeterValues").last?["meterValue.0.sampledValue.0.signedMeterValue.signedMeterData"]
    #expect(data?.stringValue?.hasPrefix("T0NNRnx7") == true)
  }

  /// One that is too long for the field is not cut: it is absent, and told as a problem of the meter.
  // Proves: J02.FR.21
  @Test func tooLongIsAbsentAndReported() throws {
    let bench = try bench([:])
    bench.input(.hardware(.meter(reading(1000, bytes: 1876))))
    let told = bench.calls("NotifyEvent").last
    #expect(told?.text("eventData.0.techCode") == "SignedMeterValueTooLong")
    #expect(told?.text("eventData.0.component.name") == "FiscalMetering")
    bench.plugIn()
    bench.plugOut()
    #expect(bench.calls("TransactionEvent").last?["meterValue.0.sampledValue.0.value"] == 1000)
    #expect(signed(bench) == [])
    bench.input(.hardware(.meter(reading(1000, bytes: 1875))))
    #expect(bench.calls("NotifyEvent").last?["eventData.0.cleared"] == true)
    bench.plugIn()
    bench.plugOut()
    let data = bench.calls("TransactionEvent").last?["meterValue.0.sampledValue.0.signedMeterValue.signedMeterData"]
    #expect(data?.stringValue?.count == 2500)
  }

  // Proves: J02.FR.21
  @Test func withoutTheVariableNothingIsSigned() {
    let bench = StationBench(["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"]).boot()
    run(bench)
    #expect(signed(bench) == [])
  }

  // MARK: TxStartPoint DataSigned

  private func dataSigned(_ points: String = "DataSigned", _ more: [String: String] = [:]) throws -> StationBench {
    let bench = try bench(["TxCtrlr/TxStartPoint": points].merging(more) { $1 })
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    return bench
  }

  private func events(_ bench: StationBench) -> [String] {
    bench.calls("TransactionEvent").map {
      "\($0.text("eventType") ?? "") \($0.text("triggerReason") ?? "")"
    }
  }

  /// Nothing is offered before the meter has signed; then the transaction begins with what it signed.
  // Proves: E01.FR.04, TC_E_11_CS
  @Test func aSignedReadingBeginsTheTransaction() throws {
    let bench = try dataSigned()
    bench.wait(seconds: 5)
    #expect(events(bench) == [])
    #expect(bench.offers[1] == nil)
    bench.meter(wattHours: 1001)
    #expect(events(bench) == [], "it is not signed")
    bench.input(.hardware(.meter(reading(1001))))
    #expect(events(bench).first == "Started SignedDataReceived")
    let started = bench.calls("TransactionEvent").first
    #expect(started?.text("idToken.idToken") == "DEADBEEF")
    #expect(started?["evse.connectorId"] == 1)
    #expect(started?["meterValue.0.sampledValue.0.signedMeterValue"] != nil)
    bench.wait(seconds: 3)
    #expect(events(bench).last == "Updated ChargingStateChanged")
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// A reading that was acquired before somebody was authorized begins nothing.
  // Proves: E01.FR.04
  @Test func theSignedReadingIsOfThisSession() throws {
    let bench = try bench(["TxCtrlr/TxStartPoint": "DataSigned"])
    bench.input(.hardware(.meter(reading(1000))))
    bench.wait(seconds: 2)
    bench.plugIn()
    bench.swipe()
    #expect(events(bench) == [])
    bench.input(.hardware(.meter(reading(1000))))
    #expect(events(bench) == ["Started SignedDataReceived"])
  }

  /// It is asked for once a second; after 15 s the CSMS hears of it, until a signed reading has come.
  // Proves: E01.FR.04
  @Test func aMeterThatDoesNotSignIsAFault() throws {
    let bench = try dataSigned()
    bench.forgetCalls()
    bench.wait(seconds: 14)
    #expect(bench.calls("NotifyEvent").isEmpty)
    bench.wait(seconds: 2)
    #expect(bench.calls("NotifyEvent").last?.text("eventData.0.techCode") == "SignedMeterValueMissing")
    #expect(bench.offers[1] == nil)
    bench.input(.hardware(.meter(reading(1001))))
    #expect(events(bench).first == "Started SignedDataReceived")
    #expect(bench.calls("NotifyEvent").last?["eventData.0.cleared"] == true)
  }

  /// One that is too long to be told does not help: the fault is told once, and stays until one fits.
  // Proves: E01.FR.04
  @Test func aSignedReadingThatIsTooLongBeginsNothing() throws {
    let bench = try dataSigned()
    bench.forgetCalls()
    for _ in 0..<20 {
      bench.wait(seconds: 1)
      bench.input(.hardware(.meter(reading(1001, bytes: 1876))))
    }
    #expect(events(bench) == [])
    func told() -> [String] {
      bench.notified.map {
        "\($0["techCode"]?.stringValue ?? "")\($0["cleared"] == true ? " cleared" : "")"
      }
    }
    #expect(told() == ["SignedMeterValueTooLong", "SignedMeterValueMissing"])
    bench.input(.hardware(.meter(reading(1001))))
    #expect(events(bench).first == "Started SignedDataReceived")
    // Of one place: it is told to be over when both are.
    #expect(told().dropFirst(2) == ["SignedMeterValueMissing cleared"])
  }

  /// The clock is unset and jumps while the value is waited for: an older one still does not count, a new one does.
  // Proves: E01.FR.04
  @Test(arguments: [3_600_000, -3_600_000] as [Int64]) func theClockJumpsMeanwhile(jump: Int64) throws {
    let bench = try bench(["TxCtrlr/TxStartPoint": "DataSigned"], wall: 1_577_836_800_000)  // 2020-01-01T00:00:00Z
    #expect(bench.station.clockSource == .unset)
    bench.input(.hardware(.meter(reading(1000))))
    bench.wait(seconds: 2)
    bench.plugIn()
    bench.swipe()
    bench.jumpWall(milliseconds: jump)
    bench.wait(seconds: 2)
    #expect(bench.station.clockSource == .unset)
    #expect(events(bench) == [])
    bench.input(.hardware(.meter(reading(1000))))
    #expect(events(bench) == ["Started SignedDataReceived"])
  }

  /// The clock is put right meanwhile, by the CSMS or by somebody at the machine: what is read then counts, and nothing is
  /// told twice.
  // Proves: E01.FR.04, B01.FR.06
  @Test(arguments: ["NTP", "Heartbeat"], [false, true]) func theClockIsPutRightMeanwhile(
    source: String, isLate: Bool
  ) throws {
    let bench = try dataSigned("DataSigned", ["ClockCtrlr/TimeSource": source])
    bench.forgetCalls()
    bench.wait(seconds: isLate ? 20 : 1)
    if source == "NTP" {
      bench.jumpWall(milliseconds: -600_000)
    } else {
      bench.responder = {
        $0.action == "Heartbeat" ? ["currentTime": "2025-12-31T23:50:00Z"] : StationBench.accepting($0)
      }
      bench.call("TriggerMessage", ["requestedMessage": "Heartbeat"])
      #expect(bench.station.clockOffset < -590_000)
    }
    bench.wait(seconds: 1)
    // One from before the session, as a slow meter may give it.
    var old = reading(1000)
    old.acquiredAtWall = bench.now.wall + bench.station.clockOffset - 60_000
    bench.input(.hardware(.meter(old)))
    bench.wait(seconds: 1)
    #expect(events(bench) == [])
    let told = { bench.notified.filter { $0["techCode"] == "SignedMeterValueMissing" }.map { $0["cleared"] == true } }
    #expect(told() == (isLate ? [false] : []))
    bench.input(.hardware(.meter(reading(1001))))
    #expect(events(bench).first == "Started SignedDataReceived")
    #expect(told() == (isLate ? [false, true] : []))
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// Other start points that are reached earlier count; and without SignReadings energy is the last one.
  // Proves: E01.FR.04, E01.FR.05, E01.FR.06
  @Test(arguments: [
    ("DataSigned,PowerPathClosed", "true", "Started Authorized"),
    ("DataSigned,EnergyTransfer", "true", "Started ChargingStateChanged"),
    ("DataSigned", "false", "Started ChargingStateChanged"),
  ])
  func theFirstStartPointCounts(points: String, sign: String, first: String) throws {
    let bench = try dataSigned(points, ["SampledDataCtrlr/SignReadings": sign])
    bench.wait(seconds: 3)
    #expect(events(bench).first == first)
  }
}
