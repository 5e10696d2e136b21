import DeviceModel
import OCPP

/// Functional block B: boot, registration, heartbeat, reset. Variables and reports are in files beside it.
struct Provisioning: Sendable {
  enum Registration: String, Hashable, Sendable {
    case none = "None"
    case pending = "Pending"
    case rejected = "Rejected"
    case accepted = "Accepted"
  }

  var registration = Registration.none
  let bootReason: BootReasonEnumType
  /// A BootNotification asked for by TriggerMessage says so.
  var bootIsTriggered = false
  /// True once this process has been accepted: a mere reconnection sends no BootNotification (B01, OCPP-J 5.4).
  var wasAccepted = false
  /// The CSMS was told that the station has started.
  var startIsTold = false
  var lastHeartbeat: Int64 = 0
  /// Values changed at run time, by persistent key, as they are in the ledger.
  var changedVariables: [String: String] = [:]
  var reports: [ReportInProgress] = []
  var reset: PendingReset?
  /// Of NotifyEvent; reserved in the ledger in blocks, so that none is used twice.
  var nextEventID: Int64
  var reservedEventIDs: Int64

  /// Wait before the next BootNotification when the CSMS gives none (B02.FR.07, B03.FR.05), milliseconds.
  static let ownBootInterval: Int64 = 30_000
  /// Longest time without a Heartbeat when it is a time source (G02.FR.07), milliseconds.
  static let longestHeartbeat: Int64 = 86_400_000

  init(bootReason: BootReasonEnumType, reservedEventIDs: Int64) {
    self.bootReason = bootReason
    self.reservedEventIDs = reservedEventIDs
    nextEventID = reservedEventIDs
  }
}

extension Station {
  // MARK: Boot (B01-B04)

  /// The WebSocket is open. `offlineFor` is how long it was not, in milliseconds; `nil` at the first connection.
  mutating func cameOnline(offlineFor: Int64?) {
    guard provisioning.wasAccepted else {
      // A wait that the CSMS asked for goes on across connections (B02.FR.04).
      if provisioning.registration == .none { sendBootNotification() }
      return
    }
    provisioning.registration = .accepted
    reportStatusAfterOffline(milliseconds: offlineFor ?? 0)
    startHeartbeat()
    sendHeldBackSigningRequest()
    checkExpiry()
  }

  mutating func sendBootNotification() {
    guard !calls.waiting.contains(where: { $0.purpose == .boot }) else { return }
    stopTimer(.boot)
    let serial = text(Setting.chargeBoxSerialNumber)
    let station = ChargingStationType(
      model: limited(text(Setting.chargePointModel) ?? "station", 20),
      vendorName: limited(text(Setting.chargePointVendor) ?? "unknown", 50),
      firmwareVersion: text(Setting.firmwareVersion).map { limited($0, 50) },
      serialNumber: serial.map { limited($0, 25) })
    let reason = provisioning.bootIsTriggered ? BootReasonEnumType.triggered : provisioning.bootReason
    call(BootNotificationRequest(chargingStation: station, reason: reason), for: .boot)
  }

  private func limited(_ text: String, _ length: Int) -> String { String(text.unicodeScalars.prefix(length)) }

  mutating func bootAnswered(_ response: BootNotificationResponse) {
    provisioning.bootIsTriggered = false
    synchronizeClock(to: response.currentTime)
    let interval = response.interval > 0 ? Int64(min(response.interval, 86_400 * 365)) * 1000 : nil
    log(.notice, "registration \(response.status.rawValue)")
    switch response.status {
    case .accepted:
      provisioning.registration = .accepted
      provisioning.wasAccepted = true
      if response.interval > 0 { setByStation(String(response.interval), Setting.heartbeatInterval) }
      reportAllStatus()
      if !provisioning.startIsTold { startupSecurityEvent() }
      startHeartbeat()
      scheduleAlignedData()
      sendHeldBackSigningRequest()
      checkExpiry()
    case .pending, .rejected:
      provisioning.registration = response.status == .pending ? .pending : .rejected
      startTimer(.boot, after: interval ?? Provisioning.ownBootInterval)
      if response.status == .pending { sendHeldBackSigningRequest() }
    }
    csmsEvent()
  }

  mutating func bootFailed() {
    provisioning.bootIsTriggered = false
    guard isOnline else {
      // The next connection begins with it, also when the CSMS had rejected the station before.
      if !provisioning.wasAccepted { provisioning.registration = .none }
      return
    }
    startTimer(.boot, after: Provisioning.ownBootInterval)
  }

  mutating func bootDue() {
    guard provisioning.registration != .accepted else { return }
    if isOnline {
      sendBootNotification()
    } else {
      // The wait is over: the next connection begins with BootNotification.
      provisioning.registration = .none
    }
  }

  /// A04: the CSMS learns that the station has (re)started.
  private mutating func startupSecurityEvent() {
    provisioning.startIsTold = true
    tellSecurityEvent(startEvent)
  }

  /// The security event of the start.
  var startEvent: String { provisioning.bootReason == .powerUp ? "StartupOfTheDevice" : "ResetOrReboot" }

  // MARK: Heartbeat (G02)

  mutating func startHeartbeat() {
    let interval = milliseconds(Setting.heartbeatInterval, default: 0)
    guard isOnline, provisioning.registration == .accepted, interval > 0 else {
      stopTimer(.heartbeat)
      return
    }
    let due = min(calls.lastSent + interval, provisioning.lastHeartbeat + max(interval, Provisioning.longestHeartbeat))
    emit(.setTimer(.heartbeat, at: max(due, now.monotonic)))
  }

  mutating func heartbeatDue() {
    let interval = milliseconds(Setting.heartbeatInterval, default: 0)
    guard isOnline, provisioning.registration == .accepted, interval > 0 else { return }
    let quietFor = now.monotonic - calls.lastSent
    let sinceHeartbeat = now.monotonic - provisioning.lastHeartbeat
    guard quietFor >= interval || sinceHeartbeat >= Provisioning.longestHeartbeat else {
      startHeartbeat()  // another message was sent meanwhile (G02.FR.05)
      return
    }
    sendHeartbeat()
  }

  mutating func sendHeartbeat(requested: Bool = false) {
    provisioning.lastHeartbeat = now.monotonic
    call(HeartbeatRequest(), for: .heartbeat, requested: requested)
  }

  mutating func heartbeatAnswered(_ response: HeartbeatResponse) {
    synchronizeClock(to: response.currentTime)
    startHeartbeat()
  }
}
