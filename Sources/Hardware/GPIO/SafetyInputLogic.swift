import DeviceModel
import StationCore

/// Emergency stop, door, tilt, flood, supply-good: tripped at the first edge, clear when at rest for the debounce time.
struct SafetyInputLogic: GPIOLogic {
  private let binding: GPIOSafetyInputBinding
  private var filter: TripFilter?
  private var isFaulty = false
  private var updates: [DriverUpdate] = []

  init(_ binding: GPIOSafetyInputBinding) { self.binding = binding }

  var requests: [LineRequest] {
    // Not by the kernel, which would delay both edges.
    [LineRequest(line: binding.contact.line, direction: .input(debounce: .zero))]
  }

  private var fault: HardwareFault {
    GPIOFault.fault(evse: binding.component.evse ?? 0, connector: binding.component.connector)
  }

  mutating func ready(_ values: [Bool], at now: MonotonicTime) {
    let tripped = binding.contact.isActuated(active: values[0])
    filter = TripFilter(isTripped: tripped, debounce: .milliseconds(binding.debounceMs))
    updates.append(DriverUpdate(.good(.tripped(tripped), at: now), cleared: isFaulty ? [fault] : []))
    isFaulty = false
  }

  mutating func lost(_ failure: LineFailure, at now: MonotonicTime) {
    updates.append(
      DriverUpdate(
        .unknown(failure.text, since: now), raised: isFaulty ? [] : [fault], health: .failed(failure.text)))
    isFaulty = true
    filter = nil
  }

  mutating func edge(_ line: Int, _ edge: LineEdge, now: MonotonicTime) {
    if filter?.input(tripped: binding.contact.isActuated(active: edge.active), at: edge.at) == true { report(edge.at) }
  }

  mutating func tick(at now: MonotonicTime) {
    if filter?.tick(at: now) == true { report(now) }
  }

  private mutating func report(_ time: MonotonicTime) {
    guard let filter else { return }
    updates.append(DriverUpdate(.good(.tripped(filter.isTripped), at: time)))
  }

  var deadline: MonotonicTime? { filter?.deadline }
  mutating func takeOutputs() -> [(line: Int, active: Bool)] { [] }

  mutating func takeUpdates() -> [DriverUpdate] {
    defer { updates.removeAll() }
    return updates
  }
}
