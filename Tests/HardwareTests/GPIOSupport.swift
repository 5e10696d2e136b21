import DeviceModel
import StationCore

@testable import Hardware

/// Time in milliseconds from a start.
func at(_ milliseconds: Int) -> MonotonicTime {
  MonotonicTime(nanoseconds: 1_000_000_000) + .milliseconds(milliseconds)
}

/// Lines without a kernel: inputs are pulled by the test, outputs are kept.
final class FakeBackend: LineBackend, @unchecked Sendable {
  final class Line: TakenLine {
    var descriptor: Int32 { -1 }
    var active: Bool
    var edges: [LineEdge] = []
    var isBroken = false
    var isReleased = false

    init(_ active: Bool) { self.active = active }

    func value() throws(LineFailure) -> Bool {
      if isBroken { throw LineFailure(text: "broken") }
      return active
    }

    func set(_ active: Bool) throws(LineFailure) {
      if isBroken { throw LineFailure(text: "broken") }
      self.active = active
    }

    func nextEdge() throws(LineFailure) -> LineEdge? {
      if isBroken { throw LineFailure(text: "broken") }
      return edges.isEmpty ? nil : edges.removeFirst()
    }

    func release() { isReleased = true }
  }

  var lines: [GPIOLine: Line] = [:]
  var levels: [GPIOLine: Bool] = [:]
  var missing: Set<GPIOLine> = []
  var requests: [LineRequest] = []

  func take(_ request: LineRequest) throws(LineFailure) -> any TakenLine {
    requests.append(request)
    guard !missing.contains(request.line) else { throw LineFailure(text: "there is no \(request.line.text)") }
    let line: Line
    switch request.direction {
    case .input: line = Line(levels[request.line] ?? false)
    case .output(let active): line = Line(active)
    }
    lines[request.line] = line
    return line
  }

  func describe(_ line: GPIOLine) throws(LineFailure) -> String {
    guard !missing.contains(line) else { throw LineFailure(text: "there is no \(line.text)") }
    return line.text
  }
}

/// One device on fake lines, and a clock that is turned by hand.
final class DeviceBench {
  final class Log: @unchecked Sendable { var updates: [DriverUpdate] = [] }

  let backend = FakeBackend()
  let log = Log()
  let device: GPIODevice
  private(set) var now = 0

  init(_ logic: any GPIOLogic, levels: [GPIOLine: Bool] = [:], missing: Set<GPIOLine> = []) {
    backend.levels = levels
    backend.missing = missing
    device = GPIODevice(logic, backend: backend, report: { [log] in log.updates.append($0) })
    device.take(at: at(0))
  }

  /// Time passes; the device is turned whenever it asks to be.
  func pass(_ milliseconds: Int) {
    let end = now + milliseconds
    while let deadline = device.deadline, deadline <= at(end) {
      let step = max(now, Int((deadline - at(0)).milliseconds))
      now = step
      device.tick(at: max(deadline, at(step)))
    }
    now = end
  }

  /// An input changes `ago` milliseconds before the device is turned.
  func pull(_ index: Int, _ line: GPIOLine, _ active: Bool, ago: Int = 0) {
    guard let taken = backend.lines[line] else { return }
    taken.active = active
    taken.edges.append(LineEdge(active: active, at: at(now - ago)))
    device.read(index, at: at(now))
  }

  func perform<L: GPIOLogic>(_ type: L.Type, _ body: (inout L, MonotonicTime) -> Void) {
    device.perform(at: at(now)) { logic in
      guard var own = logic as? L else { return }
      body(&own, at(now))
      logic = own
    }
  }

  func output(_ line: GPIOLine) -> Bool { backend.lines[line]?.active ?? false }
  /// Values reported since the last call; `nil`: unknown.
  func values() -> [CapabilityValue?] {
    defer { log.updates.removeAll() }
    return log.updates.map(\.reading.value)
  }
  var raised: [String] { log.updates.flatMap(\.raised).map(\.name) }
  var cleared: [String] { log.updates.flatMap(\.cleared).map(\.name) }
}
