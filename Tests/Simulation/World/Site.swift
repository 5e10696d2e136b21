import OCPP
import StationCore

/// The hardware of the station with its faults: contactors, locks, sockets, meters, and the EVs that are plugged in.
/// What really flows is counted apart from what the meters say.
final class Site {
  struct EV {
    var maxCurrent: Int64
    var phases: Int64
    var cable: Int
    var wantsEnergy = true
    /// Closes S2 without waiting for an offer.
    var asksEarly = false
    /// From an offer to S2 closing, milliseconds.
    var delay: Int64
  }

  struct Bay {
    let id: Int
    let hasLock: Bool
    let isSocket: Bool
    var ev: EV?
    var cable: Int?
    var locked = false
    var offer: Int64?
    var offerEndedAt: Int64 = 0
    var contactor = false
    var s2 = false
    var power: Int64 = 0
    /// Milliwatts times milliseconds that really flowed.
    var delivered: Int64 = 0
    var integratedAt: Int64 = 0
    /// What the register shows beyond what flowed, milliwatt-hours.
    var registerOffset: Int64 = 0
    var stuckAt: Int64?
    var silentUntil: Int64 = 0
    var contactorFailsUntil: Int64 = 0
    var lockFailsUntil: Int64 = 0
    var motion = 0
    var lockMotion = 0
    var s2Change = 0
    var readingRound = 0
    /// When the meter last did something that a bill cannot be compared with.
    var disturbedAt: Int64 = -.day
    var closedAt: Int64 = 0
    /// What the core was last told, and last told to do.
    var toldPilot = PilotState.a
    var commandedClosed = false

    var pilot: PilotState { ev == nil ? .a : s2 ? .c : .b }
  }

  private unowned let world: World
  var bays: [Bay]

  init(_ world: World, topology: [(hasLock: Bool, isSocket: Bool)]) {
    self.world = world
    bays = topology.enumerated().map { Bay(id: $0 + 1, hasLock: $1.hasLock, isSocket: $1.isSocket) }
    for index in bays.indices where !bays[index].isSocket { bays[index].cable = 32 }
    for index in bays.indices { readPeriodically(index) }
    readMainPeriodically()
  }

  static let milliwattMillisecondsPerMilliwattHour: Int64 = 3_600_000

  // MARK: Energy

  func integrate(_ index: Int) {
    let elapsed = world.time - bays[index].integratedAt
    bays[index].integratedAt = world.time
    guard elapsed > 0, bays[index].power > 0 else { return }
    bays[index].delivered += bays[index].power * elapsed
  }

  /// Milliwatt-hours that really flowed.
  func delivered(_ index: Int) -> Int64 {
    integrate(index)
    return bays[index].delivered / Self.milliwattMillisecondsPerMilliwattHour
  }

  private func register(_ index: Int) -> Int64 {
    bays[index].stuckAt ?? (delivered(index) + bays[index].registerOffset)
  }

  private func settle(_ index: Int) {
    let bay = bays[index]
    let offered = bay.offer ?? 0
    // S2 follows the offer and the EV's wish.
    let wants = (bay.ev?.wantsEnergy ?? false) && (offered >= 6000 || bay.ev?.asksEarly == true)
    if wants != bay.s2, let ev = bay.ev {
      bays[index].s2Change += 1
      let change = bays[index].s2Change
      let wait = wants ? ev.delay : world.dice.within(50...3000)
      world.after(wait) { [unowned self] in
        guard self.bays[index].s2Change == change, self.bays[index].ev != nil else { return }
        self.readAndTell(index)
        self.bays[index].s2 = wants
        self.settle(index)
        self.tellPilot(index)
      }
    } else {
      bays[index].s2Change += 1
    }
    var power: Int64 = 0
    if bay.contactor, bay.s2, let ev = bay.ev {
      power = min(offered, ev.maxCurrent, Int64(bay.cable ?? 0) * 1000) * 230 * ev.phases
    }
    guard power != bay.power else { return }
    integrate(index)
    let former = bays[index].power
    bays[index].power = power
    if power == 0 { readAndTell(index) }
    if former == 0 || power == 0 { readPeriodically(index) }
  }

  // MARK: Commands

  func execute(_ command: HardwareCommand) {
    switch command {
    case .offer(let evse, _, let milliamperes):
      guard bays.indices.contains(evse - 1) else { return }
      if milliamperes == nil, bays[evse - 1].offer != nil { bays[evse - 1].offerEndedAt = world.time }
      bays[evse - 1].offer = milliamperes
      settle(evse - 1)
    case .contactor(let evse, let close):
      guard bays.indices.contains(evse - 1) else { return }
      move(evse - 1, close: close)
    case .lock(let evse, let connector, let locked):
      guard bays.indices.contains(evse - 1) else { return }
      moveLock(evse - 1, connector, locked)
    case .available: break
    case .readMeters: for index in bays.indices { readAndTell(index) }
    }
  }

  private func move(_ index: Int, close: Bool) {
    bays[index].motion += 1
    let motion = bays[index].motion
    world.after(close ? 30 : 20) { [unowned self] in
      guard self.bays[index].motion == motion else { return }
      if self.world.time < self.bays[index].contactorFailsUntil {
        // It follows when it can again.
        return self.world.at(self.bays[index].contactorFailsUntil) { [unowned self] in
          guard self.bays[index].motion == motion else { return }
          self.move(index, close: close)
          for name in ["ContactorWelded", "ContactorFailure"] {
            self.world.give(.hardware(.faultCleared(HardwareFault(name: name, evse: index + 1))))
          }
        }
      }
      self.readAndTell(index)
      if self.bays[index].contactor != close, close { self.bays[index].closedAt = self.world.time }
      self.bays[index].contactor = close
      self.settle(index)
      self.world.give(.hardware(.contactor(evse: index + 1, closed: close)))
    }
  }

  private func moveLock(_ index: Int, _ connector: Int, _ locked: Bool) {
    bays[index].lockMotion += 1
    let motion = bays[index].lockMotion
    world.after(100) { [unowned self] in
      guard self.bays[index].lockMotion == motion else { return }
      if self.world.time < self.bays[index].lockFailsUntil {
        return self.world.give(.hardware(.lockFailed(evse: index + 1, connector: connector)))
      }
      self.bays[index].locked = locked
      self.world.give(.hardware(.lock(evse: index + 1, connector: connector, locked: locked)))
      self.takeLooseCable(index)
    }
  }

  // MARK: Meters

  private func readPeriodically(_ index: Int) {
    let isActive = bays[index].power > 0
    let period = isActive ? world.scenario.activePeriod : world.scenario.idlePeriod
    bays[index].readingRound += 1
    let round = bays[index].readingRound
    world.after(period) { [unowned self] in
      guard self.bays[index].readingRound == round else { return }
      self.readAndTell(index)
      self.readPeriodically(index)
    }
  }

  private func readMainPeriodically() {
    world.after(50 * .second) { [unowned self] in
      let energy = self.bays.indices.reduce(Int64(0)) { $0 + self.delivered($1) }
      self.world.give(.hardware(.meter(MeterReading(evse: 0, energyImport: energy, frequency: 50_000))))
      self.readMainPeriodically()
    }
  }

  private func readAndTell(_ index: Int) {
    guard world.isUp, world.time >= bays[index].silentUntil else { return }
    let energy = register(index)
    let bay = bays[index]
    world.books.meterRead(evse: index + 1, energy)
    let current = bay.power > 0 ? bay.power / 230 / (bay.ev?.phases ?? 3) : 0
    world.give(
      .hardware(
        .meter(
          MeterReading(
            evse: index + 1, energyImport: energy, power: bay.power, current: [current, current, current],
            voltage: [230_000, 230_000, 230_000], frequency: 50_000))))
  }

  func disturbMeter(_ index: Int) {
    bays[index].disturbedAt = world.time
    world.books.meterDisturbed(evse: index + 1)
  }

  func setSilent(_ index: Int, for duration: Int64) {
    disturbMeter(index)
    bays[index].silentUntil = world.time + duration
    // Old values end one minute after the last reading.
    world.after(duration + 1) { [unowned self] in
      self.disturbMeter(index)
      self.readAndTell(index)
    }
  }

  func stickMeter(_ index: Int, for duration: Int64, catchesUp: Bool) {
    guard bays[index].stuckAt == nil else { return }
    disturbMeter(index)
    let stuck = register(index)
    bays[index].stuckAt = stuck
    world.after(duration) { [unowned self] in
      self.disturbMeter(index)
      self.bays[index].stuckAt = nil
      if !catchesUp { self.bays[index].registerOffset = stuck - self.delivered(index) }
    }
  }

  func jumpMeter(_ index: Int, by amount: Int64) {
    disturbMeter(index)
    let floor = -(delivered(index) + bays[index].registerOffset)
    bays[index].registerOffset += max(amount, floor)
    readAndTell(index)
  }

  // MARK: Cars

  func plugIn(_ index: Int, _ ev: EV) -> Bool {
    guard bays[index].ev == nil, !(bays[index].isSocket && bays[index].locked) else { return false }
    readAndTell(index)
    if bays[index].isSocket {
      bays[index].cable = ev.cable
      world.give(.hardware(.cable(evse: index + 1, connector: 1, ratingAmperes: ev.cable)))
    }
    bays[index].ev = ev
    bays[index].s2 = false
    tellPilot(index)
    settle(index)
    return true
  }

  func plugOut(_ index: Int) {
    guard bays[index].ev != nil else { return }
    integrate(index)
    bays[index].ev = nil
    bays[index].s2 = false
    settle(index)
    readAndTell(index)
    tellPilot(index)
    takeLooseCable(index)
  }

  func setDemand(_ index: Int, _ wantsEnergy: Bool) {
    guard bays[index].ev != nil else { return }
    bays[index].ev?.wantsEnergy = wantsEnergy
    settle(index)
  }

  private func takeLooseCable(_ index: Int) {
    guard bays[index].isSocket, !bays[index].locked, bays[index].ev == nil, bays[index].cable != nil else { return }
    bays[index].cable = nil
    world.give(.hardware(.cable(evse: index + 1, connector: 1, ratingAmperes: nil)))
  }

  private func tellPilot(_ index: Int) {
    world.give(.hardware(.pilot(evse: index + 1, connector: 1, state: bays[index].pilot)))
  }

  // MARK: Start and power

  /// The process is gone: nothing holds the contactors, and no pilot offers anything.
  func processEnded() {
    for index in bays.indices {
      bays[index].motion += 1
      bays[index].lockMotion += 1
      bays[index].contactor = false
      bays[index].commandedClosed = false
      bays[index].offer = nil
      bays[index].s2 = false
      settle(index)
    }
  }

  func tellAll() {
    for index in bays.indices {
      let id = index + 1
      readAndTell(index)
      world.give(.hardware(.contactor(evse: id, closed: bays[index].contactor)))
      if bays[index].hasLock {
        world.give(.hardware(.lock(evse: id, connector: 1, locked: bays[index].locked)))
      }
      if let cable = bays[index].cable {
        world.give(.hardware(.cable(evse: id, connector: 1, ratingAmperes: cable)))
      }
      tellPilot(index)
    }
  }

  func heal() {
    for index in bays.indices {
      bays[index].contactorFailsUntil = 0
      bays[index].lockFailsUntil = 0
      bays[index].silentUntil = 0
    }
  }
}
