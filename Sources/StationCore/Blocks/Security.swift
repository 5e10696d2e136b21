import OCPP

/// Functional block A: security events.
extension Station {
  /// Security events that the CSMS must hear of (Part 2, appendix 1). The others are for the security log.
  private static let criticalEvents: Set<String> = [
    "FirmwareUpdated", "SettingSystemTime", "StartupOfTheDevice", "ResetOrReboot", "SecurityLogWasCleared",
    "MemoryExhaustion", "TamperDetectionActivated", "InvalidFirmwareSignature", "InvalidFirmwareSigningCertificate",
    "InvalidCsmsCertificate", "InvalidChargingStationCertificate", "InvalidTLSVersion", "InvalidTLSCipherSuite",
    "MaintenanceLoginAccepted", "MaintenanceLoginFailed", "DiscardedRenewedClientCertificate",
  ]

  /// A security event of the appendix (A04): in the security log; when it is critical, or `isTold` says so, also queued
  /// until the CSMS has it. `info` must hold no secret and no identifier of a customer.
  mutating func securityEvent(_ type: String, _ info: String? = nil, isTold: Bool = false) {
    recordSecurityEvent(type, info)
    tellSecurityEvent(type, info, isTold: isTold)
  }

  /// Tells of an event that is in the security log already.
  mutating func tellSecurityEvent(_ type: String, _ info: String? = nil, isTold: Bool = false) {
    log(.notice, "security event \(type)" + (info.map { ": \($0)" } ?? ""))
    guard isTold || Self.criticalEvents.contains(type) else { return }
    let info = info.map { String($0.unicodeScalars.prefix(255)) }
    enqueue(SecurityEventNotificationRequest(timestamp: timestamp, type: type, techInfo: info), transactionID: nil)
  }

  /// What a failed attempt says about security: each event once per outage (A00.FR.316), queued until the CSMS can be
  /// reached. Nothing for a server that does not speak TLS.
  mutating func connectionFailureEvent(_ reason: LinkDownReason) {
    let type: String
    var info: String?
    switch reason {
    case .httpStatus(401): type = "FailedToAuthenticateAtCsms"
    case .tls(let failure, let text):
      switch failure {
      case .serverCertificate, .noRoots: type = "InvalidCsmsCertificate"  // A00.FR.310
      case .version: type = "InvalidTLSVersion"  // A00.FR.316
      case .cipherSuite: type = "InvalidTLSCipherSuite"  // A00.FR.323
      case .clientCertificateRefused: type = "FailedToAuthenticateAtCsms"
      case .noClientCertificate, .notTLS, .other: return
      }
      info = "\(connection.url): \(text)"
    default: return
    }
    guard connection.outageEvents.insert(type).inserted else { return }
    securityEvent(type, info)
  }
}
