import DeviceModel
import OCPP

/// The variables of the device model that the core itself reads, by their OCPP names.
enum Setting {
  static let txStartPoint = VariableAddress("TxCtrlr", "TxStartPoint")
  static let txStopPoint = VariableAddress("TxCtrlr", "TxStopPoint")
  static let evConnectionTimeOut = VariableAddress("TxCtrlr", "EVConnectionTimeOut")
  static let stopTxOnEVSideDisconnect = VariableAddress("TxCtrlr", "StopTxOnEVSideDisconnect")
  static let stopTxOnInvalidId = VariableAddress("TxCtrlr", "StopTxOnInvalidId")
  static let maxEnergyOnInvalidId = VariableAddress("TxCtrlr", "MaxEnergyOnInvalidId")
  static let txBeforeAcceptedEnabled = VariableAddress("TxCtrlr", "TxBeforeAcceptedEnabled")

  static let uiInputEnabled = VariableAddress("UIInput", "Enabled")
  /// Whether an EVSE can be reset on its own (B11.FR.10).
  static func allowReset(evse: Int) -> VariableAddress { VariableAddress("EVSE", evse: evse, "AllowReset") }

  static let unlockOnEVSideDisconnect = VariableAddress("OCPPCommCtrlr", "UnlockOnEVSideDisconnect")
  static let heartbeatInterval = VariableAddress("OCPPCommCtrlr", "HeartbeatInterval")
  static let webSocketPingInterval = VariableAddress("OCPPCommCtrlr", "WebSocketPingInterval")
  static let offlineThreshold = VariableAddress("OCPPCommCtrlr", "OfflineThreshold")
  static let messageTimeout = VariableAddress("OCPPCommCtrlr", "MessageTimeout", instance: "Default")
  static let minimumStatusDuration = VariableAddress("OCPPCommCtrlr", "MinimumStatusDuration")
  static let messageAttempts = VariableAddress("OCPPCommCtrlr", "MessageAttempts", instance: "TransactionEvent")
  static let messageAttemptInterval = VariableAddress(
    "OCPPCommCtrlr", "MessageAttemptInterval", instance: "TransactionEvent")
  static let retryBackOffWaitMinimum = VariableAddress("OCPPCommCtrlr", "RetryBackOffWaitMinimum")
  static let retryBackOffRandomRange = VariableAddress("OCPPCommCtrlr", "RetryBackOffRandomRange")
  static let retryBackOffRepeatTimes = VariableAddress("OCPPCommCtrlr", "RetryBackOffRepeatTimes")
  static let networkConfigurationPriority = VariableAddress("OCPPCommCtrlr", "NetworkConfigurationPriority")
  static let networkProfileConnectionAttempts = VariableAddress("OCPPCommCtrlr", "NetworkProfileConnectionAttempts")
  static let activeNetworkProfile = VariableAddress("OCPPCommCtrlr", "ActiveNetworkProfile")

  static let basicAuthPassword = VariableAddress("SecurityCtrlr", "BasicAuthPassword")
  static let securityProfile = VariableAddress("SecurityCtrlr", "SecurityProfile")
  static let allowCSMSTLSWildcards = VariableAddress("SecurityCtrlr", "AllowCSMSTLSWildcards")
  static let allowSecurityProfileDowngrade = VariableAddress("SecurityCtrlr", "AllowSecurityProfileDowngrade")
  static let additionalRootCertificateCheck = VariableAddress("SecurityCtrlr", "AdditionalRootCertificateCheck")
  static let certificateEntries = VariableAddress("SecurityCtrlr", "CertificateEntries")
  static let maxCertificateChainSize = VariableAddress("SecurityCtrlr", "MaxCertificateChainSize")
  static let certSigningWaitMinimum = VariableAddress("SecurityCtrlr", "CertSigningWaitMinimum")
  static let certSigningRepeatTimes = VariableAddress("SecurityCtrlr", "CertSigningRepeatTimes")
  static let organizationName = VariableAddress("SecurityCtrlr", "OrganizationName")
  /// Largest TLS record asked for, bytes (RFC 6066); 0 does not ask.
  static let maxFragmentLength = VariableAddress("InternalCtrlr", "TLSMaxFragmentLength")
  /// `EC-P256` or `RSA-3072`: the key of the next charging station certificate.
  static let clientCertificateKey = VariableAddress("InternalCtrlr", "ClientCertificateKey")
  /// The interfaces that a network profile may name; without it all that OCPP knows.
  static let networkInterfaces = VariableAddress("InternalCtrlr", "NetworkInterfaces")
  /// When the next certificate in use expires.
  static let certificateExpiry = VariableAddress("InternalCtrlr", "CertificateExpiry")
  static let identity = VariableAddress("SecurityCtrlr", "Identity")
  static let chargePointId = VariableAddress("InternalCtrlr", "ChargePointId")
  static let chargePointModel = VariableAddress("InternalCtrlr", "ChargePointModel")
  static let chargePointVendor = VariableAddress("InternalCtrlr", "ChargePointVendor")
  static let chargeBoxSerialNumber = VariableAddress("InternalCtrlr", "ChargeBoxSerialNumber")
  static let firmwareVersion = VariableAddress("InternalCtrlr", "FirmwareVersion")
  static let networkConnectionProfiles = VariableAddress("InternalCtrlr", "NetworkConnectionProfiles")
  static let resumeTransactionsOnBoot = VariableAddress("InternalCtrlr", "ResumeTransactionsOnBoot")

  static let authEnabled = VariableAddress("AuthCtrlr", "Enabled")
  static let masterPassGroupId = VariableAddress("AuthCtrlr", "MasterPassGroupId")
  static let authorizeRemoteStart = VariableAddress("AuthCtrlr", "AuthorizeRemoteStart")
  static let offlineTxForUnknownIdEnabled = VariableAddress("AuthCtrlr", "OfflineTxForUnknownIdEnabled")
  static let disableRemoteAuthorization = VariableAddress("AuthCtrlr", "DisableRemoteAuthorization")
  static let localAuthorizeOffline = VariableAddress("AuthCtrlr", "LocalAuthorizeOffline")
  static let localPreAuthorize = VariableAddress("AuthCtrlr", "LocalPreAuthorize")

  static let authCacheAvailable = VariableAddress("AuthCacheCtrlr", "Available")
  static let authCacheEnabled = VariableAddress("AuthCacheCtrlr", "Enabled")
  static let authCacheLifeTime = VariableAddress("AuthCacheCtrlr", "LifeTime")
  static let authCachePolicy = VariableAddress("AuthCacheCtrlr", "Policy")
  static let authCacheDisablePostAuthorize = VariableAddress("AuthCacheCtrlr", "DisablePostAuthorize")

  static let localListAvailable = VariableAddress("LocalAuthListCtrlr", "Available")
  static let localListEnabled = VariableAddress("LocalAuthListCtrlr", "Enabled")
  static let localListSupportsExpiry = VariableAddress("LocalAuthListCtrlr", "SupportsExpiryDateTime")
  static let localListDisablePostAuthorize = VariableAddress("LocalAuthListCtrlr", "DisablePostAuthorize")
  static let itemsPerSendLocalList = VariableAddress("LocalAuthListCtrlr", "ItemsPerMessage")
  static let bytesPerSendLocalList = VariableAddress("LocalAuthListCtrlr", "BytesPerMessage")

  static let sampledTxStartedMeasurands = VariableAddress("SampledDataCtrlr", "TxStartedMeasurands")
  static let sampledTxUpdatedMeasurands = VariableAddress("SampledDataCtrlr", "TxUpdatedMeasurands")
  static let sampledTxUpdatedInterval = VariableAddress("SampledDataCtrlr", "TxUpdatedInterval")
  static let sampledTxEndedMeasurands = VariableAddress("SampledDataCtrlr", "TxEndedMeasurands")
  static let sampledTxEndedInterval = VariableAddress("SampledDataCtrlr", "TxEndedInterval")
  static let alignedMeasurands = VariableAddress("AlignedDataCtrlr", "Measurands")
  static let alignedInterval = VariableAddress("AlignedDataCtrlr", "Interval")
  static let alignedSendDuringIdle = VariableAddress("AlignedDataCtrlr", "SendDuringIdle")
  static let alignedTxEndedMeasurands = VariableAddress("AlignedDataCtrlr", "TxEndedMeasurands")
  static let alignedTxEndedInterval = VariableAddress("AlignedDataCtrlr", "TxEndedInterval")

  static let registerValuesWithoutPhases = VariableAddress("SampledDataCtrlr", "RegisterValuesWithoutPhases")
  static let publicKeyWithSignedMeterValue = VariableAddress("OCPPCommCtrlr", "PublicKeyWithSignedMeterValue")

  static let fileTransferProtocols = VariableAddress("OCPPCommCtrlr", "FileTransferProtocols")
  /// In the TLS of file transfers the roots of the system count beside the CSMS and manufacturer roots.
  static let fileTransferSystemRoots = VariableAddress("InternalCtrlr", "FileTransferSystemRoots")
  static let allowNewSessionsPendingFirmwareUpdate = VariableAddress(
    "ChargingStation", "AllowNewSessionsPendingFirmwareUpdate")
  /// UpdateFirmware without certificate and signature is taken (L02).
  static let allowUnsignedFirmware = VariableAddress("InternalCtrlr", "AllowUnsignedFirmware")
  /// Firmware is fetched, installed while transactions go on; it is never activated then.
  static let downloadDuringTransactions = VariableAddress("InternalCtrlr", "DownloadDuringTransactions")
  static let installDuringTransactions = VariableAddress("InternalCtrlr", "InstallDuringTransactions")
  static let firmwareMaxBytes = VariableAddress("InternalCtrlr", "FirmwareMaxBytes")
  /// How long a new firmware has to be accepted by the CSMS, seconds; then the one before is put in force again.
  static let firmwareTrialTime = VariableAddress("InternalCtrlr", "FirmwareTrialTime")

  static let queueAllMessages = VariableAddress("OCPPCommCtrlr", "QueueAllMessages")
  static let securityLogMaxBytes = VariableAddress("InternalCtrlr", "SecurityLogMaxBytes")
  static let diagnosticsLogMaxBytes = VariableAddress("InternalCtrlr", "DiagnosticsLogMaxBytes")
  static let outboxMaxBytes = VariableAddress("InternalCtrlr", "OutboxMaxBytes")
  static let startTransactionsWithoutStorage = VariableAddress("InternalCtrlr", "StartTransactionsWithoutStorage")
  /// Charging goes on while the EVSE's meter cannot be read or contradicts itself; otherwise it is suspended.
  static let continueWithoutMeter = VariableAddress("InternalCtrlr", "ContinueWithoutMeter")
  static let continueTransactionsWithoutStorage = VariableAddress("InternalCtrlr", "ContinueTransactionsWithoutStorage")

  static let monitoringAvailable = VariableAddress("MonitoringCtrlr", "Available")
  static let monitoringEnabled = VariableAddress("MonitoringCtrlr", "Enabled")
  static let offlineQueuingSeverity = VariableAddress("MonitoringCtrlr", "OfflineQueuingSeverity")
  static let activeMonitoringBase = VariableAddress("MonitoringCtrlr", "ActiveMonitoringBase")
  static let activeMonitoringLevel = VariableAddress("MonitoringCtrlr", "ActiveMonitoringLevel")
  static let activeMonitors = VariableAddress("MonitoringCtrlr", "ActiveMonitors")
  /// Older names of the two above.
  static let monitoringBase = VariableAddress("MonitoringCtrlr", "MonitoringBase")
  static let monitoringLevel = VariableAddress("MonitoringCtrlr", "MonitoringLevel")
  static let itemsPerSetMonitoring = VariableAddress(
    "MonitoringCtrlr", "ItemsPerMessage", instance: "SetVariableMonitoring")
  static let bytesPerSetMonitoring = VariableAddress(
    "MonitoringCtrlr", "BytesPerMessage", instance: "SetVariableMonitoring")
  static let itemsPerClearMonitoring = VariableAddress(
    "MonitoringCtrlr", "ItemsPerMessage", instance: "ClearVariableMonitoring")
  static let bytesPerClearMonitoring = VariableAddress(
    "MonitoringCtrlr", "BytesPerMessage", instance: "ClearVariableMonitoring")
  /// The criteria of GetReport that are supported; all when it is absent.
  static let supportedCriteria = VariableAddress("InternalCtrlr", "SupportedCriteria")

  static let dateTime = VariableAddress("ClockCtrlr", "DateTime")
  static let timeSource = VariableAddress("ClockCtrlr", "TimeSource")

  static let itemsPerGetVariables = VariableAddress("DeviceDataCtrlr", "ItemsPerMessage", instance: "GetVariables")
  static let bytesPerGetVariables = VariableAddress("DeviceDataCtrlr", "BytesPerMessage", instance: "GetVariables")
  static let itemsPerSetVariables = VariableAddress("DeviceDataCtrlr", "ItemsPerMessage", instance: "SetVariables")
  static let bytesPerSetVariables = VariableAddress("DeviceDataCtrlr", "BytesPerMessage", instance: "SetVariables")
  static let itemsPerGetReport = VariableAddress("DeviceDataCtrlr", "ItemsPerMessage", instance: "GetReport")
  static let bytesPerGetReport = VariableAddress("DeviceDataCtrlr", "BytesPerMessage", instance: "GetReport")
}

extension VariableAddress {
  /// A variable of a component of the station as a whole.
  init(_ component: String, _ variable: String, instance: String? = nil) {
    self.init(ComponentID(component), VariableID(variable, instance: instance))
  }

  /// A variable of a component of an EVSE, or of a connector of it.
  init(_ component: String, evse: Int, connector: Int? = nil, _ variable: String) {
    self.init(ComponentID(component, evse: evse, connector: connector), VariableID(variable))
  }
}

/// Typed reads with the value that holds when the variable is absent or empty.
extension Station {
  func text(_ address: VariableAddress) -> String? {
    guard let value = model.value(address.component, address.variable), !value.isEmpty else { return nil }
    return value
  }

  func flag(_ address: VariableAddress, default fallback: Bool) -> Bool {
    switch text(address) {
    case "true": return true
    case "false": return false
    default: return fallback
    }
  }

  /// Values below zero or beyond `limit` count as the nearest of the two.
  func number(_ address: VariableAddress, default fallback: Int, limit: Int = 1 << 31) -> Int {
    guard let text = text(address), let value = Int(text) else { return fallback }
    return min(max(value, 0), limit)
  }

  /// A duration variable in seconds, as milliseconds; limited to ten years.
  func milliseconds(_ address: VariableAddress, default seconds: Int) -> Int64 {
    Int64(number(address, default: seconds, limit: 315_360_000)) * 1000
  }

  /// A MemberList or SequenceList; blanks around commas do not count.
  func list(_ address: VariableAddress) -> [String] {
    guard let text = text(address) else { return [] }
    return text.split(separator: ",").map { item in
      var item = item
      while item.first == " " { item.removeFirst() }
      while item.last == " " { item.removeLast() }
      return String(item)
    }.filter { !$0.isEmpty }
  }
}
