import DeviceModel
import OCPP

/// A limit of what an EVSE may draw, by name, so that "why 10 A?" has an answer.
public struct CurrentLimit: Hashable, Sendable {
  /// `evse`, `cable`, `supply` or `temperature`.
  public var name: String
  /// Milliamperes per phase.
  public var milliamperes: Int64
}

/// How the supply's current is divided among the EVSEs (per phase, milliamperes).
enum PowerBudget {
  /// Smallest current that a duty cycle can offer (IEC 61851-1).
  static let minimum: Int64 = 6000
  /// Time a vehicle has to follow a lower offer (IEC 61851-1), milliseconds.
  static let reaction: Int64 = 5000
  static let nominalVoltage: Int64 = 230

  struct Demand: Hashable {
    var index: Int
    var wants: Int64
    var since: Int64
  }

  /// Equal shares, nobody more than he wants; when a share would fall below 6 A the latest comer gets nothing.
  static func shares(of supply: Int64?, among demands: [Demand]) -> [Int: Int64] {
    guard let supply else { return Dictionary(uniqueKeysWithValues: demands.map { ($0.index, $0.wants) }) }
    var served = demands.sorted { ($0.since, $0.index) < ($1.since, $1.index) }
    while !served.isEmpty {
      var result: [Int: Int64] = [:]
      var left = supply
      var open = served.sorted { $0.wants < $1.wants }
      while let next = open.first {
        let share = min(next.wants, left / Int64(open.count))
        result[next.index] = share
        left -= share
        open.removeFirst()
      }
      if result.values.allSatisfy({ $0 >= minimum }) { return result }
      served.removeLast()
    }
    return [:]
  }

  /// SupplyPhases of a component; 3 when it does not say.
  static func phases(of component: ComponentID, in model: DeviceModel) -> Int {
    guard let text = model.value(component, VariableID("SupplyPhases")), let phases = Int(text) else { return 3 }
    return min(max(phases, 1), 3)
  }

  /// The component's power limit (maxLimit of `Power`, W) as current per phase in milliamperes.
  static func current(of component: ComponentID, phases: Int, in model: DeviceModel) -> Int64? {
    guard let watts = model.variable(component, VariableID("Power"))?.characteristics.maxLimit?.double,
      watts > 0, watts < 1e9
    else { return nil }
    return Int64(watts * 1000) / (nominalVoltage * Int64(phases))
  }
}

extension Station {
  /// What the grid connection gives per phase: ElectricalFeed's Power limit; unlimited when there is none.
  var supplyCurrent: Int64? {
    let feed = ComponentID("ElectricalFeed")
    return PowerBudget.current(of: feed, phases: PowerBudget.phases(of: feed, in: model), in: model)
  }

  /// The limits that hold for an EVSE now; its offer never exceeds the smallest.
  func limits(at index: Int) -> [CurrentLimit] {
    let evse = evses[index]
    var result = [CurrentLimit(name: "evse", milliamperes: evse.maxCurrent)]
    if let connected = evse.connectedIndex, let rating = evse.connectors[connected].cableRating {
      result.append(CurrentLimit(name: "cable", milliamperes: Int64(rating) * 1000))
    }
    if let supply = supplyCurrent { result.append(CurrentLimit(name: "supply", milliamperes: supply)) }
    if let limit = temperatureLimit(at: index) {
      result.append(CurrentLimit(name: "temperature", milliamperes: limit))
    }
    return result
  }

  /// What each EVSE is to offer now; `nil` is no offer.
  ///
  /// Lowering is immediate; raising waits until the current that others gave up is really free, so that the EVSEs
  /// together never draw more than the supply gives.
  mutating func allocateCurrent() -> [Int64?] {
    let demands = evses.indices.filter { mayOffer(at: $0) }.map { index in
      PowerBudget.Demand(
        index: index, wants: limits(at: index).map(\.milliamperes).min() ?? 0,
        since: evses[index].authorization?.since ?? 0)
    }
    guard let supply = supplyCurrent else {
      return evses.indices.map { index in
        demands.first { $0.index == index }.flatMap { $0.wants >= PowerBudget.minimum ? $0.wants : nil }
      }
    }
    let shares = PowerBudget.shares(of: supply, among: demands)
    var held = evses.map { evse in
      let offered = evse.offer ?? 0
      guard let reserved = evse.reserved, reserved.until > now.monotonic else { return offered }
      return max(offered, reserved.milliamperes)
    }
    var result: [Int64?] = evses.map { _ in nil }
    for index in evses.indices {
      guard let share = shares[index] else { continue }
      let others = held.indices.filter { $0 != index }.reduce(Int64(0)) { $0 + held[$1] }
      let free = supply - others
      let offered = evses[index].offer ?? 0
      let granted = share <= offered ? share : max(offered, min(share, free))
      result[index] = granted >= PowerBudget.minimum ? granted : nil
      held[index] = max(held[index], granted)
    }
    return result
  }
}
