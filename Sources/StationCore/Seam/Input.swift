import DeviceModel
import OCPP

/// What the core is started with. Everything that decides its behaviour and is not an input comes in here.
public struct StationStart: Sendable {
  /// The resolved factory device model (component files, overrides, options).
  public var model: DeviceModel
  /// What the ledger held.
  public var ledger: LedgerSnapshot
  /// Seed of all randomness: message ids, transaction ids, back-off.
  public var seed: UInt64
  /// Why the process started; goes into BootNotification.
  public var bootReason: BootReasonEnumType
  /// `--csms-url`; replaces the URL of every network profile that the CSMS has not set.
  public var csmsURL: String?
  /// `--station-id`.
  public var identity: String?
  /// What the certificate folder held.
  public var certificates: CertificateInventory
  /// Firmware can be installed.
  public var hasInstaller: Bool
  /// The wall clock is scaled or simulated (`--time-scale`): the CSMS does not correct it.
  public var clockIsVirtual: Bool

  public init(
    model: DeviceModel, ledger: LedgerSnapshot, seed: UInt64, bootReason: BootReasonEnumType, csmsURL: String? = nil,
    identity: String? = nil, certificates: CertificateInventory = CertificateInventory(), hasInstaller: Bool = false,
    clockIsVirtual: Bool = false
  ) {
    self.model = model
    self.ledger = ledger
    self.seed = seed
    self.bootReason = bootReason
    self.csmsURL = csmsURL
    self.identity = identity
    self.certificates = certificates
    self.hasInstaller = hasInstaller
    self.clockIsVirtual = clockIsVirtual
  }
}

/// Everything that can happen to the station.
public enum Input: Hashable, Sendable {
  /// The first input: drivers are ready, begin.
  case start
  /// A timer set by `Action.setTimer` is due.
  case timer(TimerID)
  case link(LinkEvent)
  case hardware(HardwareEvent)
  /// A certificate request was carried out, or not; with what there is now.
  case certificates(id: Int64, CertificateReply, CertificateInventory)
  /// A log request was carried out, or not.
  case logs(id: Int64, LogReply)
  /// A file transfer goes on, or has ended.
  case transfer(id: Int64, TransferEvent)
  /// The installer goes on, or has answered.
  case installer(id: Int64, InstallerReply)
  /// The uplink was cut or restored (control socket `network`).
  case network(online: Bool)
  /// A control-socket command that the CSMS must answer.
  case control(id: Int64, ControlRequest)
  /// The ledger could not commit. These actions depended on it and were not carried out.
  case commitFailed(LedgerFailure, refused: [Action])
  /// What was committed before an `Action.confirm` is durable.
  case stored
  /// The medium is (no longer) so full that the ledger lives on the space it had kept in reserve.
  case storageLow(Bool)
  /// The ledger was found damaged while it was in use. It was kept aside, salvaged, and is in use again.
  case ledgerDamaged(LedgerDamage)
  /// Stop in an orderly way (SIGTERM).
  case shutdown
}

/// Control-socket commands that go through the core: the CSMS answers them, or the ledger holds what they change.
public enum ControlRequest: Hashable, Sendable {
  case dataTransfer(vendorId: String, messageId: String?, data: JSONValue?)
  /// Not the CSMS' to answer: deletes what is in the undelivered store once it is exported. Answers `discarded`.
  case discardUndelivered
}

/// Names a timer. Setting it again replaces it.
public struct TimerID: Hashable, Sendable {
  /// What it is for, e.g. `heartbeat`, `callTimeout`, `evConnection`.
  public var name: String
  /// The EVSE or other number that tells several of one name apart; 0 when there is just one.
  public var index: Int

  public init(_ name: String, _ index: Int = 0) {
    self.name = name
    self.index = index
  }
}
