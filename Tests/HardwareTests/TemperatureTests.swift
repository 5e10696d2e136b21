import OCPP
import StationCore
import Testing

@testable import DeviceModel
@testable import Hardware

@Suite struct TemperatureTests {
  private static func at(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  private func judge(scale: String = "1", offset: Int = 0) -> TemperatureJudge {
    TemperatureJudge(
      TemperatureBinding(
        component: ComponentID("TemperatureSensor", evse: 1), path: "P",
        scale: DecimalNumber(scale) ?? DecimalNumber(1),
        offsetMilliC: offset, pollIntervalMs: 1000, staleAfterMs: 5000, plausibleC: -40...150), at: Self.at(0))
  }

  @Test func values() {
    #expect(judge().milliCelsius("45250\n") == .success(45_250))
    #expect(judge().milliCelsius("-5000") == .success(-5000))
    #expect(judge(scale: "0.1").milliCelsius("253000\n") == .success(25_300))
    #expect(judge(scale: "62.5").milliCelsius("401") == .success(25_062))
    #expect(judge(scale: "1000", offset: -273_150).milliCelsius("300") == .success(26_850))
    #expect(judge().milliCelsius("150000") == .success(150_000))
    for text in ["150001", "-40001", "", "abc", "1 2", "85000C", "99999999999999999999", "9223372036854775807"] {
      guard case .failure = judge().milliCelsius(text) else {
        Issue.record("\(text) was taken")
        continue
      }
    }
  }

  @Test func staleIsUnknownWithAFault() {
    var judge = judge()
    #expect(
      judge.read(.success("20000\n"), at: Self.at(1000))?.reading
        == .good(.temperature(milliCelsius: 20_000), at: Self.at(1000)))
    #expect(judge.read(.failure(DeviceFailure(text: "gone")), at: Self.at(5999)) == nil)
    let lost = judge.read(.success("999000"), at: Self.at(6000))
    #expect(lost?.reading == .unknown("P: 999 C, expected -40 to 150 C", since: Self.at(1000)))
    #expect(lost?.raised.map(\.name) == ["TemperatureSensorFailure"])
    #expect(judge.read(.failure(DeviceFailure(text: "gone")), at: Self.at(7000)) == nil)
    let back = judge.read(.success("21000"), at: Self.at(8000))
    #expect(back?.cleared.map(\.name) == ["TemperatureSensorFailure"])
    #expect(judge.read(.success("21000"), at: Self.at(9000))?.cleared == [])
  }
}
