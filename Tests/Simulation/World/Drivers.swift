import OCPP
import StationCore

/// Drivers and their EVs: they plug, swipe, leave, come back, and do not always do what they should.
final class Drivers {
  private unowned let world: World
  private var visit: [Int]
  private(set) var isOver = false

  init(_ world: World) {
    self.world = world
    visit = world.site.bays.map { _ in 0 }
    for index in world.site.bays.indices { waitForNext(index) }
  }

  private var misbehave: Bool { world.scenario.mean(.drivers) != nil }

  private func waitForNext(_ index: Int) {
    let wait = world.dice.wait(mean: world.scenario.driverMean)
    world.after(wait) { [unowned self] in
      guard !self.isOver else { return }
      self.arrive(index)
      self.waitForNext(index)
    }
  }

  /// Something that this driver does later, unless the visit is over by then.
  private func later(_ index: Int, _ wait: Int64, _ body: @escaping () -> Void) {
    let visit = visit[index]
    world.after(wait) { [unowned self] in
      if !self.isOver, self.visit[index] == visit { body() }
    }
  }

  private func arrive(_ index: Int) {
    guard world.site.bays[index].ev == nil else {
      if misbehave, world.dice.chance(0.5) { swipe(index, token()) }
      return
    }
    visit[index] += 1
    let token = token()
    let car = car()
    switch world.dice.within(0...9) {
    case 0...3:
      guard world.site.plugIn(index, car) else { return }
      later(index, world.dice.within(500...60_000)) { [unowned self] in self.swipe(index, token) }
    case 4...6:
      swipe(index, token)
      later(index, world.dice.within(500...120_000)) { [unowned self] in _ = self.world.site.plugIn(index, car) }
    case 7:
      guard world.site.plugIn(index, car) else { return }
      later(index, world.dice.within(500...60_000)) { [unowned self] in
        self.world.csms.startRemotely(self.world, index + 1)
      }
    case 8:
      if world.dice.chance(0.5) { swipe(index, token) } else { _ = world.site.plugIn(index, car) }
    default:
      swipe(index, token)
      later(index, world.dice.within(100...5_000)) { [unowned self] in self.swipe(index, token) }
      later(index, world.dice.within(6_000...60_000)) { [unowned self] in _ = self.world.site.plugIn(index, car) }
    }
    stay(index, token)
  }

  private func stay(_ index: Int, _ token: String) {
    let length = world.dice.spread(.minute...8 * .hour)
    if world.dice.chance(0.4) {
      let pause = world.dice.within(0...length)
      later(index, pause) { [unowned self] in self.world.site.setDemand(index, false) }
      if world.dice.chance(0.7) {
        later(index, pause + world.dice.spread(.second ... .hour)) { [unowned self] in
          self.world.site.setDemand(index, true)
        }
      }
    }
    if misbehave, world.dice.chance(0.2) {
      later(index, world.dice.within(0...length)) { [unowned self] in self.swipe(index, self.token()) }
    }
    if misbehave, world.dice.chance(0.1) {
      // Off and on again at once.
      let at = world.dice.within(0...length)
      later(index, at) { [unowned self] in self.world.site.plugOut(index) }
      later(index, at + world.dice.within(1...2000)) { [unowned self] in
        _ = self.world.site.plugIn(index, self.car())
      }
    }
    switch world.dice.within(0...3) {
    case 0, 1:
      later(index, length) { [unowned self] in self.swipe(index, token) }
      later(index, length + world.dice.within(500...60_000)) { [unowned self] in self.leave(index) }
    case 2: later(index, length) { [unowned self] in self.leave(index) }
    default:
      later(index, length) { [unowned self] in self.swipe(index, token) }
      later(index, length + world.dice.spread(.hour...14 * .hour)) { [unowned self] in self.leave(index) }
    }
  }

  private func leave(_ index: Int) {
    world.site.plugOut(index)
    // A cable that the station has kept is fetched with the token later.
    visit[index] += 1
  }

  private func token() -> String {
    world.dice.pick([
      "TOKEN1", "TOKEN2", "TOKEN3", "TOKEN4", "GROUP1", "GROUP2", "LATE1", "BAD1", "BAD2",
    ])
  }

  private func car() -> Site.EV {
    Site.EV(
      maxCurrent: world.dice.pick([6_000, 10_000, 16_000, 32_000]), phases: world.dice.pick([1, 3, 3]),
      cable: world.dice.pick([20, 32, 32]), asksEarly: world.dice.chance(0.15), delay: world.dice.within(200...5_000))
  }

  private func swipe(_ index: Int, _ token: String) {
    let evses = world.dice.chance(0.8) ? [index + 1] : nil
    world.give(
      .hardware(
        .token(TokenPresentation(idToken: IdTokenType(idToken: token, type: .iso14443), evses: evses))))
  }

  /// Everybody goes home.
  func endOfDay() {
    isOver = true
    for index in world.site.bays.indices { world.site.plugOut(index) }
  }
}
