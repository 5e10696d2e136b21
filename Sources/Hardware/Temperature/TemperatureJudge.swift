import DeviceModel
import OCPP
import StationCore

/// What a temperature file's content is worth, in virtual time. A value that cannot be is none; after `staleAfterMs` without a
/// value the temperature is unknown, with the fault `TemperatureSensorFailure`, until there is one again.
struct TemperatureJudge: Sendable {
  private let binding: TemperatureBinding
  private var lastGood: MonotonicTime
  private var isFailed = false

  init(_ binding: TemperatureBinding, at now: MonotonicTime) {
    self.binding = binding
    lastGood = now
  }

  /// Thousandths of a degree; a text when it is none.
  func milliCelsius(_ content: String) -> Result<Int64, DeviceFailure> {
    let text = content.prefix { $0 != "\n" }
    guard let number = DecimalNumber(text), let scaled = Self.product(number, binding.scale) else {
      return .failure(DeviceFailure(text: "\"\(text.prefix(20))\" is no number"))
    }
    let value = scaled + Int64(binding.offsetMilliC)
    let range = Int64(binding.plausibleC.lowerBound) * 1000...Int64(binding.plausibleC.upperBound) * 1000
    guard range.contains(value) else {
      return .failure(
        DeviceFailure(
          text: "\(value / 1000) C, expected \(binding.plausibleC.lowerBound) to \(binding.plausibleC.upperBound) C"))
    }
    return .success(value)
  }

  /// Rounded towards zero; `nil` when it does not fit.
  private static func product(_ a: DecimalNumber, _ b: DecimalNumber) -> Int64? {
    let (mantissa, overflows) = a.mantissa.multipliedReportingOverflow(by: b.mantissa)
    guard !overflows else { return nil }
    var value = mantissa
    let exponent = a.exponent + b.exponent
    for _ in 0..<abs(exponent) {
      if exponent < 0 {
        value /= 10
      } else {
        let (next, overflows) = value.multipliedReportingOverflow(by: 10)
        guard !overflows else { return nil }
        value = next
      }
    }
    // Room for the offset.
    return value.magnitude < 1 << 50 ? value : nil
  }

  /// What is to be reported of one attempt to read, which began at `time`.
  mutating func read(_ content: Result<String, DeviceFailure>, at time: MonotonicTime) -> DriverUpdate? {
    let fault = HardwareFault(
      name: PilotFaults.temperature, evse: binding.component.evse ?? 0, connector: binding.component.connector)
    switch content.flatMap(milliCelsius) {
    case .success(let value):
      lastGood = time
      defer { isFailed = false }
      return DriverUpdate(
        .good(.temperature(milliCelsius: value), at: time), cleared: isFailed ? [fault] : [])
    case .failure(let failure):
      guard time >= lastGood + .milliseconds(binding.staleAfterMs), !isFailed else { return nil }
      isFailed = true
      return DriverUpdate(
        .unknown("\(binding.path): \(failure.text)", since: lastGood), raised: [fault],
        health: .failed(failure.text))
    }
  }
}
