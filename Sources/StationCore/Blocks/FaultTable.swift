/// How the CSMS hears of a fault: one line for each that the station's own code and drivers can raise. A fault of
/// another name is told as `Problem` of its connector, EVSE or of the station, with its name as techCode.
struct FaultTable: Sendable {
  struct Entry: Hashable, Sendable {
    /// The standardized component and variable that say it, where the station has them (Part 2, appendix 3.2); else
    /// `Problem` of the connector, the EVSE or the station does.
    var component: String?
    var variable = "Problem"
    /// `CX...`: the Minimum Required Error Code (MREC) of the ChargeX consortium where one has this meaning
    /// (https://inl.gov/chargex/mrec, revision 5 of 2023-09-12). Else the name in CharIN's Unified Error Codes
    /// (https://github.com/unified-error-codes/specification), else our own.
    var techCode: String
    /// 0 danger ... 9 debug (SeverityEnum of SetMonitoringData).
    var severity: Int
    /// For a person; goes into techInfo behind the name.
    var text: String
  }

  /// Severity of a fault that is not in the table.
  static let otherSeverity = 4

  static func entry(of name: String) -> Entry {
    entries[name] ?? Entry(techCode: name, severity: otherSeverity, text: "reported by the hardware")
  }

  private static func line(
    _ component: String?, _ variable: String, _ techCode: String, _ severity: Int, _ text: String
  ) -> Entry {
    Entry(component: component, variable: variable, techCode: techCode, severity: severity, text: text)
  }

  static let entries: [String: Entry] = [
    // Dangers and what stops the hardware.
    "EmergencyStop": line("EmergencyStopSensor", "Tripped", "CX008", 0, "the emergency stop is pressed"),
    "GroundFailure": line("RCD", "Tripped", "CX002", 1, "the residual current device has tripped"),
    "ContactorWelded": line("PowerContactor", "Problem", "CX017", 1, "the contactor does not open"),
    "RCDSelfTestFailed": line("RCD", "Problem", "RCDSelfTestFailed", 2, "the self-test of the RCD has failed"),
    "RelayDaemonFailure": line("PowerContactor", "Problem", "RelayDaemonFailure", 2, "the relays have no supervisor"),
    "ContactorFailure": line("PowerContactor", "Problem", "CX017", 2, "the contactor does not follow"),
    "ContactorFailedToClose": line("PowerContactor", "Problem", "CX017", 2, "the contactor does not close"),
    "OverTemperature": line("TemperatureSensor", "Active", "CX003", 2, "too hot, charging stops"),
    "OverCurrent": line("OverCurrentProtection", "Active", "CX004", 2, "more current than is allowed"),
    "OverVoltage": line(nil, "Problem", "CX005", 3, "the voltage is too high"),
    "UnderVoltage": line(nil, "Problem", "CX006", 3, "the voltage is too low"),
    "SupplyFailure": line("ELVSupply", "Fallback", "CX015", 3, "the supply fails"),
    "WaterDetected": line("FloodSensor", "Active", "WaterDetected", 2, "water in the station"),
    "Tilted": line("TiltSensor", "Active", "Tilted", 2, "the station is tilted"),
    "CaseOpened": line("CaseAccessSensor", "Active", "CaseOpened", 3, "a door is open"),
    // Control pilot and vehicle.
    "PilotFault": line("CPPWMController", "Problem", "CX014", 4, "the control pilot is out of range"),
    "DiodeFault": line("CPPWMController", "Problem", "CX014", 4, "the diode in the vehicle is missing"),
    "InvalidVehicleMode": line("CPPWMController", "Problem", "CX010", 5, "the vehicle is not ready to be charged"),
    "VentilationNotAvailable": line(
      "CPPWMController", "Problem", "ControlPilotStateNotSupported", 5, "the vehicle asks for ventilation"),
    "ProximityFault": line("CPPWMController", "Problem", "CX023", 4, "the coding of the cable is out of range"),
    // Devices that do not answer or contradict themselves.
    "ConnectorLockFailure": line(
      "ConnectorPlugRetentionLock", "Problem", "CX001", 3, "the lock of the plug does not follow"),
    "CommunicationFault": line("CPPWMController", "Problem", "CommunicationFault", 3, "the controller is silent"),
    "EVSEControllerFailure": line(
      "CPPWMController", "Problem", "EVSEControllerFailure", 3, "the EVSE controller reports a fault"),
    "EVSEControllerRefuses": line(
      "CPPWMController", "Problem", "EVSEControllerRefuses", 3, "the EVSE controller refuses a command"),
    "PowerMeterFailure": line("FiscalMetering", "Problem", "PowerMeterFailure", 3, "the meter cannot be read"),
    "EnergyRegisterChanged": line(
      "FiscalMetering", "Problem", "EnergyRegisterChanged", 2, "the meter's register was set back or has jumped"),
    "PowerMeterIdentityMismatch": line(
      "FiscalMetering", "Problem", "PowerMeterIdentityMismatch", 2, "another meter is installed than before"),
    "SignedMeterValueTooLong": line(
      "FiscalMetering", "Problem", "SignedMeterValueTooLong", 4, "a signed reading does not fit into a message"),
    "SignedMeterValueMissing": line(
      "FiscalMetering", "Problem", "SignedMeterValueMissing", 3, "the meter gives no signed reading to begin with"),
    "TemperatureSensorFailure": line(
      "TemperatureSensor", "Problem", "TemperatureSensorFailure", 4, "the temperature cannot be read"),
    "TokenReaderFailure": line("TokenReader", "Problem", "TokenReaderFailure", 4, "the token reader does not answer"),
    // The station's own computer.
    "StorageFailure": line(nil, "Problem", "StorageFailure", 2, "the ledger cannot be written"),
    "LedgerDamaged": line(nil, "Problem", "LedgerDamaged", 3, "the ledger was found damaged"),
  ]
}
