/// A clock that is plausible and wrong: a station without a battery for its clock, switched on after a year in a store. A
/// certificate of the CSMS that was renewed meanwhile has not begun by that clock, and the time would come from the CSMS.

/// What a refused certificate is counted by: whether another attempt with the same could end otherwise depends on these.
struct CertificateAttempt: Hashable, Sendable {
  var url: String
  var usesOldRoot: Bool

  init(_ attempt: NetworkAttempt) {
    url = attempt.profile.url
    usesOldRoot = attempt.usesOldRoot
  }
}

extension Station {
  /// Whether a certificate that has not begun is to be taken in this attempt. One that has ended never is: a clock that
  /// is behind shows no time that has not passed.
  ///
  /// Only while nobody vouches for the clock: no connection since the boot, the CSMS told no time, nobody set it. Then,
  /// after NetworkProfileConnectionAttempts refused certificates, every second attempt, so that the strict ones go on.
  func doubtsClock(for attempt: NetworkAttempt) -> Bool {
    guard attempt.profile.securityProfile >= 2, clock.source == .system, !clock.isVirtual else { return false }
    if clock.isBehind { return true }
    guard connection.generation == 0, !clock.wasSet else { return false }
    let failures = connection.certificateFailures[CertificateAttempt(attempt)] ?? 0
    let patience = max(1, number(Setting.networkProfileConnectionAttempts, default: 3))
    return failures >= patience && (failures - patience).isMultiple(of: 2)
  }

  mutating func tellClockDoubt(_ attempt: NetworkAttempt) {
    guard attempt.doubtsClock, !clock.doubtIsTold else { return }
    clock.doubtIsTold = true
    log(
      .warning,
      "the CSMS' certificate was refused again and again, and nobody has confirmed the clock: from now on every second "
        + "attempt takes one that has not begun by the clock")
  }

  mutating func noticeCertificateFailure(_ reason: LinkDownReason) {
    guard case .tls(.serverCertificate, _) = reason, let attempt = connection.attempt else { return }
    connection.certificateFailures[CertificateAttempt(attempt), default: 0] += 1
  }

  /// A connection came about. A verified certificate that begins later than the clock shows says that the clock is
  /// behind: from then on the CSMS' time counts, whatever TimeSource says.
  mutating func noticeClockBehind(_ attempt: NetworkAttempt, _ session: TLSSession?) {
    connection.certificateFailures = [:]
    guard attempt.doubtsClock, clock.source == .system, !clock.isBehind,
      session?.serverChain.contains(where: { $0.notBefore > wallTime }) == true
    else { return }
    clock.isBehind = true
    log(.warning, "the CSMS' certificate begins later than the clock shows: the clock is behind")
  }

  /// The CSMS told what time it is to a clock that was known to be behind.
  mutating func clockCaughtUp(by change: Int64) {
    securityEvent("SettingSystemTime", "to the CSMS' time, by \(change / 1000) s: the clock was behind its certificate")
  }

  /// Differences of clocks that a certificate's begin is not held against, milliseconds.
  private static let certificateTolerance: Int64 = 60_000

  /// Once after the time became known: a certificate that has ended or not begun, and was taken for want of a time, ends the
  /// connection. The next attempt refuses it, and tells of it (A00.FR.310).
  mutating func recheckServerChain() {
    guard clock.chainIsDue else { return }
    clock.chainIsDue = false
    guard isOnline, let chain = connection.tls?.serverChain else { return }
    if let ended = chain.first(where: { $0.notAfter < wallTime }) {
      replaceConnection("the CSMS' certificate has expired, as is known now that the time is: \(ended.subject)")
    } else if let early = chain.first(where: { $0.notBefore > wallTime + Self.certificateTolerance }) {
      replaceConnection("the CSMS' certificate has not begun, as is known now that the time is: \(early.subject)")
    }
  }
}
