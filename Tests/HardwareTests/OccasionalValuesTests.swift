import OCPP
import StationCore
import Testing

@testable import DeviceModel
@testable import Hardware

@Suite("What a meter measures beside the polled values") struct OccasionalValuesTests {
  private static func at(_ seconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(seconds) * 1_000_000_000)
  }

  private static func field(_ address: Int) -> MeterField {
    let span = MeterField.Span(function: 3, address: address, registers: 1)
    return MeterField(parts: [.init(span: span, type: .int16, lowWordFirst: false, scale: DecimalNumber(1))])
  }

  private let reactive = MeterQuantity(.powerReactive)
  private let factor = MeterQuantity(.powerFactor, phase: 2)

  /// `powerReactive` in register 3, which each poll of 0 to 4 reads; `powerFactor.L2` in 100.
  private func values() -> (values: OccasionalValues, polls: BlockPlan) {
    let bus = ModbusBus(ModbusEndpoint.tcp(host: "127.0.0.1", port: 9))
    let unit = RegisterScan.Unit(bus: bus, unit: 1, pause: .zero, priority: .leisure, attempts: 1)
    let reader = FieldReader(unit: unit, maxRegisters: 10, maxGap: 10)
    let fields = [reactive: Self.field(3), factor: Self.field(100)]
    let polls = BlockPlan([Self.field(0), Self.field(4)], maxRegisters: 10, maxGap: 10)
    return (OccasionalValues(fields, reader: reader), polls)
  }

  private func registers(_ word: UInt16, at seconds: Int) -> FieldReader.Outcome {
    .registers(.init(values: [3: [100: word]], acquiredAt: Self.at(seconds)))
  }

  @Test func whatPollsReadAnywayIsNotAskedFor() throws {
    var (values, polls) = values()
    let started = values.begin(beside: polls, at: Self.at(100))
    let begun = try #require(started)
    #expect(begun.fields == [Self.field(100)])
    #expect(values.known(beside: [3: [3: 7]], at: Self.at(100)).numbers == [reactive: 7000])
    #expect(values.known(beside: [3: [3: 7]], at: Self.at(100)).invalid == [:])
    values.ended(registers(1, at: 101), begun.reader, at: Self.at(101))
    #expect(values.known(beside: [3: [3: 8]], at: Self.at(102)).numbers == [reactive: 8000, factor: 1000])
  }

  @Test func everyTenSecondsAndNeverTwiceAtATime() throws {
    var (values, polls) = values()
    let started = values.begin(beside: polls, at: Self.at(100))
    let begun = try #require(started)
    #expect(!values.isDue(at: Self.at(120)))
    let second = values.begin(beside: polls, at: Self.at(120))
    #expect(second == nil)
    values.ended(registers(1, at: 101), begun.reader, at: Self.at(101))
    #expect(!values.isDue(at: Self.at(109)))
    #expect(values.isDue(at: Self.at(110)))
  }

  @Test func aValueThatIsTooOldIsAbsent() throws {
    var (values, polls) = values()
    let started = values.begin(beside: polls, at: Self.at(100))
    let begun = try #require(started)
    values.ended(registers(1, at: 101), begun.reader, at: Self.at(101))
    #expect(values.known(beside: [:], at: Self.at(116)).numbers == [factor: 1000])
    #expect(values.known(beside: [:], at: Self.at(117)).numbers == [:])
    values.forget()
    #expect(values.known(beside: [:], at: Self.at(102)).numbers == [:])
  }

  @Test func aMeterThatDoesNotAnswerIsAskedLessOften() throws {
    var (values, polls) = values()
    var waits: [Int] = []
    var now = 100
    for _ in 0..<8 {
      let started = values.begin(beside: polls, at: Self.at(now))
      let begun = try #require(started)
      values.ended(.failed(.silent), begun.reader, at: Self.at(now))
      let next = try #require((1...700).first { values.isDue(at: Self.at(now + $0)) })
      waits.append(next)
      now += next
    }
    #expect(waits == [20, 40, 80, 160, 320, 600, 600, 600])
  }

  @Test func signsBecomeMeasurands() {
    var values = MeterValues([:], in: [:])
    values.numbers = [
      .init(.energyImport, phase: 1): 1, .init(.energyExport, phase: 3): 2, .init(.power, phase: 2): -3,
      .init(.powerReactive): 4, .init(.powerFactor): -500, .init(.temperature): 20_000, .init(.energySum): 9,
      .init(.energyImport): 5, .init(.power): 6,
    ]
    #expect(
      values.others(inverted: false) == [
        MeterSample(.energyActiveImportRegister, phase: .l1, thousandths: 1),
        MeterSample(.energyActiveExportRegister, phase: .l3, thousandths: 2),
        MeterSample(.powerActiveImport, phase: .l2, thousandths: 0),
        MeterSample(.powerActiveExport, phase: .l2, thousandths: 3),
        MeterSample(.powerReactiveImport, thousandths: 4), MeterSample(.powerReactiveExport, thousandths: 0),
        MeterSample(.powerFactor, thousandths: -500),
      ])
    #expect(
      values.others(inverted: true) == [
        MeterSample(.energyActiveExportRegister, phase: .l1, thousandths: 1),
        MeterSample(.energyActiveImportRegister, phase: .l3, thousandths: 2),
        MeterSample(.powerActiveImport, phase: .l2, thousandths: 3),
        MeterSample(.powerActiveExport, phase: .l2, thousandths: 0),
        MeterSample(.powerReactiveImport, thousandths: 0), MeterSample(.powerReactiveExport, thousandths: 4),
        MeterSample(.powerFactor, thousandths: 500),
      ])
  }

  @Test func whatNoSupplyHasIsLeftOut() {
    let limits = MeterJudge.Limits(maxPower: 22_000_000, energyStep: 1, staleAfter: .seconds(10))
    var judge = MeterJudge(evse: 1, limits: limits, start: Self.at(0))
    var reading = MeterReading(evse: 1, energyImport: 1)
    let sound = [
      MeterSample(.powerFactor, thousandths: -1000),
      MeterSample(.powerActiveImport, phase: .l1, thousandths: 44_000_000),
    ]
    reading.others =
      sound + [
        MeterSample(.powerFactor, thousandths: 1001), MeterSample(.powerReactiveImport, thousandths: 44_000_001),
        MeterSample(.energyActiveImportRegister, phase: .l1, thousandths: -1),
      ]
    let verdict = judge.judge(reading, at: Self.at(1))
    #expect(verdict.reading.quality == .good)
    #expect(verdict.reading.value?.others == sound)
  }

  /// A register that was set back takes those of its phases with it.
  @Test func aChangedRegisterTellsNoPhases() {
    let limits = MeterJudge.Limits(maxPower: 22_000_000, energyStep: 1, staleAfter: .seconds(10))
    var judge = MeterJudge(evse: 1, limits: limits, start: Self.at(0))
    _ = judge.judge(MeterReading(evse: 1, energyImport: 1_000_000_000), at: Self.at(1))
    var reading = MeterReading(evse: 1, energyImport: 1)
    let factor = MeterSample(.powerFactor, thousandths: 900)
    reading.others = [MeterSample(.energyActiveImportRegister, phase: .l1, thousandths: 1), factor]
    let verdicts = (2...4).map { judge.judge(reading, at: Self.at($0)) }
    #expect(verdicts.last?.raised.map(\.name) == ["EnergyRegisterChanged"])
    #expect(verdicts.last?.reading.value?.others == [factor])
  }
}
