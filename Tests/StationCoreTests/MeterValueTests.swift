import DeviceModel
import OCPP
import StationCore
import Testing

@Suite("Meter values: measurands, places, intervals, signatures")
struct MeterValueTests {
  private let session = ["TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected"]

  /// Everything a meter can say.
  private func full(_ evse: Int, importWh: Int64 = 5000, power: Int64 = -1500) -> MeterReading {
    var reading = MeterReading(
      evse: evse, energyImport: importWh * 1000, energyExport: 700_000, power: power * 1000,
      current: [-6000, 7000, 0], voltage: [230_100, 229_900, 231_000], frequency: 49_980, stateOfCharge: 55_500)
    reading.others = [
      MeterSample(.energyActiveImportRegister, phase: .l1, thousandths: 2_000_000),
      MeterSample(.powerReactiveImport, thousandths: 120_000), MeterSample(.powerFactor, thousandths: 980),
      MeterSample(.powerActiveImport, phase: .l2, thousandths: 800_000),
    ]
    return reading
  }

  /// `measurand phase value unit` of each sample.
  private func samples(_ value: JSONValue?) -> [String] {
    (value?["sampledValue"]?.arrayValue ?? []).map { sample in
      let number = sample["value"].map { String(decoding: $0.bytes, as: UTF8.self) }
      return [
        sample["measurand"]?.stringValue, sample["phase"]?.stringValue, number,
        sample["unitOfMeasure"]?["unit"]?.stringValue,
      ].compactMap { $0 }.joined(separator: " ")
    }
  }

  /// The shipped lists name what the simulated meter gives; an integrator names what his gives.
  private func bench(_ measurands: String, _ settings: [String: String] = [:]) throws -> StationBench {
    try StationBench.withVariables(["AlignedDataCtrlr": [("Measurands", "string", measurands)]], settings)
  }

  private func triggered(_ bench: StationBench, _ evse: Int) -> StationBench.Call? {
    bench.forgetCalls()
    bench.call("TriggerMessage", ["requestedMessage": "MeterValues", "evse": ["id": .int(evse)]])
    return bench.calls("MeterValues").first
  }

  // Proves: J01.FR.02, J01.FR.05, J01.FR.06, J01.FR.07, J01.FR.08, J01.FR.10, J01.FR.11, J01.FR.17
  @Test func allMeasurandsPerPhaseAndInTotal() throws {
    let measurands = [
      "Energy.Active.Import.Register", "Energy.Active.Export.Register", "Energy.Active.Net", "Power.Active.Import",
      "Power.Active.Export", "Power.Reactive.Import", "Power.Factor", "Current.Import", "Current.Export", "Voltage",
      "Frequency", "SoC",
    ]
    let bench = try bench(measurands.joined(separator: ","))
    bench.input(.hardware(.meter(full(1))))
    let call = triggered(bench, 1)
    #expect(call?["evseId"] == 1)
    #expect(call?["meterValue"]?.arrayValue?.count == 1)
    #expect(call?.text("meterValue.0.timestamp") == "2026-01-01T00:00:00.000Z")
    #expect(
      samples(call?["meterValue.0"]) == [
        "Energy.Active.Import.Register 5000 Wh", "Energy.Active.Import.Register L1 2000 Wh",
        "Energy.Active.Export.Register 700 Wh", "Energy.Active.Net 4300 Wh", "Power.Active.Import 0 W",
        "Power.Active.Import L2 800 W", "Power.Active.Export 1500 W", "Power.Reactive.Import 120 var",
        "Power.Factor 0.98", "Current.Import L1 0 A", "Current.Import L2 7 A", "Current.Import L3 0 A",
        "Current.Export L1 6 A", "Current.Export L2 0 A", "Current.Export L3 0 A", "Voltage L1-N 230.1 V",
        "Voltage L2-N 229.9 V", "Voltage L3-N 231 V", "Frequency 49.98 Hz", "SoC 55.5 Percent",
      ])
    let contexts = call?["meterValue.0.sampledValue"]?.arrayValue?.map { $0["context"]?.stringValue }
    #expect(contexts?.allSatisfy { $0 == "Trigger" } == true)
    #expect(try Replay.run(bench.journal).difference == nil)
    // What a meter does not measure is absent, not zero.
    bench.input(.hardware(.meter(MeterReading(evse: 1, energyImport: 1000))))
    #expect(samples(triggered(bench, 1)?["meterValue.0"]) == ["Energy.Active.Import.Register 1 Wh"])
  }

  // Proves: J01.FR.02, J01.FR.03, J01.FR.04, J01.FR.09, J01.FR.14
  @Test func theMainMeterIsTheStationsAndAtItsInlet() throws {
    let bench = try bench("Energy.Active.Import.Register", ["AlignedDataCtrlr/Interval": "900"])
    bench.readings = [0: full(0, importWh: 90_000), 1: full(1), 2: full(2, importWh: 6000)]
    bench.forgetCalls()
    bench.wait(seconds: 901)
    let calls = bench.calls("MeterValues")
    #expect(calls.map { $0["evseId"]?.intValue } == [0, 1, 2])
    let places = calls.map { $0.text("meterValue.0.sampledValue.0.location") }
    #expect(places == ["Inlet", "Outlet", "Outlet"])
    #expect(calls.map { $0["meterValue.0.sampledValue.0.value"]?.intValue } == [90_000, 5000, 6000])
  }

  /// The register as the meter has it, and what was added since the last value of the same kind.
  // Proves: J01.FR.14, J02.FR.11, J02.FR.16, J02.FR.17, J02.FR.22
  @Test func registersAndIntervals() {
    let list = "Energy.Active.Import.Register,Energy.Active.Import.Interval"
    let bench = StationBench(
      session.merging(["SampledDataCtrlr/TxUpdatedInterval": "60", "SampledDataCtrlr/TxUpdatedMeasurands": list]) { $1 }
    ).boot()
    bench.meter(2, wattHours: 77_000)
    bench.meter(1, wattHours: 123_456)
    bench.plugIn(1)
    bench.swipe(evses: [1])
    bench.pilot(.c, 1)
    bench.forgetCalls()
    for energy in [123_556, 123_800, 123_800] as [Int64] {
      bench.wait(seconds: 59)
      bench.meter(1, wattHours: energy)
      bench.wait(seconds: 1)
    }
    let values = bench.calls("TransactionEvent").filter { $0.text("triggerReason") == "MeterValuePeriodic" }
    #expect(
      values.map { samples($0["meterValue.0"]) } == [
        ["Energy.Active.Import.Register 123556 Wh", "Energy.Active.Import.Interval 100 Wh"],
        ["Energy.Active.Import.Register 123800 Wh", "Energy.Active.Import.Interval 244 Wh"],
        ["Energy.Active.Import.Register 123800 Wh", "Energy.Active.Import.Interval 0 Wh"],
      ])
    #expect(values.allSatisfy { $0["evse.id"] == 1 })
  }

  /// What the meter counts per phase has intervals per phase; a register that was set back, or is new, has none.
  // Proves: J02.FR.11, J02.FR.16
  @Test func intervalsPerPhase() {
    let list = "Energy.Active.Import.Interval,Energy.Reactive.Import.Interval"
    let bench = StationBench(
      session.merging(["SampledDataCtrlr/TxUpdatedInterval": "60", "SampledDataCtrlr/TxUpdatedMeasurands": list]) { $1 }
    ).boot()
    func meter(_ values: [(MeasurandEnumType, PhaseEnumType?, Int64)]) {
      var reading = MeterReading(evse: 1, energyImport: 1_000_000)
      reading.others = values.map { MeterSample($0.0, phase: $0.1, thousandths: $0.2) }
      bench.input(.hardware(.meter(reading)))
    }
    meter([(.energyActiveImportRegister, .l1, 500), (.energyActiveImportRegister, .l2, 700)])
    bench.plugIn(1)
    bench.swipe(evses: [1])
    bench.pilot(.c, 1)
    bench.wait(seconds: 59)
    meter([
      (.energyActiveImportRegister, .l1, 1500), (.energyActiveImportRegister, .l2, 600),
      (.energyReactiveImportRegister, nil, 9000),
    ])
    bench.wait(seconds: 1)
    let value = bench.calls("TransactionEvent").last
    #expect(
      samples(value?["meterValue.0"]) == [
        "Energy.Active.Import.Interval 0 Wh", "Energy.Active.Import.Interval L1 1 Wh",
      ])
  }

  /// A meter that falls silent leaves a gap; the interval after it holds what was counted meanwhile.
  // Proves: J02.FR.10, J02.FR.18
  @Test func aSilentMeterLeavesAGap() {
    let list = "Energy.Active.Import.Register,Energy.Active.Import.Interval"
    let bench = StationBench(
      session.merging(["SampledDataCtrlr/TxUpdatedInterval": "100", "SampledDataCtrlr/TxUpdatedMeasurands": list]) {
        $1
      }
    ).boot()
    bench.meter(wattHours: 1000)
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.forgetCalls()
    bench.wait(seconds: 350)
    #expect(!bench.calls("TransactionEvent").contains { $0["meterValue"] != nil })
    bench.meter(wattHours: 1900)
    bench.wait(seconds: 50)
    let value = bench.calls("TransactionEvent").last
    #expect(samples(value?["meterValue.0"]).last == "Energy.Active.Import.Interval 900 Wh")
    // Its time is the reading's, within the sampling interval.
    #expect(value?.text("timestamp") == "2026-01-01T00:06:40.000Z")
    #expect(value?.text("meterValue.0.timestamp") == "2026-01-01T00:05:50.000Z")
  }

  // Proves: J01.FR.19, J01.FR.20
  @Test(arguments: [true, false]) func nothingOnTheClockDuringATransaction(wholeStation: Bool) throws {
    let name = wholeStation ? "AlignedDataCtrlr/SendDuringIdle" : "AlignedDataCtrlr@1/SendDuringIdle"
    let bench = try StationBench.withVariables(
      ["AlignedDataCtrlr": [], "AlignedDataCtrlr@1": [("SendDuringIdle", "boolean", "false")]],
      session.merging([name: "true", "AlignedDataCtrlr/Interval": "900"]) { $1 })
    bench.readings = [0: full(0), 1: full(1), 2: full(2)]
    bench.plugIn(1)
    bench.forgetCalls()
    bench.wait(seconds: 901)
    #expect(bench.calls("MeterValues").map { $0["evseId"]?.intValue } == (wholeStation ? [] : [0, 2]))
    #expect(!bench.events.contains { $0.contains("MeterValueClock") })
    bench.plugOut(1)
    bench.forgetCalls()
    bench.wait(seconds: 900)
    #expect(bench.calls("MeterValues").map { $0["evseId"]?.intValue } == [0, 1, 2])
  }
}
