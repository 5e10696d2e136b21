import DeviceModel
import OCPP

/// Certificate weather: what expires, told 30, 14 and 7 days ahead and when it has happened, once each. The events are
/// hard-wired ones with a severity: where they reach nobody (`Hearing`), they are told when they do.
extension Station {
  private struct Item {
    var key: String
    /// What it is, and what does not work without it.
    var text: String
    var notAfter: Int64
  }

  private static let warningDays = [0, 7, 14, 30]
  private static let day: Int64 = 86_400_000

  /// Looks at everything that is in use: the station's own certificates, the roots, and what the CSMS presented last.
  mutating func checkExpiry() {
    tellExpiry()
    if knownTime != nil { renewCertificate() }
  }

  mutating func tellExpiry() {
    guard let time = knownTime else { return }
    let items = expiringItems
    let nearest = items.map(\.notAfter).min()
    setByStation(nearest.map { DateTime(unixMilliseconds: $0).description } ?? "", Setting.certificateExpiry)
    // What the CSMS presented is not known again before the next connection.
    var told = certificateManagement.told.filter { certificateManagement.served.isEmpty && $0.key.hasPrefix("csms ") }
    for item in items {
      let left = item.notAfter - time
      told[item.key] = certificateManagement.told[item.key]
      guard let stage = Self.warningDays.first(where: { left <= Int64($0) * Self.day }) else {
        told[item.key] = nil  // the clock was wrong
        continue
      }
      guard stage < told[item.key] ?? .max else { continue }
      let when = left <= 0 ? "has expired" : "expires in \(left / Self.day) days"
      if certificateManagement.logged[item.key] != stage { log(.warning, "\(item.text): \(when)") }
      certificateManagement.logged[item.key] = stage
      guard hearing.reaches(Self.severity(isOver: left <= 0)) else { continue }
      told[item.key] = stage
      monitoring.pending.append(expiryEvent("\(item.text): \(when)", item.notAfter, isOver: left <= 0))
    }
    if told != certificateManagement.told {
      certificateManagement.told = told
      // What is sent at once counts as told when it is answered.
      let hearing = self.hearing
      if hearing.isDirect, !hearing.queuesAll {
        certificateManagement.owesRecord = true
      } else {
        persistStation(.expiryTold)
      }
    }
  }

  private var expiringItems: [Item] {
    var items: [Item] = []
    // Of several own ones the newest counts, the others are going.
    let own = [InstalledCertificate.Kind.chargingStation, .v2gChain].compactMap { certificates.newest($0) }
    let roots = certificates.certificates.filter { $0.kind != .chargingStation && $0.kind != .v2gChain }
    for certificate in own + roots {
      items.append(
        Item(
          key: certificate.fingerprint, text: "\(certificate.kind.meaning), \(certificate.subject.prefix(100))",
          notAfter: certificate.notAfter))
    }
    for certificate in certificateManagement.served.prefix(8) {
      items.append(
        Item(
          key: "csms \(certificate.notAfter) \(certificate.subject.prefix(100))",
          text: "certificate that the CSMS presents (connection), \(certificate.subject.prefix(100))",
          notAfter: certificate.notAfter))
    }
    return items
  }

  /// Of what has expired, and of what will (SetMonitoringLevel's scale).
  private static func severity(isOver: Bool) -> Int { isOver ? 4 : 6 }

  static func expirySeverity(of event: EventDataType) -> Int? {
    guard VariableAddress(ComponentID(event.component), VariableID(event.variable)) == Setting.certificateExpiry else {
      return nil
    }
    return severity(isOver: event.techCode == expired)
  }

  private static let expired = "Expired"

  /// An event that was not answered, and that is not to be queued: it counts as not told.
  mutating func expiryEventLost(_ event: EventDataType) {
    let text = event.techInfo ?? ""
    for item in expiringItems where text.hasPrefix(item.text) { certificateManagement.told[item.key] = nil }
    persistStation(.expiryTold)
  }

  private mutating func expiryEvent(_ text: String, _ notAfter: Int64, isOver: Bool) -> EventDataType {
    let place = Setting.certificateExpiry
    return EventDataType(
      actualValue: DateTime(unixMilliseconds: notAfter).description,
      component: ComponentType(name: place.component.name), eventId: nextEventID(),
      eventNotificationType: .hardWiredNotification, timestamp: timestamp, trigger: .alerting,
      variable: VariableType(name: place.variable.name), severity: Self.severity(isOver: isOver),
      techCode: isOver ? Self.expired : "Expires", techInfo: String(text.prefix(500)))
  }

  /// A NotifyEvent is with the CSMS.
  mutating func eventsDelivered() {
    guard certificateManagement.owesRecord else { return }
    certificateManagement.owesRecord = false
    persistStation(.expiryTold)
  }

  mutating func certificateLookDue() {
    startTimer(.certificates, after: CertificateManagement.lookInterval)
    if canWork() { ask(.look, .look) }
  }
}

extension InstalledCertificate.Kind {
  /// What it is and what it is needed for.
  var meaning: String {
    switch self {
    case .chargingStation: "charging station certificate (connection to the CSMS)"
    case .csmsRoot: "CSMS root (connection to the CSMS)"
    case .manufacturerRoot: "manufacturer root (firmware updates)"
    case .v2gChain: "V2G certificate (Plug and Charge)"
    case .v2gRoot: "V2G root (Plug and Charge)"
    case .moRoot: "MO root (Plug and Charge)"
    }
  }
}
