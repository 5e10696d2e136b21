/// Standardized names of components and variables (Part 2, chapter 2 and appendix 3), to recognise misspelt ones.
enum StandardNames {
  /// Names of all standardized components.
  static let components = Set(variablesByComponent.keys).union(devices).sorted()

  /// Components that are not OCPP's, but of libocpp's files.
  static let vendorComponents: Set<String> = ["InternalCtrlr"]

  /// Variables that any component may have.
  static let genericVariables: Set<VariableID> = Set(genericNames.map { VariableID($0) })

  private static let genericNames = [
    "ACCurrent", "ACVoltage", "Active", "AllowReset", "Angle", "Attempts", "Available", "Certificate", "Color",
    "Complete", "ConnectedTime", "Count", "CurrentImbalance", "DCCurrent", "DCVoltage", "DataText", "DateTime",
    "ECVariant", "Enabled", "Energy", "Entries", "Fallback", "FanSpeed", "FirmwareVersion", "Force", "Formats",
    "Frequency", "FuseRating", "Height", "Humidity", "Hysteresis", "ICCID", "IMSI", "Impedance", "Interval",
    "Length", "Light", "Manufacturer", "Message", "MinimumStatusDuration", "Mode", "Model", "NetworkAddress",
    "Operated", "OperatingTimes", "Overload", "Percent", "PhaseRotation", "PostChargingTime", "Power", "Present",
    "Problem", "Protecting", "SerialNumber", "SignalStrength", "State", "StateOfCharge", "Storage", "SupplyPhases",
    "Suspending", "Suspension", "Temperature", "Time", "Timeout", "Tries", "Tripped", "VendorName", "VersionDate",
    "VersionNumber", "VoltageImbalance",
  ]

  /// Components that stand for hardware which is measured or switched, and so needs a driver.
  static let devices = [
    "AcDcConverter", "AcPhaseSelector", "AccessBarrier", "Actuator", "AirCoolingSystem", "AreaVentilation",
    "BayOccupancySensor", "BeaconLighting", "CPPWMController", "CableBreakawaySensor", "CaseAccessSensor",
    "ChargingStatusIndicator", "ConnectorHolsterRelease", "ConnectorHolsterSensor", "ConnectorPlugRetentionLock",
    "ConnectorProtectionRelease", "ControlMetering", "Display", "ELVSupply", "EVRetentionLock",
    "EmergencyStopSensor", "EnvironmentalLighting", "ExternalTemperatureSensor", "FiscalMetering", "FloodSensor",
    "GroundIsolationProtection", "Heater", "HumiditySensor", "LightSensor", "LiquidCoolingSystem",
    "LocalAvailabilitySensor", "OverCurrentProtection", "OverCurrentProtectionRecloser", "PowerContactor", "RCD",
    "RCDRecloser", "ShockSensor", "SpacesCountSignage", "Switch", "TemperatureSensor", "TiltSensor", "TokenReader",
    "UIInput", "UpstreamProtectionTrigger", "VehicleIdSensor",
  ]

  static func isPhysical(_ name: String) -> Bool { devices.contains { CaseFold.equal($0, name) } }

  /// The variables that OCPP names for a component, without the generic ones; `nil` for a component that is not
  /// standardized.
  static func variables(of component: String) -> [String]? {
    if let variables = variablesByComponent.first(where: { CaseFold.equal($0.key, component) })?.value {
      return variables
    }
    return isPhysical(component) ? [] : nil
  }

  private static let variablesByComponent: [String: [String]] = [
    "AlignedDataCtrlr": [
      "Available", "Enabled", "Interval", "Measurands", "SendDuringIdle", "SignReadings", "SignUpdatedReadings",
      "TxEndedInterval", "TxEndedMeasurands",
    ],
    "AuthCacheCtrlr": [
      "Available", "DisablePostAuthorize", "Enabled", "Entries", "LifeTime", "Policy", "Storage",
    ],
    "AuthCtrlr": [
      "AdditionalInfoItemsPerMessage", "AuthorizeRemoteStart", "DisableRemoteAuthorization", "Enabled",
      "LocalAuthorizeOffline", "LocalPreAuthorize", "MasterPassGroupId", "OfflineTxForUnknownIdEnabled",
      "SupportedIdTokenTypes",
    ],
    "CHAdeMOCtrlr": [
      "AutoManufacturerCode", "CHAdeMOProtocolNumber", "DynamicControl", "HighCurrentControl", "HighVoltageControl",
      "SelftestActive", "VehicleStatus",
    ],
    "CPPWMController": ["State"],
    "ChargingStation": [
      "AllowNewSessionsPendingFirmwareUpdate", "AvailabilityState", "Available", "Model", "SupplyPhases",
      "VendorName",
    ],
    "ClockCtrlr": [
      "DateTime", "NextTimeOffsetTransitionDateTime", "NtpServerUri", "NtpSource",
      "TimeAdjustmentReportingThreshold", "TimeOffset", "TimeSource", "TimeZone",
    ],
    "ConnectedEV": ["ProtocolAgreed", "ProtocolSupportedByEV", "VehicleID"],
    "Connector": ["AvailabilityState", "Available", "ChargeProtocol", "ConnectorType", "SupplyPhases"],
    "Controller": ["MaxMsgElements"],
    "CustomizationCtrlr": ["CustomImplementationEnabled"],
    "DataLink": [],
    "DeviceDataCtrlr": [
      "BytesPerMessage", "ConfigurationValueSize", "ItemsPerMessage", "ReportingValueSize", "ValueSize",
    ],
    "DisplayMessageCtrlr": [
      "Available", "DisplayMessages", "Enabled", "PersonalMessageSize", "SupportedFormats", "SupportedPriorities",
    ],
    "DistributionPanel": ["ChargingStation", "DistributionPanel", "Fuse"],
    "EVSE": [
      "AllowReset", "AvailabilityState", "Available", "EvseId", "ISO15118EvseId", "Power", "SupplyPhases",
    ],
    "ElectricalFeed": [],
    "FiscalMetering": [
      "EnergyExport", "EnergyExportRegister", "EnergyImport", "EnergyImportRegister", "PublicKey",
    ],
    "ISO15118Ctrlr": [
      "CentralContractValidationAllowed", "ContractCertificateInstallationEnabled", "ContractValidationOffline",
      "CountryName", "MaxScheduleEntries", "OrganizationName", "PnCEnabled", "RequestMeteringReceipt",
      "RequestedEnergyTransferMode", "SeccId", "V2GCertificateInstallationEnabled",
    ],
    "LocalAuthListCtrlr": [
      "Available", "BytesPerMessage", "DisablePostAuthorize", "Enabled", "Entries", "ItemsPerMessage", "Storage",
      "SupportsExpiryDateTime",
    ],
    "LocalController": [],
    "LocalEnergyStorage": ["Capacity"],
    "MonitoringCtrlr": [
      "ActiveMonitoringBase", "ActiveMonitoringLevel", "ActiveMonitors", "Available", "BytesPerMessage", "Enabled",
      "ItemsPerMessage", "MonitoringBase", "MonitoringLevel", "OfflineQueuingSeverity",
    ],
    "OCPPCommCtrlr": [
      "ActiveNetworkProfile", "FieldLength", "FileTransferProtocols", "HeartbeatInterval", "MessageAttemptInterval",
      "MessageAttempts", "MessageTimeout", "NetworkConfigurationPriority", "NetworkProfileConnectionAttempts",
      "OfflineThreshold", "PublicKeyWithSignedMeterValue", "QueueAllMessages", "ResetRetries",
      "RetryBackOffRandomRange", "RetryBackOffRepeatTimes", "RetryBackOffWaitMinimum", "UnlockOnEVSideDisconnect",
      "WebSocketPingInterval",
    ],
    "RealTimeClock": [],
    "ReservationCtrlr": ["Available", "Enabled", "NonEvseSpecific"],
    "SampledDataCtrlr": [
      "Available", "Enabled", "RegisterValuesWithoutPhases", "SignReadings", "SignStartedReadings",
      "SignUpdatedReadings", "TxEndedInterval", "TxEndedMeasurands", "TxStartedMeasurands", "TxUpdatedInterval",
      "TxUpdatedMeasurands",
    ],
    "SecurityCtrlr": [
      "AdditionalRootCertificateCheck", "AllowCSMSTLSWildcards", "AllowSecurityProfileDowngrade",
      "BasicAuthPassword", "CertSigningRepeatTimes", "CertSigningWaitMinimum", "CertificateEntries", "Identity",
      "MaxCertificateChainSize", "OrganizationName", "SecurityProfile",
    ],
    "SmartChargingCtrlr": [
      "ACPhaseSwitchingSupported", "Available", "Enabled", "Entries", "ExternalControlSignalsEnabled",
      "LimitChangeSignificance", "NotifyChargingLimitWithSchedules", "PeriodsPerSchedule", "Phases3to1",
      "ProfileStackLevel", "RateUnit",
    ],
    "TariffCostCtrlr": [
      "Available", "Currency", "Enabled", "TariffFallbackMessage", "TotalCostFallbackMessage",
    ],
    "TokenReader": ["Token", "TokenType"],
    "TxCtrlr": [
      "ChargingTime", "EVConnectionTimeOut", "MaxEnergyOnInvalidId", "StopTxOnEVSideDisconnect", "StopTxOnInvalidId",
      "TxBeforeAcceptedEnabled", "TxStartPoint", "TxStopPoint",
    ],
  ]
}
