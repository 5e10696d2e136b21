import DeviceModel
import OCPP

/// One EVSE: what its hardware last said, what it was last told, and who may charge.
struct EVSE: Sendable {
  let id: Int
  var connectors: [Connector]
  /// Rating of the EVSE per phase, milliamperes.
  let maxCurrent: Int64
  let phases: Int
  var meter = MeterState()
  /// The connector with the vehicle that is served: the first that came, until it leaves. One at another connector waits.
  var connectedIndex: Int?
  /// The connector that the last vehicle left, while its driver is authorized or its cable held, or the ledger's transaction is
  /// to be resumed: what comes to another one meanwhile is somebody else's.
  var claimedIndex: Int?

  /// Mirror feedback.
  var contactorClosed = false
  var contactorCommanded = false
  /// Times in a row that the contactor did not follow.
  var contactorFailures = 0
  /// The pilot's offer on the connector in use, milliamperes per phase; `nil` is a steady pilot.
  var offer: Int64?
  /// The connector of that offer, or of the last.
  var offeredIndex: Int?
  /// What other EVSEs must still leave to this one after its offer was lowered, and until when (monotonic): a vehicle
  /// has 5 s to follow (IEC 61851-1).
  var reserved: (milliamperes: Int64, until: Int64)?
  /// When the present offer began, and whether energy has flowed since.
  var offerSince: Int64?
  /// Monotonic time at which the last offer was withdrawn.
  var offerEndedAt: Int64?
  var hadEnergy = false
  var energyFlowing = false
  /// Monotonic time at which the vehicle was connected.
  var connectedSince: Int64?

  /// Who may charge now.
  var authorization: Grant?
  /// Whose cable stays locked until this token, or one of its group, is shown (E05.FR.11, E09.FR.03).
  var heldFor: Grant?
  var transaction: Transaction?
  /// The transaction is over but for the contactor's opening, which gives the last meter value.
  var ending: Ending?
  /// The connector of a vehicle that was connected while `ending`.
  var arrivedWhileEnding: Int?
  /// From the ledger: a transaction that was open when the station stopped; resumed or ended.
  var isResuming = false
  /// Since when a signed value is waited for, with which the transaction is to begin, monotonic.
  var signatureSince: Int64?
  /// A Reset of this EVSE alone.
  var reset: PendingReset?
  /// What the sensor of the parking bay says; `nil`: there is none, or it has not said anything yet.
  var bayIsOccupied: Bool?
  /// A vehicle has come into the bay, for which no transaction could begin yet.
  var arrivalIsDue = false

  struct Connector: Sendable {
    let id: Int
    /// ConnectorEnumType, e.g. `sType2`.
    let type: String
    let hasLock: Bool
    /// Its lock also bars the empty socket until somebody is authorized (ConnectorProtectionRelease).
    let isBarredWhenFree: Bool
    var pilot = PilotState.a
    /// Rating of the plugged cable, amperes; `nil` without cable.
    var cableRating: Int?
    var locked = false
    var lockCommanded = false
    var lockHasFailed = false
    /// The pilot shows state F.
    var isShownUnavailable = false
    var status = ConnectorStatusEnumType.available
    /// What the CSMS last was told (or is about to be); `nil` before the first report.
    var reported: ConnectorStatusEnumType?
    /// When the status has lasted long enough to be told (MinimumStatusDuration), monotonic.
    var reportDueAt: Int64?
    /// Was Available when a reset was scheduled, which it now waits for.
    var isWithdrawn = false

    /// A captive cable (`cType2`) never leaves the station.
    var isCaptive: Bool { type.hasPrefix("c") }
    /// IEC 61851-1 states with a vehicle.
    var isConnected: Bool { pilot == .b || pilot == .c || pilot == .d }
    /// The vehicle asks for energy. D needs ventilation, whose absence the pilot's driver reports as a fault.
    var asksForEnergy: Bool { pilot == .c || pilot == .d }
    var hasPlug: Bool { isConnected || (!isCaptive && cableRating != nil) }
    /// The lock is to hold a plug.
    var holdsPlug: Bool { hasLock && lockCommanded && hasPlug }
  }

  var isConnected: Bool { connectedIndex != nil }

  /// The connectors with a vehicle that may be served next when none is.
  var waitingIndices: [Int] {
    guard connectedIndex == nil else { return [] }
    let claimed = authorization != nil || heldFor != nil || isResuming ? claimedIndex : nil
    return connectors.indices.filter { connectors[$0].isConnected && (claimed == nil || claimed == $0) }
  }

  /// A cable that is held (`heldFor`) is the one at this connector.
  func isHeld(at connector: Int) -> Bool { (connectedIndex ?? claimedIndex ?? connector) == connector }

  /// There is a transaction, and it is this EVSE's for certain: one that began with a token alone may still move to another
  /// EVSE, so that the meter here says nothing about it.
  var isMeasuringTransaction: Bool { transaction.map { $0.evseIsReported || isConnected } ?? false }

  /// The EVSEs and connectors of the device model, in order of their numbers.
  static func topology(of model: DeviceModel) -> [EVSE] {
    guard model.evseCount > 0 else { return [] }
    return (1...model.evseCount).map { id in
      let connectors = (0..<model.connectorCount(evse: id)).map { index in
        let connector = index + 1
        let type = model.value(ComponentID("Connector", evse: id, connector: connector), VariableID("ConnectorType"))
        let lock = ComponentID("ConnectorPlugRetentionLock", evse: id, connector: connector)
        let release = ComponentID("ConnectorProtectionRelease", evse: id, connector: connector)
        let hasLock = model.component(lock) != nil
        return Connector(
          id: connector, type: (type ?? "").isEmpty ? "Unknown" : type ?? "", hasLock: hasLock,
          isBarredWhenFree: hasLock && model.value(release, VariableID("Enabled")) == "true")
      }
      let phases = PowerBudget.phases(of: ComponentID("EVSE", evse: id), in: model)
      let limit = PowerBudget.current(of: ComponentID("EVSE", evse: id), phases: phases, in: model)
      return EVSE(id: id, connectors: connectors, maxCurrent: limit ?? 32_000, phases: phases)
    }
  }

  init(id: Int, connectors: [Connector], maxCurrent: Int64, phases: Int) {
    self.id = id
    self.connectors = connectors
    self.maxCurrent = maxCurrent
    self.phases = phases
  }
}

/// Somebody's permission to charge at an EVSE.
struct Grant: Hashable, Sendable {
  var idToken: IdTokenType
  var groupIdToken: IdTokenType?
  /// Set when a RequestStartTransaction granted it.
  var remoteStartId: Int?
  /// The EVSEs at which the driver may plug in; the grant moves to the one where it happens.
  var evses: [Int]
  /// Monotonic time of the grant: earlier sessions are served first.
  var since: Int64
  /// No transaction event has carried the token yet.
  var isUnreported = true
  /// The CSMS did not accept the token in a transaction event, but StopTxOnInvalidId is false: no energy, or only
  /// up to this register value (E05.FR.02-03), milliwatt-hours.
  var invalid: InvalidToken?

  struct InvalidToken: Hashable, Sendable {
    var energyLimit: Int64?
  }

  func matches(_ token: IdTokenType) -> Bool { idToken.isSame(as: token) }
}

extension IdTokenType {
  /// C01.FR.25; identifiers do not regard case.
  func isSame(as other: IdTokenType) -> Bool {
    type == other.type && idToken.lowercased() == other.idToken.lowercased()
  }
}

/// How a transaction ends while the contactor opens.
struct Ending: Hashable, Sendable {
  var trigger: TriggerReasonEnumType
  var reason: ReasonEnumType
  var idToken: IdTokenType?
  /// UTC milliseconds of the cause.
  var at: Int64
  /// Found open at the start: its energy is the last that was committed, not what the meter says now.
  var isAfterPowerLoss = false
  /// When the contactor was found open: the meter was asked then, monotonic.
  var openedAt: Int64?
  /// Monotonic time from which on the last reading counts, whatever its age.
  var readBy: Int64 = 0
}
