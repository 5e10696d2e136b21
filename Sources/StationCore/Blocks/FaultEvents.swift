import DeviceModel
import OCPP

/// Faults as hard-wired notifications (N07). What cannot be told now, because the CSMS is away and the severity is not one
/// that is queued, or because it is not to be told at this monitoring level, is told as it is then when it can be.
struct FaultNews: Sendable {
  /// Places whose last change was not told, with the name of the fault that made it, in order.
  var untold: [(place: VariableAddress, name: String)] = []
  /// Places of which the CSMS was told that something is wrong.
  var known: Set<VariableAddress> = []
  /// The first fault that was told during this input: its event, and how many changes of watched variables came before
  /// it. Later ones are its consequences (N07.FR.05).
  var cause: (event: Int, after: Int)?

  static let limit = 128
}

extension Station {
  /// Tells that a fault has come, or that its place is well again.
  /// - Parameter mark: the number of `model.changes` before the fault was put into the model.
  mutating func tellFault(_ name: String, at place: VariableAddress, _ isSet: Bool, changesSince mark: Int) {
    let severity = FaultTable.entry(of: name).severity
    guard hearing.reaches(severity) else {
      if !isSet { faultNews.untold.removeAll { $0.place == place } }
      return remember(name, at: place)
    }
    let event = faultEvent(name, at: place, isSet)
    if isSet { faultNews.known.insert(place) } else { faultNews.known.remove(place) }
    monitoring.pending.append(event)
    if isSet, faultNews.cause == nil { faultNews.cause = (event.eventId, mark) }
  }

  /// The CSMS hears more than before.
  mutating func tellFaultNews() {
    guard !faultNews.untold.isEmpty else { return }
    let untold = faultNews.untold
    faultNews.untold = []
    for (place, name) in untold {
      let isSet = model.value(place.component, place.variable) == "true"
      let active = faults.filter { self.place(of: $0) == place }.map(\.name)
      // What came and went meanwhile is no news.
      guard isSet ? active.isEmpty || active.contains(name) : faultNews.known.contains(place) else { continue }
      tellFault(name, at: place, isSet, changesSince: model.changes.count)
    }
  }

  /// A notification that was not answered: told again as it is when the CSMS hears.
  mutating func faultEventLost(_ event: EventDataType) {
    let place = VariableAddress(ComponentID(event.component), VariableID(event.variable))
    let name = Self.faultName(of: event)
    remember(name, at: place)
    // The end of what the CSMS knows, or may know, is news in any case.
    if event.cleared == true { faultNews.known.insert(place) } else { faultNews.known.remove(place) }
  }

  private mutating func remember(_ name: String, at place: VariableAddress) {
    faultNews.untold.removeAll { $0.place == place && $0.name == name }
    if faultNews.untold.count >= FaultNews.limit { faultNews.untold.removeFirst() }
    faultNews.untold.append((place, name))
  }

  /// The name is the first word of techInfo.
  static func faultName(of event: EventDataType) -> String {
    String((event.techInfo ?? "").prefix { $0 != ":" })
  }

  mutating func faultEvent(_ name: String, at place: VariableAddress, _ isSet: Bool) -> EventDataType {
    let entry = FaultTable.entry(of: name)
    let info = "\(name): \(entry.text)"
    return EventDataType(
      actualValue: isSet ? "true" : "false", component: ComponentType(place.component), eventId: nextEventID(),
      eventNotificationType: .hardWiredNotification, timestamp: timestamp, trigger: .delta,
      variable: VariableType(place.variable), cleared: isSet ? nil : true, severity: entry.severity,
      techCode: String(entry.techCode.unicodeScalars.prefix(50)),
      techInfo: String(info.unicodeScalars.prefix(500)), transactionId: transactionID(at: place.component))
  }

  /// The transaction that an event of this component belongs to: the one of its EVSE.
  func transactionID(at component: ComponentID) -> String? {
    guard let evse = component.evse, evses.indices.contains(evse - 1) else { return nil }
    return evses[evse - 1].transaction?.id
  }

  /// A number for NotifyEvent that was never used before.
  mutating func nextEventID() -> Int {
    if provisioning.nextEventID >= provisioning.reservedEventIDs {
      provisioning.reservedEventIDs = provisioning.nextEventID + Outbox.reservation
      persistStation(.eventIDs)
    }
    provisioning.nextEventID += 1
    return Int(provisioning.nextEventID)
  }
}

extension ComponentType {
  init(_ id: ComponentID) {
    self.init(
      name: id.name, evse: id.evse.map { EVSEType(id: $0, connectorId: id.connector) }, instance: id.instance)
  }
}

extension VariableType {
  init(_ id: VariableID) { self.init(name: id.name, instance: id.instance) }
}
