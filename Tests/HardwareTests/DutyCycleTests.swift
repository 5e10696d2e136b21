import Testing

@testable import Hardware

@Suite struct DutyCycleTests {
  @Test(
    arguments: [
      (5999, nil), (6000, 1000), (10_000, 1666), (16_000, 2666), (32_000, 5333), (51_000, 8500), (52_000, 8500),
      (52_500, 8500), (55_000, 8600), (63_000, 8920), (80_000, 9600), (125_000, 9600),
    ] as [(Int64, Int?)])
  func offers(_ milliamperes: Int64, _ hundredths: Int?) {
    #expect(DutyCycle(offering: milliamperes)?.hundredths == hundredths)
  }

  @Test(
    arguments: [
      (0, .none), (299, .none), (300, .digitalCommunication), (500, .digitalCommunication),
      (700, .digitalCommunication),
      (701, .none), (799, .none), (800, .current(6000)), (999, .current(6000)), (1000, .current(6000)),
      (2666, .current(15_996)), (8500, .current(51_000)), (8600, .current(55_000)), (9600, .current(80_000)),
      (9700, .current(80_000)), (9701, .none), (10_000, .none),
    ] as [(Int, DutyCycle.Meaning)])
  func meanings(_ hundredths: Int, _ meaning: DutyCycle.Meaning) {
    #expect(DutyCycle(hundredths: hundredths)?.meaning == meaning)
  }

  @Test func nobodyIsOfferedMoreThanIsMeant() throws {
    for current in stride(from: Int64(6000), through: 80_000, by: 7) {
      let duty = try #require(DutyCycle(offering: current))
      guard case .current(let drawn) = duty.meaning else { throw Lost(current) }
      #expect(drawn <= current && drawn > current - 1700)
    }
    #expect(DutyCycle(hundredths: 10_001) == nil && DutyCycle(hundredths: -1) == nil)
  }

  private struct Lost: Error { init(_: Int64) {} }

  @Test func levels() {
    let expected: [(Int, PilotLevel)] = [
      (12_000, .plus12), (11_000, .plus12), (10_999, .between), (10_000, .plus9), (8000, .plus9), (7999, .between),
      (7000, .plus6), (5000, .plus6), (4999, .between), (4000, .plus3), (2000, .plus3), (1500, .between),
      (1000, .zero), (-1000, .zero), (-1001, .between), (-10_999, .between), (-11_000, .minus12),
    ]
    for (millivolts, level) in expected { #expect(PilotLevel(millivolts: millivolts) == level, "\(millivolts) mV") }
    #expect(PilotSample(highMillivolts: 6000, lowMillivolts: -12_000).diode == true)
    #expect(PilotSample(highMillivolts: 6000, lowMillivolts: -6000).diode == false)
    #expect(PilotSample(highMillivolts: 6000, lowMillivolts: nil).diode == nil)
  }
}
