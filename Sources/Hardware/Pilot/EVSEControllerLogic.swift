import DeviceModel
import StationCore

/// What a Modbus EVSE controller is to do, and what its answers are worth: a value in virtual time.
///
/// The controller closes by itself when the vehicle asks while it is enabled, so it is enabled exactly while an offer stands.
/// An opening that is commanded while the vehicle asks, or while nothing is known of it, switches it off until it is told to close,
/// or until an offer follows none.
struct EVSEControllerLogic: Sendable {
  struct Settings: Hashable, Sendable {
    var evse: Int
    var connector: Int
    /// Milliamperes.
    var most: Int64
    var ventilation: Bool
    var reportsCable: Bool
    var staleAfter: TimeSpan
    var limitInterval: TimeSpan
  }

  enum Facet: Hashable, Sendable {
    case pilot, cable, contactor
  }

  struct Update: Hashable, Sendable {
    var facet: Facet
    var update: DriverUpdate
  }

  private let settings: Settings
  var map: EVSEControllerMap
  private var offered: Int64?
  private var unavailable = false
  private var heldOpen = false
  private var lastGood: MonotonicTime?
  private let start: MonotonicTime
  private var vehicle: EVSEControllerReading.Vehicle?
  private var told: [Facet: CapabilityValue] = [:]
  private var isUnknown = false
  private var faults: Set<String> = []
  /// What was written last, and when its answer came.
  private var written: (limit: Int64, at: MonotonicTime)?
  private var wantsWrite = true
  /// The limit that looks contradict, and since when: for `staleAfter` that is taken for a delay, then for a refusal.
  private var contradicted: (limit: Int64, since: MonotonicTime)?

  init(_ settings: Settings, map: EVSEControllerMap, at now: MonotonicTime) {
    self.settings = settings
    self.map = map
    start = now
  }

  // MARK: What the station wants

  mutating func offer(_ milliamperes: Int64?) {
    if milliamperes == nil || offered == nil { heldOpen = false }
    offered = milliamperes
    wantsWrite = true
  }

  mutating func setUnavailable(_ unavailable: Bool) {
    self.unavailable = unavailable
    wantsWrite = true
  }

  mutating func contactor(close: Bool) {
    switch vehicle {
    // It is open, and closes only when the vehicle asks while an offer stands.
    case .pilot(.a), .pilot(.b): heldOpen = false
    default: heldOpen = !close
    }
    wantsWrite = true
  }

  /// The limit that the controller is to have; 0: it must not supply.
  var target: Int64 {
    guard let offered, !heldOpen, !unavailable else { return 0 }
    // The controller decides on D by its own wiring; here it is kept from it.
    if vehicle == .pilot(.d), !settings.ventilation { return 0 }
    return map.settable(offered, most: settings.most)
  }

  /// The writes that are due, and the limit they make; `nil`: none.
  func due(at now: MonotonicTime) -> (limit: Int64, writes: [ModbusWrite])? {
    let target = target
    let isOld = written.map { now >= $0.at + settings.limitInterval } ?? true
    guard wantsWrite || isOld || written?.limit != target else { return nil }
    return (target, map.writes(limit: target))
  }

  /// They were all answered.
  mutating func wrote(_ limit: Int64, at now: MonotonicTime) {
    written = (limit, now)
    if limit == target { wantsWrite = false }
  }

  /// One was refused, or not answered: it stays due.
  mutating func failedToWrite(_ why: ModbusFailure, at now: MonotonicTime) -> [Update] {
    wantsWrite = true
    guard case .exception(let code) = why, code != 5, code != 6 else { return [] }
    var raised: [HardwareFault] = []
    setFault(PilotFaults.refuses, true, &raised)
    return raised.isEmpty ? [] : [fault(raised: raised, health: .failed("a write was \(why.text)"), at: now)]
  }

  // MARK: What the controller says

  mutating func read(_ result: Result<EVSEControllerReading, EVSEControllerNonsense>, askedAt time: MonotonicTime)
    -> [Update]
  {
    switch result {
    case .success(let reading): return good(reading, at: time)
    case .failure(let nonsense): return missed(nonsense.text, at: time)
    }
  }

  /// No look succeeded: once the last good one is too old, nothing is known.
  mutating func missed(_ why: String, at now: MonotonicTime) -> [Update] {
    let since = lastGood ?? start
    guard now >= since + settings.staleAfter, !isUnknown else { return [] }
    isUnknown = true
    vehicle = nil
    told = [:]
    var raised: [HardwareFault] = []
    setFault(PilotFaults.silent, true, &raised)
    var updates: [Update] = []
    for facet in facets {
      var update = DriverUpdate(.unknown(why, since: since), health: .failed(why))
      if facet == .pilot { update.raised = raised }
      updates.append(Update(facet: facet, update: update))
    }
    // Whatever answers next may have started anew.
    wantsWrite = true
    written = nil
    contradicted = nil
    return updates
  }

  private var facets: [Facet] { settings.reportsCable ? [.pilot, .cable, .contactor] : [.pilot, .contactor] }

  private mutating func good(_ reading: EVSEControllerReading, at time: MonotonicTime) -> [Update] {
    lastGood = time
    isUnknown = false
    vehicle = reading.vehicle
    var raised: [HardwareFault] = []
    var cleared: [HardwareFault] = []
    func set(_ name: String, _ active: Bool) {
      if active { setFault(name, true, &raised) } else { setFault(name, false, &cleared) }
    }
    var state = PilotState.e
    if case .pilot(let known) = reading.vehicle { state = known }
    set(PilotFaults.silent, false)
    if case .failure = reading.vehicle { set(PilotFaults.controller, true) } else { set(PilotFaults.controller, false) }
    set(PilotFaults.pilot, reading.vehicle == .pilot(.e) || (reading.vehicle == .pilot(.f) && !unavailable))
    set(PilotFaults.ventilation, state == .d && !settings.ventilation)
    set(PilotFaults.residualCurrent, reading.residualCurrent)
    verify(reading, at: time)
    set(PilotFaults.refuses, contradicted.map { time >= $0.since + settings.staleAfter } ?? false)
    var health = Health.working
    if !faults.isEmpty { health = .degraded(faults.sorted().joined(separator: ", ")) }

    var updates: [Update] = []
    func tell(_ facet: Facet, _ value: CapabilityValue, evenIfSame: Bool = false) {
      guard told[facet] != value || evenIfSame else { return }
      told[facet] = value
      updates.append(Update(facet: facet, update: DriverUpdate(.good(value, at: time), health: health)))
    }
    if settings.reportsCable, let cable = reading.cable {
      tell(.cable, .cable(ratingAmperes: cable == 0 ? nil : min(cable, 63)))
    }
    tell(.pilot, .pilot(state), evenIfSame: !raised.isEmpty || !cleared.isEmpty)
    if !raised.isEmpty || !cleared.isEmpty, let index = updates.firstIndex(where: { $0.facet == .pilot }) {
      updates[index].update.raised = raised
      updates[index].update.cleared = cleared
    }
    tell(.contactor, .contactor(closed: isClosed(reading, state)))
    return updates
  }

  /// The state is the vehicle's, so that it also says C while the controller is off: closed is what asks and is supplied. What the
  /// controller says to put out counts more than what it was told.
  private func isClosed(_ reading: EVSEControllerReading, _ state: PilotState) -> Bool {
    (state == .c || state == .d) && reading.output ?? (reading.isEnabled ? reading.limit : 0) > 0
  }

  private mutating func verify(_ reading: EVSEControllerReading, at time: MonotonicTime) {
    let target = target
    // What was asked before the write was answered says nothing of it.
    if let written, written.limit == target, time <= written.at { return }
    if map.follows(reading, limit: target) {
      contradicted = nil
    } else {
      if contradicted?.limit != target { contradicted = (target, time) }
      wantsWrite = true
    }
  }

  private mutating func setFault(_ name: String, _ active: Bool, _ changed: inout [HardwareFault]) {
    guard active ? faults.insert(name).inserted : faults.remove(name) != nil else { return }
    changed.append(HardwareFault(name: name, evse: settings.evse, connector: settings.connector))
  }

  private func fault(raised: [HardwareFault], health: Health, at now: MonotonicTime) -> Update {
    let reading: Reading<CapabilityValue>
    if let value = told[.pilot], let lastGood {
      reading = .good(value, at: lastGood)
    } else {
      reading = .unknown("not read yet", since: lastGood ?? start)
    }
    return Update(facet: .pilot, update: DriverUpdate(reading, raised: raised, health: health))
  }
}
