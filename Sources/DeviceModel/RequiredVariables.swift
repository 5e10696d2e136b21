/// The variables that Part 2, chapter 2 requires of a 2.0.1 station, and what each is for.
enum RequiredVariables {
  enum Needs: Hashable, Sendable {
    /// A value in the files.
    case value
    /// Only that it is there: its value comes at run time.
    case presence
    /// Its maxLimit.
    case maxLimit
  }

  struct Variable: Sendable {
    var id: VariableID
    var needs: Needs
    /// What it is for, after "expected".
    var purpose: String

    init(_ name: String, instance: String? = nil, needs: Needs = .value, _ purpose: String) {
      id = VariableID(name, instance: instance)
      self.needs = needs
      self.purpose = purpose
    }
  }

  /// Components without which there is no station. The others are required with the function they stand for: when
  /// they are there and do not say `Available` = false.
  static let always: Set<String> = [
    "ChargingStation", "ClockCtrlr", "OCPPCommCtrlr", "DeviceDataCtrlr", "SecurityCtrlr", "AuthCtrlr", "TxCtrlr",
    "SampledDataCtrlr", "AlignedDataCtrlr",
  ]

  static func find(_ id: VariableID, of component: String) -> Variable? {
    all.first { CaseFold.equal($0.0, component) }?.1.first { $0.id == id }
  }

  static let all: [(String, [Variable])] = [
    (
      "ChargingStation",
      [
        Variable("AvailabilityState", needs: .presence, "the state of the whole station"),
        Variable("Available", "true"),
        Variable("SupplyPhases", "the number of supply phases, 0 to 3"),
      ]
    ),
    (
      "EVSE",
      [
        Variable("AvailabilityState", needs: .presence, "the state of the EVSE"),
        Variable("Available", "true"),
        Variable("Power", needs: .maxLimit, "the most that the EVSE can deliver, in W, as maxLimit"),
        Variable("SupplyPhases", "the number of supply phases, 0 to 3"),
      ]
    ),
    (
      "Connector",
      [
        Variable("Available", "true"),
        Variable("ConnectorType", "a connector type such as sType2 or cType2"),
        Variable("SupplyPhases", "the number of supply phases, 0 to 3"),
      ]
    ),
    (
      "ClockCtrlr",
      [
        Variable("DateTime", needs: .presence, "the station's clock"),
        Variable("TimeSource", "the sources of time in order of preference, such as Heartbeat"),
      ]
    ),
    (
      "OCPPCommCtrlr",
      [
        Variable("ActiveNetworkProfile", needs: .presence, "the configuration slot in use"),
        Variable("FileTransferProtocols", "the protocols for uploads and downloads, possibly none"),
        Variable("MessageTimeout", instance: "Default", "seconds until an unanswered request counts as lost"),
        Variable("MessageAttemptInterval", instance: "TransactionEvent", "seconds between attempts"),
        Variable("MessageAttempts", instance: "TransactionEvent", "how often a refused message is sent"),
        Variable("NetworkConfigurationPriority", "configuration slots in order of preference"),
        Variable("NetworkProfileConnectionAttempts", "attempts before the next network profile is tried"),
        Variable("OfflineThreshold", "seconds offline after which the state of all connectors is sent again"),
        Variable("ResetRetries", "how often a failed reset is tried again"),
        Variable("UnlockOnEVSideDisconnect", "true, or false with fixed cables"),
      ]
    ),
    (
      "DeviceDataCtrlr",
      [
        Variable("BytesPerMessage", instance: "GetReport", "the largest GetReportRequest in bytes"),
        Variable("BytesPerMessage", instance: "GetVariables", "the largest GetVariablesRequest in bytes"),
        Variable("BytesPerMessage", instance: "SetVariables", "the largest SetVariablesRequest in bytes"),
        Variable("ItemsPerMessage", instance: "GetReport", "the most entries of a GetReportRequest"),
        Variable("ItemsPerMessage", instance: "GetVariables", "the most entries of a GetVariablesRequest"),
        Variable("ItemsPerMessage", instance: "SetVariables", "the most entries of a SetVariablesRequest"),
      ]
    ),
    (
      "SecurityCtrlr",
      [
        Variable(
          "BasicAuthPassword", needs: .presence, "the password of security profiles 1 and 2, 16 to 40 characters"),
        Variable("CertificateEntries", needs: .presence, "the number of installed certificates"),
        Variable("OrganizationName", "the operator's name, which goes into certificate requests"),
        Variable("SecurityProfile", "the security profile, 1 to 3"),
      ]
    ),
    (
      "AuthCtrlr",
      [
        Variable("AuthorizeRemoteStart", "whether a remote start is authorized first"),
        Variable("LocalAuthorizeOffline", "whether locally known tokens may charge offline"),
        Variable("LocalPreAuthorize", "whether locally known tokens start before the CSMS has answered"),
      ]
    ),
    (
      "TxCtrlr",
      [
        Variable("EVConnectionTimeOut", "seconds in which the EV must be connected after authorization"),
        Variable("StopTxOnEVSideDisconnect", "whether unplugging the EV ends the authorization"),
        Variable("StopTxOnInvalidId", "whether a refused token ends the authorization"),
        Variable("TxStartPoint", "what starts a transaction, such as PowerPathClosed"),
        Variable("TxStopPoint", "what ends a transaction, such as EVConnected,Authorized"),
      ]
    ),
    (
      "SampledDataCtrlr",
      [
        Variable("TxEndedInterval", "seconds between samples for the end of a transaction, 0 for none"),
        Variable("TxEndedMeasurands", "measurands sent at the end of a transaction"),
        Variable("TxStartedMeasurands", "measurands sent at the start of a transaction"),
        Variable("TxUpdatedInterval", "seconds between samples during a transaction, 0 for none"),
        Variable("TxUpdatedMeasurands", "measurands sent during a transaction"),
      ]
    ),
    (
      "AlignedDataCtrlr",
      [
        Variable("Interval", "seconds between clock-aligned samples, 0 for none"),
        Variable("Measurands", "measurands of clock-aligned samples"),
        Variable("TxEndedInterval", "seconds between clock-aligned samples for the end of a transaction, 0 for none"),
        Variable("TxEndedMeasurands", "clock-aligned measurands sent at the end of a transaction"),
      ]
    ),
    (
      "LocalAuthListCtrlr",
      [
        Variable("BytesPerMessage", "the largest SendLocalListRequest in bytes"),
        Variable("Entries", needs: .maxLimit, "the capacity of the list as maxLimit"),
        Variable("ItemsPerMessage", "the most entries of a SendLocalListRequest"),
      ]
    ),
    (
      "SmartChargingCtrlr",
      [
        Variable("Entries", instance: "ChargingProfiles", needs: .maxLimit, "the most charging profiles as maxLimit"),
        Variable("LimitChangeSignificance", "percent by which a limit changes before it is reported"),
        Variable("PeriodsPerSchedule", "the most periods of a schedule"),
        Variable("ProfileStackLevel", "the highest stack level"),
        Variable("RateUnit", "the units of limits, A and W"),
      ]
    ),
    (
      "TariffCostCtrlr",
      [
        Variable("Currency", "an ISO 4217 code"),
        Variable("TariffFallbackMessage", needs: .presence, "the text shown without a tariff"),
        Variable("TotalCostFallbackMessage", needs: .presence, "the text shown without a cost"),
      ]
    ),
    (
      "DisplayMessageCtrlr",
      [
        Variable("DisplayMessages", needs: .maxLimit, "the most messages as maxLimit"),
        Variable("SupportedFormats", "the message formats, such as UTF8"),
        Variable("SupportedPriorities", "the message priorities, such as NormalCycle"),
      ]
    ),
    (
      "MonitoringCtrlr",
      [
        Variable("BytesPerMessage", instance: "SetVariableMonitoring", "the largest SetVariableMonitoringRequest"),
        Variable("ItemsPerMessage", instance: "SetVariableMonitoring", "the most monitors set by one request"),
      ]
    ),
    ("ISO15118Ctrlr", [Variable("ContractValidationOffline", "whether contracts are validated offline")]),
  ]
}
