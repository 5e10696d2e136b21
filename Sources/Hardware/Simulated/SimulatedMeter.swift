import StationCore

/// A meter: turns what flows into readings and an energy register, unless its readings are held.
///
/// Held readings are what the meter measures, so power follows held currents and voltages, and the register counts
/// held power: power times time stays energy. A held register stands still.
struct SimulatedMeter: Hashable, Sendable {
  /// What really flows through the meter at one moment.
  struct Flow: Hashable, Sendable {
    /// Milliamperes per phase.
    var current: [Int64]
    /// Microwatts; `nil` means the sum of the products of current and voltage.
    var power: Int64?
    /// Thousandths of a percent.
    var stateOfCharge: Int64?
  }

  /// A reading at least this often while power flows, milliseconds.
  static let activePeriod: Int64 = 1_000
  /// A reading at least this often while none does, milliseconds.
  static let idlePeriod: Int64 = 10_000

  let evse: Int
  let phases: Int
  /// Millivolts.
  let nominalVoltage: Int64
  /// Millihertz; `nil` for DC.
  let frequency: Int64?

  var register: EnergyRegister
  private(set) var held = MeterSetting()
  /// Monotonic milliseconds of the next periodic reading.
  private(set) var readingDue: Int64
  private(set) var isActive = false

  init(evse: Int, phases: Int, nominalVoltage: Int64, frequency: Int64?, register: EnergyRegister, at now: Int64) {
    self.evse = evse
    self.phases = phases
    self.nominalVoltage = nominalVoltage
    self.frequency = frequency
    self.register = register
    self.readingDue = now + Self.idlePeriod
  }

  /// Measured power in microwatts.
  func power(_ flow: Flow) -> Int64 { power(flow, held) }

  /// Measured current per phase, milliamperes.
  func current(_ flow: Flow) -> [Int64] { current(flow, held) }

  private func power(_ flow: Flow, _ values: MeterSetting) -> Int64 {
    if let milliwatts = values.power { return milliwatts * 1_000 }
    if values.current == nil, let microwatts = flow.power { return microwatts }
    let current = current(flow, values)
    let voltage = voltage(values)
    return (0..<phases).reduce(0) { $0 + current[$1] * voltage[$1] }
  }

  /// Something is held, so what it measures may differ from what flows.
  var isHeld: Bool { !held.isEmpty }

  /// Held values alone decide the power.
  var measuresItself: Bool { held.power != nil || held.current != nil }

  /// Counts the energy of a stretch between two moments; between them the flow changed linearly.
  /// - Returns: The measured energy, half nanojoules.
  mutating func count(from: Flow, to: Flow, milliseconds: Int64) -> Int128 {
    let work = (Int128(power(from)) + Int128(power(to))) * Int128(milliseconds)
    if held.energyImport == nil { register.add(halfNanojoules: work) }
    return work
  }

  /// What the meter reads; `once` goes before what is held.
  func reading(_ flow: Flow, once: MeterSetting = MeterSetting()) -> MeterReading {
    let values = held.overlaid(by: once)
    return MeterReading(
      evse: evse, acquiredAtWall: values.acquiredAtWall, energyImport: register.milliwattHours,
      power: power(flow, values) / 1_000, current: current(flow, values), voltage: voltage(values),
      frequency: values.frequency ?? frequency, stateOfCharge: values.stateOfCharge ?? flow.stateOfCharge)
  }

  /// Holds these values on top of those already held.
  mutating func hold(_ values: MeterSetting) {
    held = held.overlaid(by: values)
    preset(values)
  }

  /// Holds nothing any more. A register goes on from where it stood.
  mutating func release() { held = MeterSetting() }

  /// Moves the register when `values` has one.
  mutating func preset(_ values: MeterSetting) {
    if let energy = values.energyImport { register = EnergyRegister(milliwattHours: energy) }
  }

  /// Notes whether power flows. Returns true when it has just ceased to: the reading of that moment is due.
  mutating func noteActivity(_ active: Bool, at now: Int64) -> Bool {
    guard active != isActive else { return false }
    isActive = active
    readingDue = now + (active ? Self.activePeriod : Self.idlePeriod)
    return !active
  }

  /// True when a periodic reading is due; the next one is then due on the same grid.
  mutating func takeDueReading(at now: Int64) -> Bool {
    guard readingDue <= now else { return false }
    let period = isActive ? Self.activePeriod : Self.idlePeriod
    readingDue += ((now - readingDue) / period + 1) * period
    return true
  }

  private func current(_ flow: Flow, _ values: MeterSetting) -> [Int64] {
    fit(values.current ?? flow.current, filler: 0)
  }

  private func voltage(_ values: MeterSetting) -> [Int64] {
    fit(values.voltage ?? [], filler: nominalVoltage)
  }

  private func fit(_ values: [Int64], filler: Int64) -> [Int64] {
    (0..<phases).map { $0 < values.count ? values[$0] : filler }
  }
}
