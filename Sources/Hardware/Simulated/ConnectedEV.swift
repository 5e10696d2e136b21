/// An EV at the other end of the cable: when it closes S2, how much it takes, and when it has enough.
struct ConnectedEV: Hashable, Sendable {
  /// An EV follows a changed offer after this time, milliseconds (IEC 61851-1 allows 5 s).
  static let reactionTime: Int64 = 1_000
  /// An EV that gets full looks at its battery this often while it charges, milliseconds.
  static let controlPeriod: Int64 = 1_000
  /// From this state of charge on, thousandths of a percent, a battery takes less and less...
  static let taperStart: Int64 = 80_000
  /// ... down to this part of the maximum.
  static let taperFloorDivisor: Int64 = 20
  static let full: Int64 = 100_000

  struct Battery: Hashable, Sendable {
    /// Milliwatt-hours.
    var capacity: Int64
    /// State of charge when `charged` was zero, thousandths of a percent.
    var initialStateOfCharge: Int64
    var charged = EnergyRegister()

    /// Thousandths of a percent, 0...100,000.
    var stateOfCharge: Int64 {
      let gained = Int128(charged.milliwattHours) * Int128(ConnectedEV.full) / Int128(max(capacity, 1))
      return Int64(min(Int128(initialStateOfCharge) + gained, Int128(ConnectedEV.full)))
    }
  }

  /// As plugged in.
  let spec: SimulatedEV
  /// Index of its connector in the EVSE.
  let connector: Int
  /// Monotonic milliseconds.
  let pluggedAt: Int64

  var demand = EVDemand.charging
  var battery: Battery?
  /// Energy taken since it was plugged in.
  var taken = EnergyRegister()

  /// The switch by which the EV asks for energy (pilot C).
  var s2Closed = false
  /// The offer that the EV follows, milliamperes; `nil` when it knows of none.
  var limit: Int64?
  /// When S2 closes, monotonic milliseconds.
  var s2ClosesAt: Int64?
  /// When the EV notices that the offer has changed.
  var limitChangesAt: Int64?
  /// When the EV next looks at its battery.
  var controlDue: Int64?

  init(_ spec: SimulatedEV, connector: Int, at now: Int64) {
    self.spec = spec
    self.connector = connector
    self.pluggedAt = now
    if let stateOfCharge = spec.stateOfCharge {
      battery = Battery(capacity: spec.batteryCapacity, initialStateOfCharge: stateOfCharge)
    }
  }

  var nextDeadline: Int64? { [s2ClosesAt, limitChangesAt, controlDue].compactMap { $0 }.min() }

  /// It has taken what it needs.
  var isFull: Bool {
    if let battery, battery.stateOfCharge >= Self.full { return true }
    if let needed = spec.energyNeeded, taken.milliwattHours >= needed { return true }
    return false
  }

  /// It has to watch what it takes.
  var getsFull: Bool { battery != nil || spec.energyNeeded != nil }

  mutating func take(halfNanojoules: Int128) {
    taken.add(halfNanojoules: halfNanojoules)
    battery?.charged.add(halfNanojoules: halfNanojoules)
  }

  mutating func set(stateOfCharge: Int64) {
    battery = Battery(capacity: spec.batteryCapacity, initialStateOfCharge: stateOfCharge)
  }

  /// How many supply conductors carry its current.
  func phases(of evse: SimulatedEVSE) -> Int {
    switch spec.mode {
    case .ac: return min(spec.phases, evse.meterPhases)
    case .dc: return evse.meterPhases
    }
  }

  /// Most current per supply phase that it would take now, milliamperes, whatever is offered. A DC EV at an EVSE with an
  /// AC supply draws the power of its battery, converted without loss, from all phases alike.
  func appetite(at evse: SimulatedEVSE) -> Int64 {
    var most = spec.maxCurrent
    if spec.mode == .dc && evse.supplyPhases > 0 {
      most = most * SimulatedEVSE.voltageDC / (SimulatedEVSE.voltageAC * Int64(evse.supplyPhases))
    }
    guard let battery, battery.stateOfCharge > Self.taperStart else { return most }
    let tapered = most * (Self.full - battery.stateOfCharge) / (Self.full - Self.taperStart)
    return max(tapered, most / Self.taperFloorDivisor)
  }
}
