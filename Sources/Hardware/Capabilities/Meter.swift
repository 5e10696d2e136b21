import StationCore

/// What a meter says it is.
public struct MeterIdentity: Hashable, Sendable {
  public var vendor: String
  /// Id of the register map in use.
  public var model: String
  public var serialNumber: String?
  /// What else it tells of itself, by name, sorted.
  public var details: [String: String]

  public init(vendor: String, model: String, serialNumber: String? = nil, details: [String: String] = [:]) {
    self.vendor = vendor
    self.model = model
    self.serialNumber = serialNumber
    self.details = details
  }
}

/// What a meter reports, in the order in which it came to know it.
public struct MeterUpdate: Hashable, Sendable {
  /// The values of one poll. Its `acquiredAtWall` is `nil`: who knows the wall clock fills it in from
  /// `reading.acquiredAt`.
  public var reading: Reading<MeterReading>
  public var raised: [HardwareFault] = []
  public var cleared: [HardwareFault] = []
  public var health: Health

  public init(
    reading: Reading<MeterReading>, raised: [HardwareFault] = [], cleared: [HardwareFault] = [], health: Health
  ) {
    self.reading = reading
    self.raised = raised
    self.cleared = cleared
    self.health = health
  }

  /// What the core is told: faults, and a good reading stamped with the wall clock's time of its acquisition (UTC,
  /// milliseconds). Suspect and unknown readings are not passed on.
  public func events(now: MonotonicTime, wall: Int64) -> [HardwareEvent] {
    var events = raised.map(HardwareEvent.faultRaised)
    if case .good = reading.quality, var value = reading.value {
      value.acquiredAtWall = wall - (now - reading.acquiredAt).milliseconds
      events.append(.meter(value))
    }
    return events + cleared.map(HardwareEvent.faultCleared)
  }
}

/// An energy meter of one EVSE, or the station's main meter (EVSE 0).
///
/// `report` is called on a thread of the driver's, one call at a time; it must not block.
public protocol Meter: AnyObject, Sendable {
  var evse: Int { get }
  /// Begins to read in its own interval. To be called once.
  func start(report: @escaping @Sendable (MeterUpdate) -> Void)
  /// Reads once out of turn, as soon as the bus allows; what it gives is reported.
  func readNow()
  /// Asks the device what it is; answers on a thread of the driver's.
  func probe(_ answer: @escaping @Sendable (ProbeResult<MeterIdentity>) -> Void)
  /// No report begins after this returns, except one that is being made.
  func stop()
}
