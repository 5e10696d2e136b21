import DeviceModel

/// What can go wrong in a simulated world.
public enum FaultFamily: String, CaseIterable, Sendable {
  case network, csms, disk, power, clock, meter, hardware, drivers
  /// Passwords and network profiles that the CSMS changes, rightly and wrongly.
  case doors
}

/// One station and its circumstances, drawn from a seed.
struct Scenario {
  let seed: UInt64
  let hours: Int64
  let faults: Set<FaultFamily>
  var folder: String
  /// Settings that the run is started with.
  var settings: [String: String]
  /// Period of readings while energy flows, and while none does.
  var activePeriod: Int64
  var idlePeriod: Int64
  /// Mean time between two drivers at one EVSE.
  var driverMean: Int64
  /// Mean time between two faults of a family.
  var faultMean: [FaultFamily: Int64]
  var offlineTokens: Bool
  var stopsOnInvalid: Bool
  var authEnabled: Bool
  /// The durable part is kept in a real SQLite ledger, too.
  var usesRealLedger: Bool
  /// The machine has no battery-backed clock: after a power cut it begins in 1970.
  var losesClock: Bool
  var startPoint: String
  var stopPoint: String
  var timeSource: String
  var startsWithoutStorage: Bool
  /// How fast the disk flushes, milliseconds.
  var flushTime: ClosedRange<Int64>
  var latency: ClosedRange<Int64>

  init(seed: UInt64, hours: Int64, faults: Set<FaultFamily>) {
    var dice = Dice(seed: seed ^ 0x5CE_4A21_0000_0000)
    self.seed = seed
    self.hours = hours
    self.faults = faults
    folder = dice.chance(0.5) ? "ac-one-evse" : "ac-two-evse"
    startPoint = dice.pick([
      "PowerPathClosed", "PowerPathClosed", "EVConnected", "Authorized", "EVConnected,Authorized", "EnergyTransfer",
    ])
    stopPoint = dice.pick([
      "EVConnected,Authorized", "EVConnected,Authorized", "EVConnected", "Authorized", "PowerPathClosed",
      "EnergyTransfer",
    ])
    activePeriod = dice.pick([.second, 5 * .second, 10 * .second, 20 * .second, 30 * .second])
    idlePeriod = dice.pick([30 * .second, 50 * .second, 55 * .second])
    driverMean = dice.spread(5 * .minute...90 * .minute)
    faultMean = [:]
    for family in FaultFamily.allCases where family != .doors && faults.contains(family) {
      // A third of the families rest in a given world, the others are rare, usual or frequent.
      guard dice.chance(0.7) else { continue }
      faultMean[family] = dice.spread(20 * .minute...12 * .hour)
    }
    offlineTokens = dice.chance(0.6)
    stopsOnInvalid = dice.chance(0.6)
    authEnabled = dice.chance(0.95)
    usesRealLedger = dice.chance(0.1)
    losesClock = faults.contains(.clock) && dice.chance(0.3)
    timeSource = losesClock || dice.chance(0.7) ? "Heartbeat" : "NTP"
    startsWithoutStorage = dice.chance(0.15)
    flushTime = dice.pick([1...5, 1...5, 2...40, 10...400])
    latency = dice.pick([1...10, 5...80, 20...400, 100...2000])
    settings = [:]
    func set(_ name: String, _ value: String) { settings[name] = value }
    func flag(_ value: Bool) -> String { value ? "true" : "false" }
    set("TxCtrlr/TxStartPoint", startPoint)
    set("TxCtrlr/TxStopPoint", stopPoint)
    set("TxCtrlr/StopTxOnInvalidId", flag(stopsOnInvalid))
    set("TxCtrlr/MaxEnergyOnInvalidId", dice.pick(["0", "500"]))
    set("TxCtrlr/StopTxOnEVSideDisconnect", flag(dice.chance(0.7)))
    set("TxCtrlr/TxBeforeAcceptedEnabled", flag(dice.chance(0.5)))
    set("TxCtrlr/EVConnectionTimeOut", dice.pick(["30", "60", "300"]))
    set("AuthCtrlr/Enabled", flag(authEnabled))
    set("AuthCtrlr/OfflineTxForUnknownIdEnabled", flag(offlineTokens))
    set("AuthCtrlr/AuthorizeRemoteStart", flag(dice.chance(0.5)))
    set("OCPPCommCtrlr/UnlockOnEVSideDisconnect", flag(dice.chance(0.6)))
    set("OCPPCommCtrlr/MessageAttempts.TransactionEvent", dice.pick(["1", "2", "3", "5"]))
    set("OCPPCommCtrlr/MessageAttemptInterval.TransactionEvent", dice.pick(["1", "10", "60"]))
    set("OCPPCommCtrlr/OfflineThreshold", dice.pick(["0", "60", "600"]))
    set("OCPPCommCtrlr/WebSocketPingInterval", dice.pick(["0", "30", "120"]))
    set("SampledDataCtrlr/TxUpdatedInterval", dice.pick(["0", "30", "60", "300", "900"]))
    set("SampledDataCtrlr/TxEndedInterval", dice.pick(["0", "0", "60", "900"]))
    set("AlignedDataCtrlr/Interval", dice.pick(["0", "300", "900"]))
    set("AlignedDataCtrlr/TxEndedInterval", dice.pick(["0", "0", "900"]))
    set("ClockCtrlr/TimeSource", timeSource)
    set("InternalCtrlr/ResumeTransactionsOnBoot", flag(dice.chance(0.5)))
  }

  /// Drawn apart, so that the worlds of before it stay as they were.
  mutating func addDoors() {
    var dice = Dice(seed: seed ^ 0xD00_85)
    guard faults.contains(.doors), dice.chance(0.5) else { return }
    faultMean[.doors] = dice.spread(10 * .minute...6 * .hour)
    settings["OCPPCommCtrlr/NetworkProfileConnectionAttempts"] = dice.pick(["1", "2", "5"])
  }

  /// The settings of the outbox, where the model has them.
  mutating func addOutboxSettings(of model: DeviceModel) {
    var dice = Dice(seed: seed ^ 0x0B0)
    let controller = ComponentID("InternalCtrlr")
    if model.variable(controller, VariableID("OutboxMaxBytes")) != nil {
      outboxBound = dice.pick([65_536, 65_536, 262_144, 8_388_608])
      settings["InternalCtrlr/OutboxMaxBytes"] = String(outboxBound)
    }
    if model.variable(controller, VariableID("StartTransactionsWithoutStorage")) != nil {
      settings["InternalCtrlr/StartTransactionsWithoutStorage"] = startsWithoutStorage ? "true" : "false"
      settings["InternalCtrlr/ContinueTransactionsWithoutStorage"] = dice.chance(0.7) ? "true" : "false"
    } else {
      startsWithoutStorage = false
    }
  }

  /// Bound of the outbox in bytes; far away when the station has none.
  var outboxBound = 64 << 20

  func mean(_ family: FaultFamily) -> Int64? { faultMean[family] }
}
