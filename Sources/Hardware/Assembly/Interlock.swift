import DeviceModel
import StationCore
import Synchronization

/// What must be true for a contactor to be closed, kept apart from network, disk, meters and the core.
///
/// Drivers tell it on their own threads; what it finds dangerous opens the contactors before anybody else hears of it. It
/// closes nothing by itself, and lets nobody else close while a reason stands. The core comes to the same conclusion later,
/// from the same reports: this is the second opinion.
///
/// Everything unknown is dangerous. Only devices that the station has can forbid anything.
public final class Interlock: Sendable {
  /// Why a contactor may not be closed: a component, and what is the matter with it.
  public struct Reason: Hashable, Sendable {
    public var component: ComponentID
    public var text: String
  }

  private struct State {
    /// Per component that has a word to say; `nil` text: it consents.
    var reasons: [ComponentID: String?] = [:]
    var contactors: [Int: any Contactor] = [:]
    /// Devices that close by themselves when they are asked to offer.
    var switching: [any ControlPilot] = []
    var pilots: Set<ComponentID> = []
    var isHanging = false
  }

  private let state: Mutex<State>

  /// - Parameters:
  ///   - guards: The devices that must consent: pilots, emergency stop, RCDs, supply. They forbid until they have reported.
  ///   - pilots: Those among the guards; of several at one EVSE, the consent of one is enough.
  ///   - contactors: By EVSE.
  init(guards: [ComponentID], pilots: [any ControlPilot] = [], contactors: [any Contactor]) {
    var initial = State()
    for component in guards { initial.reasons[component] = "has not been heard of yet" }
    for contactor in contactors { initial.contactors[contactor.evse] = contactor }
    initial.switching = pilots.filter(\.switchesContactor)
    initial.pilots = Set(pilots.map(\.component))
    state = Mutex(initial)
  }

  /// Takes in what a driver reported. Contactors that may not be closed any more are opened before this returns.
  func note(_ component: ComponentID, _ update: DriverUpdate) {
    state.withLock { state in
      guard let before = state.reasons[component], let word = Self.word(on: update) else { return }
      let reason: String? = if case .objection(let text) = word { text } else { nil }
      state.reasons[component] = .some(reason)
      guard reason != nil, before == nil || reason != before else { return }
      // Another connector's vehicle goes on.
      if state.pilots.contains(component), Self.hasConsent(in: state, evse: component.evse) { return }
      Self.open(in: state, evse: component.evse, except: component)
    }
  }

  /// Opening is always done; closing only when nothing objects. Returns why it was not done.
  @discardableResult
  func command(evse: Int, close: Bool) -> [Reason] {
    state.withLock { state in
      guard let contactor = state.contactors[evse] else { return [] }
      var reasons = close ? Self.reasons(in: state, evse: evse) : []
      if close, state.isHanging { reasons.append(Self.hanging) }
      contactor.command(close: close && reasons.isEmpty)
      return reasons
    }
  }

  /// An offer to a device that closes by itself is a command to close, but for what its pilot will say. Returns why it may not be
  /// made.
  func objections(toOffering evse: Int, by pilot: ComponentID) -> [Reason] {
    state.withLock { state in
      guard state.switching.contains(where: { $0.component == pilot }) else { return [] }
      return Self.reasons(in: state, evse: evse).filter { !state.pilots.contains($0.component) }
        + (state.isHanging ? [Self.hanging] : [])
    }
  }

  /// Whether the station's loop is alive; everything opens when it is not any more.
  func noteLoop(isAlive: Bool) {
    state.withLock { state in
      guard state.isHanging == isAlive else { return }
      state.isHanging = !isAlive
      if !isAlive { Self.open(in: state, evse: nil, except: nil) }
    }
  }

  private static let hanging = Reason(component: ComponentID("Controller"), text: "the station's loop does not answer")

  private static func open(in state: State, evse: Int?, except component: ComponentID?) {
    for (number, contactor) in state.contactors where evse == nil || evse == number {
      contactor.command(close: false)
    }
    // Its own pilot's word makes such a device open by itself.
    for pilot in state.switching where (evse == nil || evse == pilot.evse) && pilot.component != component {
      pilot.offer(milliamperes: nil)
    }
  }

  /// What stands against closing the contactor of an EVSE now.
  public func reasons(evse: Int) -> [Reason] { state.withLock { Self.reasons(in: $0, evse: evse) } }

  private static func reasons(in state: State, evse: Int) -> [Reason] {
    let hasConsent = hasConsent(in: state, evse: evse)
    return state.reasons.compactMap { component, reason in
      if hasConsent, state.pilots.contains(component) { return nil }
      guard let reason, component.evse == nil || component.evse == evse else { return nil }
      return Reason(component: component, text: reason)
    }
  }

  /// A pilot of the EVSE says that its vehicle asks.
  private static func hasConsent(in state: State, evse: Int?) -> Bool {
    state.pilots.contains { $0.evse == evse && state.reasons[$0] == .some(nil) }
  }

  private enum Word {
    case consent
    case objection(String)
  }

  /// What a report says about a closed contactor; `nil`: nothing. Who makes the pilot also tells of the cable, which is no
  /// consent. Temperatures lower the current first, which is the core's.
  private static func word(on update: DriverUpdate) -> Word? {
    switch update.reading.quality {
    case .unknown(let why): return .objection("unknown: \(why)")
    case .suspect(let why): return .objection("suspect: \(why)")
    case .good: break
    }
    switch update.reading.value {
    case .pilot(let pilot):
      return pilot == .c || pilot == .d ? .consent : .objection("the pilot is in state \(pilot.rawValue)")
    case .tripped(let tripped): return tripped ? .objection("tripped") : .consent
    default: return nil
    }
  }
}
