import DeviceModel
import Threads

/// Everything that a meter tells, read once.
public struct MeterSnapshot: Hashable, Sendable {
  public var identity: MeterIdentity
  /// In thousandths of the quantity's unit; `nil`: the meter has no such value.
  public var values: [MeterQuantity: Int64?]
  /// Registers that held no value: what they held instead.
  public var invalid: [MeterQuantity: String]
  public var acquiredAt: MonotonicTime
}

/// What an installer does with meters: blocking, for command line tools.
public enum MeterTool {
  /// Why a meter could not be read.
  public struct Failure: Error, Hashable, Sendable {
    public var text: String
  }

  /// Reads all quantities of a meter and what it says it is. Waits at most `limit`.
  public static func read(
    _ model: MeterModel, on bus: ModbusBus, options: ModbusMeter.Options, limit: TimeSpan
  ) -> Result<MeterSnapshot, Failure> {
    let reader = ModbusMeter.reader(model, bus, options, priority: .search, attempts: 3)
    let deadline = MonotonicTime.now + limit
    let identity = wait { MeterProbe.identify(model, with: reader, deadline: deadline, $0) }
    var known = MeterIdentity(vendor: model.vendor, model: model.id)
    switch identity {
    case .found(let found): known = found
    case .absent(let why):
      // A variant without these registers is still a meter; anything else is no answer.
      guard why == ModbusFailure.exception(2).text else { return .failure(Failure(text: why)) }
    case .different(let what): return .failure(Failure(text: "this is no \(model.id): \(what)"))
    }
    let fields = model.quantities
    let (outcome, learned) = wait { done in
      reader.read(Array(fields.values), deadline: deadline) { done(($0, $1)) }
    }
    switch outcome {
    case .failed(let failure): return .failure(Failure(text: failure.text))
    case .registers(let registers):
      let asked = fields.filter { !$0.value.spans.contains { learned.refused.contains($0) } }
      let values = MeterValues(asked, in: registers.values)
      return .success(
        MeterSnapshot(
          identity: known,
          values: Dictionary(uniqueKeysWithValues: fields.keys.map { ($0, values.numbers[$0]) }),
          invalid: values.invalid, acquiredAt: registers.acquiredAt))
    }
  }

  // MARK: Search

  /// A unit that answered, and the models that it may be.
  public struct Finding: Hashable, Sendable {
    public struct Candidate: Hashable, Sendable {
      public var identity: MeterIdentity
      public var match: MeterProbe.Match
      /// Quantities that had a value.
      public var values: Int
    }

    public var endpoint: ModbusEndpoint
    public var unit: UInt8
    /// The best first; empty: no model fits.
    public var candidates: [Candidate]
  }

  public struct Search: Sendable {
    public var endpoints: [ModbusEndpoint]
    public var units: [UInt8]
    public var models: [MeterModel]
    public var responseTimeout: TimeSpan
    /// The search ends after this, with what it has.
    public var limit: TimeSpan

    public init(
      endpoints: [ModbusEndpoint], units: [UInt8], models: [MeterModel], responseTimeout: TimeSpan, limit: TimeSpan
    ) {
      self.endpoints = endpoints
      self.units = units
      self.models = models
      self.responseTimeout = responseTimeout
      self.limit = limit
    }

    /// How long it takes when nobody answers.
    public var longest: TimeSpan {
      endpoints.reduce(.zero) {
        $0 + (responseTimeout + $1.duration(ofBytes: 8) + .milliseconds(30)) * (2 * units.count)
      }
    }
  }

  public struct SearchResult: Sendable {
    public var findings: [Finding] = []
    /// Buses that could not be opened, or were lost: why.
    public var failures: [String] = []
    /// Not everything was asked: the time was over, or a bus was lost.
    public var isIncomplete = false
    public var timeWasOver = false
  }

  /// Asks every unit at every setting whether it is there, and those that are what they are. `progress` is told what is
  /// tried next.
  public static func search(_ search: Search, progress: (String) -> Void) -> SearchResult {
    var result = SearchResult()
    let end = MonotonicTime.now + search.limit
    for endpoint in search.endpoints {
      guard MonotonicTime.now < end else {
        result.isIncomplete = true
        result.timeWasOver = true
        break
      }
      progress("\(endpoint): units \(search.units.count)")
      let (present, failure, complete) = present(on: endpoint, search, end)
      result.isIncomplete = result.isIncomplete || !complete
      result.timeWasOver = result.timeWasOver || (!complete && failure == nil)
      if let failure {
        result.failures.append(failure)
        continue
      }
      guard !present.isEmpty else { continue }
      let bus = ModbusBus(endpoint, responseTimeout: max(search.responseTimeout, .milliseconds(500)))
      defer { bus.stopAndWait() }
      for unit in present {
        progress("\(endpoint): unit \(unit) answers, what is it?")
        let candidates = search.models.compactMap { candidate($0, unit, bus, end) }
        result.findings.append(
          Finding(
            endpoint: endpoint, unit: unit,
            candidates: candidates.sorted { ($0.match, $0.values) > ($1.match, $1.values) }))
      }
    }
    return result
  }

  /// The units that answer anything to a read of register 0, even a refusal.
  private static func present(
    on endpoint: ModbusEndpoint, _ search: Search, _ end: MonotonicTime
  ) -> (units: [UInt8], failure: String?, complete: Bool) {
    var limits = BusSchedule.Limits()
    limits.firstPause = .zero
    limits.longestPause = .zero
    limits.garbledPause = .zero
    limits.doubtLasts = .zero
    let bus = ModbusBus(
      endpoint, line: LibmodbusLine(endpoint), responseTimeout: search.responseTimeout, limits: limits)
    defer { bus.stopAndWait() }
    var units: [UInt8] = []
    for unit in search.units {
      for function in [ModbusRead.Function.inputRegisters, .holdingRegisters] {
        guard MonotonicTime.now < end else { return (units, nil, false) }
        let read = ModbusRead(unit: unit, function: function, address: 0, count: 2)
        let request = ModbusRequest(
          read, priority: .search, deadline: .now + search.responseTimeout + .seconds(5), attempts: 1)
        let answer = wait { bus.request(request, $0) }
        switch answer {
        case .success, .failure(.exception):
          // Gateways answer for units that do not: exceptions 10 and 11, and 4 of some.
          if case .failure(.exception(let code)) = answer, [4, 10, 11].contains(code) { continue }
          units.append(unit)
        case .failure(.notOpen(let why)):
          // An adapter that is pulled out fails at once, again and again: nothing more can be asked.
          return (units, why, bus.statistics.opened == 0)
        case .failure: continue
        }
        break
      }
    }
    return (units, nil, true)
  }

  private static func candidate(
    _ model: MeterModel, _ unit: UInt8, _ bus: ModbusBus, _ end: MonotonicTime
  ) -> Finding.Candidate? {
    guard MonotonicTime.now < end else { return nil }
    var options = ModbusMeter.Options(unit: unit, maxPowerW: 1)
    options.pauseMs = max(model.pauseMs, 20)
    let reader = ModbusMeter.reader(model, bus, options, priority: .search, attempts: 2)
    let deadline = min(end, .now + .seconds(10))
    var identity = MeterIdentity(vendor: model.vendor, model: model.id)
    let decides = model.identity.contains(where: \.decides)
    if decides {
      guard case .found(let found) = wait({ MeterProbe.identify(model, with: reader, deadline: deadline, $0) }) else {
        return nil
      }
      identity = found
    }
    let fields = MeterValues.polled(model)
    let outcome = wait { done in reader.read(Array(fields.values), deadline: deadline) { outcome, _ in done(outcome) } }
    guard case .registers(let registers) = outcome else { return nil }
    let values = MeterValues(fields, in: registers.values)
    guard decides || MeterProbe.plausible(model, values) else { return nil }
    if !decides, !model.identity.isEmpty,
      case .found(let found) = wait({ MeterProbe.identify(model, with: reader, deadline: deadline, $0) })
    {
      identity = found
    }
    return Finding.Candidate(
      identity: identity, match: decides ? .identified : .plausible, values: values.numbers.count)
  }

  // MARK: Waiting

  /// Waits for an answer from the bus's thread; the bus gives one to every request.
  private static func wait<Value: Sendable>(_ begin: (@escaping @Sendable (Value) -> Void) -> Void) -> Value {
    let box = AnswerBox<Value>()
    begin { box.set($0) }
    return box.wait()
  }
}

/// A value that one thread waits for and another sets.
private final class AnswerBox<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private var value: Value?

  func set(_ value: Value) {
    lock.with {
      self.value = value
      lock.signal()
    }
  }

  func wait() -> Value {
    lock.with {
      while true {
        if let value { return value }
        lock.wait(until: nil)
      }
    }
  }
}
