import DeviceModel
import Hardware
import Ledger
import Logs
import OCPP
import StationCore

extension StationRuntime {
  /// The fields of the answer to `state`.
  var state: [JSONMember] {
    let core = self.core.snapshot
    return [
      member(
        "station",
        .object([
          member("id", .string(core.identity)),
          member(
            "csms",
            .object([
              member("connected", .bool(core.isConnected)), member("url", .string(core.url)),
              member("registration", .string(core.registration)), member("protocol", text(core.subprotocol)),
              member("securityProfile", .int(core.securityProfile)), member("tls", core.tls.map(tls) ?? .null),
            ])),
          member("network", .object([member("online", .bool(isOnline))])),
          member("hardware", hardwareKind), member("drivers", .array((drivers?.all ?? []).map(driver))),
          member("faults", drivers == nil ? faults(hardware.stationFaults) : names(core.faults)),
          member(
            "meter",
            meter(
              drivers?.overrules(.meter(MeterReading(evse: 0))) == true
                ? meters[0] ?? MeterReading(evse: 0) : hardware.mainMeterReading)),
          member("clock", .string(core.clockSource.rawValue)),
          member("queuedMessages", .int(core.queuedMessages)), member("queuedBytes", .int(core.queuedBytes)),
          member("thinnedMessages", .int(core.thinnedMessages)),
          member("undeliveredMessages", .int(core.undeliveredMessages)),
          member("storageHealthy", .bool(core.storageIsHealthy)),
          member("logUpload", core.logUpload.map(upload) ?? .null),
          member("firmware", core.firmware.map(firmware) ?? .null),
        ])),
      member("evses", .array(core.evses.map(evse))), member("ledger", ledgerStatistics),
      member("logs", logStatistics),
    ]
  }

  private func firmware(_ update: StationSnapshot.Firmware) -> JSONValue {
    .object([
      member("requestId", .int(update.requestId)), member("status", text(update.status)),
      member("downloadedBytes", update.downloaded.map { .int(Int($0)) } ?? .null),
      member("totalBytes", update.total.map { .int(Int($0)) } ?? .null),
      member("installedPercent", update.installed.map { .int($0) } ?? .null),
    ])
  }

  private func tls(_ session: TLSSession) -> JSONValue {
    .object([
      member("version", .string(session.version)), member("cipher", .string(session.cipher)),
      member(
        "serverChain",
        .array(
          session.serverChain.map { certificate in
            .object([
              member("subject", .string(certificate.subject)),
              member("notAfter", .string(DateTime(unixMilliseconds: certificate.notAfter).description)),
            ])
          })),
    ])
  }

  /// What the ledger has written since the start: the wear of the flash.
  private var ledgerStatistics: JSONValue {
    let statistics = ledger.statistics
    return .object([
      member("bytesWritten", .int(statistics.bytesWritten)), member("commits", .int(statistics.commits)),
      member("checkpoints", .int(statistics.checkpoints)),
    ])
  }

  /// The diagnostics log: what it takes of the medium, and has written since the start.
  private var logStatistics: JSONValue {
    guard let statistics = diagnostics?.statistics else { return .null }
    return .object([
      member("bytes", .int(statistics.size)), member("bytesWritten", .int(statistics.bytesWritten)),
      member("dropped", .int(statistics.dropped)), member("failure", text(statistics.failure)),
    ])
  }

  private func upload(_ upload: StationSnapshot.Upload) -> JSONValue {
    .object([
      member("requestId", .int(upload.requestId)), member("type", .string(upload.type)),
      member("file", .string(upload.file)), member("status", .string(upload.status)),
      member("bytes", .int(upload.bytes)), member("sent", .int(upload.sent)),
      member("attemptsLeft", .int(upload.attemptsLeft)),
    ])
  }

  private func evse(_ evse: StationSnapshot.EVSE) -> JSONValue {
    let snapshot = hardware.snapshot(evse: evse.id)
    var members = [
      member("id", .int(evse.id)), member("status", .string(evse.status)), member("operative", .bool(evse.operative)),
      member("reservationId", .null), member("transaction", evse.transaction.map(transaction) ?? .null),
      member(
        "connectors",
        .array(
          evse.connectors.map { connector in
            self.connector(
              connector, hasRealPilot(evse.id) ? nil : snapshot?.connectors.first { $0.id == connector.id })
          })),
    ]
    if let snapshot {
      members.append(member("contactorClosed", contactor(evse.id, snapshot.contactorClosed)))
      let isMetered = drivers?.overrules(.meter(MeterReading(evse: evse.id))) == true
      members.append(member("meter", meter(isMetered ? evse.meter ?? MeterReading(evse: evse.id) : snapshot.meter)))
      members.append(member("faults", drivers == nil ? faults(snapshot.faults) : names(evse.faults)))
    }
    let limits = evse.limits.map { limit in
      JSONValue.object([member("name", .string(limit.name)), member("currentA", thousandths(limit.milliamperes))])
    }
    members.append(member("limits", .array(limits)))
    return .object(members)
  }

  private var hardwareKind: JSONValue {
    guard let drivers else { return "simulated" }
    let physical = ["PowerContactor", "CPPWMController", "FiscalMetering"]
    let isWhole = core.snapshot.evses.allSatisfy { evse in physical.allSatisfy { drivers.serves($0, evse: evse.id) } }
    return isWhole ? "real" : "mixed"
  }

  private func hasRealPilot(_ evse: Int) -> Bool { drivers?.serves("CPPWMController", evse: evse) == true }

  /// What the mirror of a real contactor says; `null` when nobody knows.
  private func contactor(_ evse: Int, _ simulated: Bool) -> JSONValue {
    guard let drivers, drivers.serves("PowerContactor", evse: evse) else { return .bool(simulated) }
    guard case .contactor(let closed)? = drivers.state("PowerContactor", evse: evse)?.lastValue else { return .null }
    return .bool(closed)
  }

  private func driver(_ state: DriverState) -> JSONValue {
    var members = [
      member("component", .string(state.component.name)),
      member("evse", state.component.evse.map { .int($0) } ?? .null),
      member("kind", .string(state.kind)),
    ]
    members += state.health.json
    if let lastGood = state.lastGood {
      members.append(member("ageMs", .int(Int(max(0, (MonotonicTime.now - lastGood).milliseconds)))))
    }
    if case .temperature(let value)? = state.lastValue { members.append(member("celsius", thousandths(value))) }
    return .object(members)
  }

  private func names(_ faults: [String]) -> JSONValue { .array(faults.map(JSONValue.string)) }

  private func transaction(_ transaction: StationSnapshot.Transaction) -> JSONValue {
    .object([
      member("id", .string(transaction.id)), member("chargingState", .string(transaction.chargingState)),
      member("idToken", text(transaction.idToken)), member("seqNo", .int(transaction.seqNo)),
    ])
  }

  /// What the hardware shows counts more than what the core was told last.
  private func connector(_ connector: StationSnapshot.Connector, _ hardware: ConnectorSnapshot?) -> JSONValue {
    var members = [
      member("id", .int(connector.id)), member("type", .string(connector.type)),
      member("status", .string(connector.status)),
      member("plugged", .bool(hardware?.plugged ?? connector.plugged)),
      member("locked", .bool(hardware?.locked ?? connector.locked)),
    ]
    if let hardware {
      members.append(member("pilot", .string(hardware.pilot.rawValue)))
      members.append(member("offerA", hardware.offer.map(thousandths) ?? .null))
    }
    return .object(members)
  }

  /// Values that the meter does not give are absent.
  private func meter(_ reading: MeterReading) -> JSONValue {
    var members: [JSONMember] = []
    func add(_ name: String, _ value: Int64?) {
      if let value { members.append(member(name, thousandths(value))) }
    }
    add("energyWh", reading.energyImport)
    add("powerW", reading.power)
    if !reading.current.isEmpty { members.append(member("currentA", .array(reading.current.map(thousandths)))) }
    if !reading.voltage.isEmpty { members.append(member("voltageV", .array(reading.voltage.map(thousandths)))) }
    add("frequencyHz", reading.frequency)
    add("soc", reading.stateOfCharge)
    return .object(members)
  }

  /// The names of the active faults.
  private func faults(_ faults: [HardwareFault]) -> JSONValue { .array(faults.map { .string($0.name) }) }

  private func thousandths(_ value: Int64) -> JSONValue { .number(DecimalNumber(mantissa: value, exponent: -3)) }

  private func text(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }

  private func member(_ name: String, _ value: JSONValue) -> JSONMember { JSONMember(name: name, value: value) }
}
