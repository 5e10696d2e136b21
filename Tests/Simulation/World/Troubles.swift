import OCPP
import StationCore

/// What goes wrong in this world, and when.
final class Troubles {
  private unowned let world: World
  private var isOver = false
  private var cutDuration: Int64 = 0
  private var round: [FaultFamily: Int] = [:]

  init(_ world: World) {
    self.world = world
    for family in FaultFamily.allCases { waitFor(family) }
    waitForWish()
  }

  private func waitFor(_ family: FaultFamily) {
    guard let mean = world.scenario.mean(family) else { return }
    world.after(world.dice.wait(mean: mean)) { [unowned self] in
      guard !self.isOver else { return }
      self.strike(family)
      self.waitFor(family)
    }
  }

  private func waitForWish() {
    world.after(world.dice.wait(mean: 40 * .minute)) { [unowned self] in
      guard !self.isOver else { return }
      self.world.csms.makeAWish(self.world)
      self.waitForWish()
    }
  }

  /// After a while, unless another trouble of the family came meanwhile.
  private func later(_ family: FaultFamily, _ wait: Int64, _ body: @escaping () -> Void) {
    round[family, default: 0] += 1
    let now = round[family]
    world.after(wait) { [unowned self] in
      if self.round[family] == now { body() }
    }
  }

  private func strike(_ family: FaultFamily) {
    switch family {
    case .network: strikeNetwork()
    case .csms: strikeCSMS()
    case .disk: strikeDisk()
    case .power: strikePower()
    case .clock: strikeClock()
    case .meter: strikeMeter()
    case .hardware: strikeHardware()
    case .drivers: break
    case .doors: world.csms.changeDoors()
    }
  }

  private func strikeNetwork() {
    let network = world.network!
    let dice = { [unowned self] in self.world.dice.fraction() }
    switch world.dice.within(0...9) {
    case 0...3: network.lose()
    case 4:
      for wait in 0..<5 {
        world.after(Int64(wait) * world.dice.within(500...5000)) { [unowned self] in self.world.network.lose() }
      }
    case 5:
      network.extraLatency = world.dice.within(500...8000)
      later(.network, world.dice.spread(.minute ... .hour)) { [unowned self] in self.world.network.extraLatency = 0 }
    case 6: network.becomeHalfOpen()
    case 7:
      network.refusedUntil = world.time + world.dice.spread(.minute...3 * .hour)
      network.lose()
    default:
      let duration = world.dice.spread(.minute...30 * .hour)
      world.coverage.count("offlineHours", duration / .hour)
      network.goDown(for: duration, silently: dice() < 0.3)
    }
  }

  private func strikeCSMS() {
    let csms = world.csms!
    switch world.dice.within(0...6) {
    case 0: csms.mood = .slow
    case 1, 2: csms.mood = .wrong
    case 3: csms.mood = .silent
    case 4: csms.registration = .pending
    case 5: csms.registration = .rejected
    default:
      if let connection = csms.connection {
        world.network.closedByCSMS(connection, code: world.dice.pick([1000, 1001, 1011, 1006]))
      }
    }
    later(.csms, world.dice.spread(.minute...4 * .hour)) { [unowned self] in
      self.world.csms.mood = .good
      self.world.csms.registration = .accepted
    }
  }

  private func strikeDisk() {
    let disk = world.disk!
    switch world.dice.within(0...7) {
    case 6, 7:
      world.coverage.count("flushesFailedOnce")
      disk.failsOnce = true
      return
    case 0:
      disk.slowness = world.dice.within(500...8000)
    case 1:
      world.coverage.count("storageLow")
      world.give(.storageLow(true))
      world.after(world.dice.spread(.minute...5 * .hour)) { [unowned self] in
        self.world.give(.storageLow(false))
      }
    default:
      world.coverage.count("storageFailures")
      disk.condition = .failing(world.dice.pick([.full, .readOnly, .medium, .medium, .backlog]))
    }
    later(.disk, world.dice.spread(.second...5 * .hour)) { [unowned self] in
      self.world.disk.condition = .sound
      self.world.disk.slowness = 0
    }
  }

  private func strikePower() {
    if world.dice.chance(0.15) { return world.give(.shutdown) }
    cutDuration = world.dice.chance(0.6) ? world.dice.within(500...5_000) : world.dice.spread(.second...2 * .hour)
    // Between any two actions: most of them come in bursts, so count actions instead of time.
    world.armCut(after: Int(world.dice.within(0...60)))
  }

  /// What could not be stored is made good now: a moment at which a power cut is of interest.
  func diskRecovers() {
    guard !isOver, world.scenario.mean(.power) != nil, world.dice.chance(0.2) else { return }
    cutDuration = world.dice.within(500...5_000)
    world.armCut(after: Int(world.dice.within(0...10)))
  }

  /// So is this, before the core can write it again.
  func flushFailedOnce() {
    guard !isOver, world.scenario.mean(.power) != nil, world.dice.chance(0.5) else { return }
    cutDuration = world.dice.within(500...5_000)
    world.armCut(after: Int(world.dice.within(0...20)))
  }

  func cutNow() {
    let isPower = world.dice.chance(0.6)
    world.coverage.count(isPower ? "powerCuts" : "crashes")
    if isPower, world.scenario.losesClock {
      world.coverage.count("unsetClocks")
      world.wallOffset = -(CSMS.epoch + world.time)
      world.books.clockDisturbed()
    }
    world.cut(isPower ? .powerUp : .watchdog, for: cutDuration)
  }

  private func strikeClock() {
    world.coverage.count("clockJumps")
    world.books.clockDisturbed()
    switch world.dice.within(0...2) {
    case 0: world.wallOffset += world.dice.within(-2 * .hour...2 * .hour)
    case 1: world.wallOffset += world.dice.within(-30_000...30_000)
    default: world.wallOffset = 0
    }
  }

  private func strikeMeter() {
    world.coverage.count("meterFaults")
    let site = world.site!
    let index = Int(world.dice.within(0...Int64(site.bays.count - 1)))
    switch world.dice.within(0...3) {
    case 0: site.setSilent(index, for: world.dice.spread(10 * .second...3 * .hour))
    case 1: site.stickMeter(index, for: world.dice.spread(.minute...2 * .hour), catchesUp: world.dice.chance(0.5))
    case 2: site.jumpMeter(index, by: world.dice.within(-50_000_000...(-1)))
    default: site.jumpMeter(index, by: world.dice.within(1...50_000_000))
    }
  }

  private func strikeHardware() {
    world.coverage.count("hardwareFaults")
    let site = world.site!
    let index = Int(world.dice.within(0...Int64(site.bays.count - 1)))
    switch world.dice.within(0...3) {
    case 0: site.bays[index].contactorFailsUntil = world.time + world.dice.spread(.second...5 * .minute)
    case 1: site.bays[index].lockFailsUntil = world.time + world.dice.spread(.second...5 * .minute)
    default:
      let fault = HardwareFault(
        name: world.dice.pick(["GroundFailure", "OverTemperature"]), evse: index + 1,
        severity: world.dice.chance(0.7) ? .high : .low)
      world.give(.hardware(.faultRaised(fault)))
      world.after(world.dice.spread(.second ... .hour)) { [unowned self] in
        self.world.give(.hardware(.faultCleared(fault)))
      }
    }
  }

  /// Everything is as it should be from now on.
  func stop() {
    isOver = true
    world.armCut(after: .max)
    world.network.heal()
    world.disk.condition = .sound
    world.disk.slowness = 0
    world.disk.failsOnce = false
    world.csms.mood = .good
    world.csms.registration = .accepted
    world.csms.answersProperly = true
    world.site.heal()
    world.books.clockDisturbed()
    world.wallOffset = 0
    world.give(.storageLow(false))
  }
}
