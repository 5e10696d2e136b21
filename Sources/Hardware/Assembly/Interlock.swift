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
  }

  private let state: Mutex<State>

  /// - Parameters:
  ///   - guards: The devices that must consent: pilots, emergency stop, RCDs, supply. They forbid until they have reported.
  ///   - contactors: By EVSE.
  init(guards: [ComponentID], contactors: [any Contactor]) {
    var initial = State()
    for component in guards { initial.reasons[component] = "has not been heard of yet" }
    for contactor in contactors { initial.contactors[contactor.evse] = contactor }
    state = Mutex(initial)
  }

  /// Takes in what a driver reported. Contactors that may not be closed any more are opened before this returns.
  func note(_ component: ComponentID, _ update: DriverUpdate) {
    state.withLock { state in
      guard let before = state.reasons[component], let word = Self.word(on: update) else { return }
      let reason: String? = if case .objection(let text) = word { text } else { nil }
      state.reasons[component] = .some(reason)
      guard reason != nil, before == nil || reason != before else { return }
      for (evse, contactor) in state.contactors where component.evse == nil || component.evse == evse {
        contactor.command(close: false)
      }
    }
  }

  /// Opening is always done; closing only when nothing objects. Returns why it was not done.
  @discardableResult
  func command(evse: Int, close: Bool) -> [Reason] {
    state.withLock { state in
      guard let contactor = state.contactors[evse] else { return [] }
      let reasons = close ? Self.reasons(in: state, evse: evse) : []
      contactor.command(close: close && reasons.isEmpty)
      return reasons
    }
  }

  /// What stands against closing the contactor of an EVSE now.
  public func reasons(evse: Int) -> [Reason] { state.withLock { Self.reasons(in: $0, evse: evse) } }

  private static func reasons(in state: State, evse: Int) -> [Reason] {
    state.reasons.compactMap { component, reason in
      guard let reason, component.evse == nil || component.evse == evse else { return nil }
      return Reason(component: component, text: reason)
    }
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
