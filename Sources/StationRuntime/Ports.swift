import CSMSLink
import Certificates
import Ledger
import NIOCore
import OCPP
import StationCore

/// The core as the runtime drives it: pure, inputs in, actions out.
public protocol CoreMachine {
  mutating func handle(_ input: Input, at now: StationTime) -> [Action]
  /// What the control socket's `state` shows of it.
  var snapshot: StationSnapshot { get }
  /// Where the time stamps that it makes now come from.
  var clockSource: ClockSource { get }
  /// Milliseconds that the CSMS' time is ahead of the machine's wall clock, where it counts.
  var clockOffset: Int64 { get }
  /// Tolerated deviations of the CSMS, counted.
  var quirks: [Quirk: Int] { get }
  /// What E13 made it give up, as far as it is still kept.
  var undeliveredMessages: [JSONValue] { get }
  var securityLog: SecurityLog { get }
}

/// The ledger as the runtime uses it.
public protocol LedgerPort: Sendable {
  /// Makes the writes durable together; `completion` may come on any thread.
  func commit(
    _ writes: [LedgerWrite], epoch: UInt64?, completion: @escaping @Sendable (Result<Void, LedgerError>) -> Void)
  /// Overwrites on the medium what was deleted; `completion` may come on any thread.
  func erase(completion: @escaping @Sendable (LedgerError?) -> Void)
  /// Writes what waits and closes; waits until that is done.
  @discardableResult func close() -> LedgerError?
  /// What was written since the start.
  var statistics: LedgerStatistics { get }
}

/// The connection to the CSMS as the runtime uses it; the rules are those of `CSMSLink`.
public protocol LinkPort {
  func connect(_ request: ConnectionRequest)
  func send(_ message: [UInt8])
  func ping()
  func disconnect(code: Int, reason: String)
}

/// The certificate folder as the runtime uses it; the rules are those of `CertificateWorker`.
public protocol CertificatePort: Sendable {
  /// `completion` may come on any thread, or before this returns.
  func carryOut(
    _ request: CertificateRequest, completion: @escaping @Sendable (CertificateReply, CertificateInventory) -> Void)
  /// Takes nothing more and waits a moment for what is being done.
  func close()
}

extension Station: CoreMachine {}
extension CertificateWorker: CertificatePort {
  public func close() { close(within: 1000) }
}
extension Ledger: LedgerPort {}
extension CSMSLink: LinkPort {}
