import DeviceModel
import StationCore

/// A power contactor whose lines station-relayd holds. Faults of its EVSE: `ContactorWelded`, `ContactorFailedToClose` (late, dropped
/// out, or refused), `GPIOFailure` (a line cannot be had or read), `RelayDaemonFailure`; all of severity high.
///
/// Without a mirror contact "closed" is what was commanded.
public final class RelayContactor: Contactor {
  public let component: ComponentID
  public let binding: GPIOContactorBinding
  private let lease: RelayLease

  public init(_ binding: GPIOContactorBinding, lease: RelayLease) {
    component = binding.component
    self.binding = binding
    self.lease = lease
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { lease.register(evse: evse, report) }

  public func command(close: Bool) { lease.command(evse: evse, close: close) }

  /// After a repair: a welded contactor whose mirror now says open, or one that failed to close, may close again. Failing to close
  /// is forgiven by itself after 60 s, three times in a row; being welded never.
  public func recheck() { lease.recheck(evse: evse) }

  /// What switching took the last time, by the mirror's edges, microseconds.
  public var switchingTimes: (closing: Int?, opening: Int?) { lease.switchingTimes(evse: evse) }

  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    let lines = (binding.lines + [binding.mirror?.line].compactMap { $0 })
    GPIOProbe.run(lines, answer)
  }

  /// Opens it, and waits until no report is under way. The lease goes on for the others.
  public func stop() {
    lease.command(evse: evse, close: false)
    lease.unregister(evse: evse)
  }
}
