import DeviceModel
import StationCore
import Testing

@testable import Hardware

@Suite struct MeterJudgeTests {
  private static func at(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  /// 22 kW, steps of 10 Wh.
  private static func judge() -> MeterJudge {
    MeterJudge(
      evse: 1,
      limits: .init(maxPower: 22_000_000, energyStep: 10_000, staleAfter: .seconds(10)), start: at(0))
  }

  private static func reading(_ wattHours: Int64, power: Int64 = 11_000_000) -> MeterReading {
    MeterReading(
      evse: 1, energyImport: wattHours * 1000, power: power, current: [16_000], voltage: [230_000], frequency: 50_000)
  }

  private func isSuspect(_ verdict: MeterJudge.Verdict) -> Bool {
    if case .suspect = verdict.reading.quality { true } else { false }
  }

  @Test func energyRisesWithThePower() {
    var judge = Self.judge()
    for second in 0..<3600 {
      // 22 kW are 6.1 Wh a second; the register counts in 10 Wh.
      let verdict = judge.judge(Self.reading(Int64(second) * 6111 / 10_000 * 10), at: Self.at(second * 1000))
      #expect(verdict.reading.quality == .good)
      #expect(verdict.reading.acquiredAt == Self.at(second * 1000))
    }
  }

  @Test func aGlitchIsSuspectAndReadAgain() {
    var judge = Self.judge()
    _ = judge.judge(Self.reading(1_000_000), at: Self.at(0))
    for wrong in [Int64(241), 999_999, 1_000_100, 9_000_000] {
      let verdict = judge.judge(Self.reading(wrong), at: Self.at(1000))
      #expect(isSuspect(verdict), "\(wrong) Wh")
      #expect(verdict.readAgain)
      #expect(verdict.raised.isEmpty)
      let again = judge.judge(Self.reading(1_000_003), at: Self.at(1100))
      #expect(again.reading.quality == .good)
      #expect(again.reading.value?.energyImport == 1_000_003_000)
      judge = Self.judge()
      _ = judge.judge(Self.reading(1_000_000), at: Self.at(0))
    }
  }

  @Test func suspectReadingsThatDisagreeAreNoChange() {
    var judge = Self.judge()
    _ = judge.judge(Self.reading(1_000_000), at: Self.at(0))
    for (index, wrong) in [241, 50, 5_000_000, 230, 12].enumerated() {
      let verdict = judge.judge(Self.reading(Int64(wrong)), at: Self.at(1000 + 100 * index))
      #expect(isSuspect(verdict))
      #expect(verdict.raised.isEmpty)
    }
    #expect(judge.judge(Self.reading(1_000_006), at: Self.at(2000)).reading.quality == .good)
  }

  @Test func aReplacedMeterIsAFaultAndItsEnergyIsNotPassedOn() {
    var judge = Self.judge()
    _ = judge.judge(Self.reading(1_000_000), at: Self.at(0))
    #expect(isSuspect(judge.judge(Self.reading(5), at: Self.at(1000))))
    #expect(isSuspect(judge.judge(Self.reading(5), at: Self.at(1100))))
    let third = judge.judge(Self.reading(6), at: Self.at(2000))
    #expect(third.raised == [HardwareFault(name: "EnergyRegisterChanged", evse: 1)])
    #expect(third.reading.quality == .good)
    #expect(third.reading.value?.energyImport == nil)
    #expect(third.reading.value?.power == 11_000_000)
    // Even the old register does not come back by itself, and the fault is raised once.
    let fourth = judge.judge(Self.reading(1_000_100), at: Self.at(3000))
    #expect(fourth.reading.value?.energyImport == nil)
    #expect(fourth.raised.isEmpty)
    #expect(judge.acceptChange() == [HardwareFault(name: "EnergyRegisterChanged", evse: 1)])
    #expect(judge.acceptChange().isEmpty)
    #expect(judge.judge(Self.reading(9), at: Self.at(4000)).reading.value?.energyImport == 9000)
    #expect(isSuspect(judge.judge(Self.reading(8), at: Self.at(5000))))
  }

  @Test func theExportRegisterIsWatchedToo() {
    var judge = Self.judge()
    var reading = Self.reading(10)
    reading.energyExport = 500_000
    _ = judge.judge(reading, at: Self.at(0))
    reading.energyExport = 499_000
    #expect(isSuspect(judge.judge(reading, at: Self.at(1000))))
    // Absent for once, it is still compared with.
    reading.energyExport = nil
    #expect(judge.judge(reading, at: Self.at(1100)).reading.quality == .good)
    reading.energyExport = 499_000
    #expect(isSuspect(judge.judge(reading, at: Self.at(1200))))
  }

  @Test func whatNoSupplyHas() {
    for change: (inout MeterReading) -> Void in [
      { $0.power = 99_000_000 }, { $0.power = .min }, { $0.voltage = [230_000, 1_000_001] }, { $0.voltage = [-1] },
      { $0.current = [.min] }, { $0.frequency = 230_000 }, { $0.energyImport = -1 },
    ] {
      var judge = Self.judge()
      var reading = Self.reading(1000)
      change(&reading)
      #expect(isSuspect(judge.judge(reading, at: Self.at(0))))
    }
  }

  @Test func silenceBecomesAFaultOnceAndEnds() {
    var judge = Self.judge()
    _ = judge.judge(Self.reading(1000), at: Self.at(1000))
    for second in 2...10 {
      let verdict = judge.missed("no answer", at: Self.at(second * 1000))
      #expect(verdict.reading == .unknown("no answer", since: Self.at(1000)))
      #expect(verdict.raised.isEmpty)
    }
    let fault = HardwareFault(name: "PowerMeterFailure", evse: 1)
    #expect(judge.missed("no answer", at: Self.at(11_000)).raised == [fault])
    #expect(judge.missed("no answer", at: Self.at(12_000)).raised.isEmpty)
    // After a long silence much may have flowed.
    let back = judge.judge(Self.reading(1100), at: Self.at(61_000))
    #expect(back.reading.quality == .good)
    #expect(back.cleared == [fault])
  }

  @Test func aMeterThatNeverAnswersIsAFault() {
    var judge = Self.judge()
    #expect(judge.missed("no answer", at: Self.at(9999)).raised.isEmpty)
    #expect(judge.missed("no answer", at: Self.at(10_000)).raised.count == 1)
  }

  @Test func nothingIsStampedAnew() {
    var judge = Self.judge()
    _ = judge.judge(Self.reading(1000), at: Self.at(5000))
    #expect(isSuspect(judge.judge(Self.reading(1000), at: Self.at(4000))))
  }

  // MARK: What the core gets

  @Test func onlyGoodReadingsReachTheCore() {
    let fault = HardwareFault(name: "PowerMeterFailure", evse: 1)
    let good = MeterUpdate(reading: .good(Self.reading(1), at: Self.at(1000)), cleared: [fault], health: .working)
    var stamped = Self.reading(1)
    stamped.acquiredAtWall = 1_780_000_000_000 - 250
    #expect(good.events(now: Self.at(1250), wall: 1_780_000_000_000) == [.meter(stamped), .faultCleared(fault)])
    let suspect = MeterUpdate(
      reading: .suspect(Self.reading(1), "fell", at: Self.at(1000)), raised: [fault], health: .degraded("fell"))
    #expect(suspect.events(now: Self.at(1250), wall: 0) == [.faultRaised(fault)])
    let unknown = MeterUpdate(reading: .unknown("no answer", since: Self.at(0)), health: .failed("no answer"))
    #expect(unknown.events(now: Self.at(1250), wall: 0).isEmpty)
  }

  @Test func aMeterWiredBackwards() {
    var values = MeterValues([:], in: [:])
    values.numbers = [
      .init(.energyImport): 1, .init(.energyExport): 2, .init(.power): -3, .init(.current, phase: 1): -4,
      .init(.current, phase: 2): 5, .init(.voltage, phase: 1): 6,
    ]
    let reading = values.reading(evse: 2, inverted: true)
    #expect(reading.energyImport == 2)
    #expect(reading.energyExport == 1)
    #expect(reading.power == 3)
    #expect(reading.current == [4, 5])
    #expect(values.reading(evse: 2, inverted: false).current == [-4, 5])
  }

  @Test func aMissingPhaseDoesNotMoveTheOthers() {
    var values = MeterValues([:], in: [:])
    values.numbers = [.init(.current, phase: 1): 1, .init(.current, phase: 3): 3]
    #expect(values.reading(evse: 1, inverted: false).current == [1])
  }
}
