import DequeModule
import OCPP

/// What `state` on the control socket shows of the core.
public struct StationSnapshot: Hashable, Sendable {
  public struct Transaction: Hashable, Sendable {
    public var id: String
    public var chargingState: String
    public var idToken: String?
    /// Sequence number of the last event.
    public var seqNo: Int
  }

  public struct Connector: Hashable, Sendable {
    public var id: Int
    public var type: String
    public var status: String
    public var plugged: Bool
    public var locked: Bool
  }

  public struct EVSE: Hashable, Sendable {
    public var id: Int
    public var status: String
    public var operative: Bool
    public var transaction: Transaction?
    public var connectors: [Connector]
    /// The last reading of its meter, if it is not too old.
    public var meter: MeterReading?
    public var faults: [String]
    /// The pilot's offer, milliamperes per phase.
    public var offeredMilliamperes: Int64?
    public var limits: [CurrentLimit]
  }

  /// A firmware update that is under way.
  public struct Firmware: Hashable, Sendable {
    public var requestId: Int
    /// The last status that was told.
    public var status: String?
    /// Bytes that are there, and how many it will be.
    public var downloaded: Int64?
    public var total: Int64?
    /// Percent of the installation.
    public var installed: Int?
  }

  public var identity: String
  public var isConnected: Bool
  public var url: String
  /// `None`, `Pending`, `Rejected` or `Accepted`.
  public var registration: String
  public var subprotocol: String?
  /// What TLS came to; `nil` offline and without TLS.
  public var tls: TLSSession?
  /// OCPP security profile in use.
  public var securityProfile: Int
  public var networkOnline: Bool
  public var faults: [String]
  public var evses: [EVSE]
  public var mainMeter: MeterReading?
  /// Messages in the outbox, and their bytes.
  public var queuedMessages: Int
  public var queuedBytes: Int
  /// Updated events dropped for lack of space since the start.
  public var thinnedMessages: Int
  /// Messages that E13 made the station give up, in its life.
  public var undeliveredMessages: Int
  public var clockSource: ClockSource
  /// False while the ledger cannot be written.
  public var storageIsHealthy: Bool
  /// The upload of a log that is under way.
  public var logUpload: Upload?

  public struct Upload: Hashable, Sendable {
    public var requestId: Int
    public var type: String
    public var file: String
    /// The last status that was told.
    public var status: String
    public var bytes: Int
    /// Bytes that the server has in this attempt.
    public var sent: Int
    public var attemptsLeft: Int
  }
  /// The firmware update that is under way.
  public var firmware: Firmware?
}

extension Station {
  public var snapshot: StationSnapshot {
    StationSnapshot(
      identity: connection.identity, isConnected: isOnline, url: connection.url,
      registration: provisioning.registration.rawValue, subprotocol: isOnline ? connection.subprotocol : nil,
      tls: isOnline ? connection.tls : nil, securityProfile: activeSecurityProfile,
      networkOnline: connection.networkOnline, faults: faults.filter { $0.evse == 0 }.map(\.name),
      evses: evses.indices.map { snapshot(at: $0) }, mainMeter: mainMeter.fresh(at: now),
      queuedMessages: outbox.messages.count, queuedBytes: outbox.bytes, thinnedMessages: outbox.thinned,
      undeliveredMessages: undelivered.total, clockSource: clock.source, storageIsHealthy: !storage.isFailing,
      logUpload: logs.upload.map { upload in
        StationSnapshot.Upload(
          requestId: upload.requestId, type: upload.type.rawValue, file: upload.file, status: upload.status.rawValue,
          bytes: upload.bytes, sent: Int(transfers.active[.log]?.done ?? 0),
          attemptsLeft: upload.attemptsLeft)
      },
      firmware: firmware.update.map { update in
        let transfer = transfers.active[.firmware]
        return StationSnapshot.Firmware(
          requestId: update.requestId, status: update.told.last?.rawValue, downloaded: transfer?.done,
          total: transfer?.total, installed: firmware.progress)
      })
  }

  private func snapshot(at index: Int) -> StationSnapshot.EVSE {
    let evse = evses[index]
    return StationSnapshot.EVSE(
      id: evse.id, status: Self.summary(of: evse.connectors.map(\.status)).rawValue,
      operative: isOperative(evse: evse.id),
      transaction: evse.transaction.map { transaction in
        StationSnapshot.Transaction(
          id: transaction.id, chargingState: transaction.chargingState.rawValue,
          idToken: transaction.idToken?.idToken, seqNo: transaction.seqNo - 1)
      },
      connectors: evse.connectors.map { connector in
        StationSnapshot.Connector(
          id: connector.id, type: connector.type, status: connector.status.rawValue, plugged: connector.hasPlug,
          locked: connector.locked)
      },
      meter: evse.meter.fresh(at: now),
      faults: faults.filter { $0.evse == evse.id }.map(\.name), offeredMilliamperes: evse.offer,
      limits: limits(at: index))
  }

  // MARK: Events for subscribers of the control socket

  mutating func csmsEvent() {
    emit(
      .event(
        StationEvent(
          event: "csms",
          fields: [
            JSONMember(name: "connected", value: .bool(isOnline)),
            JSONMember(name: "registration", value: .string(provisioning.registration.rawValue)),
          ])))
  }

  mutating func meterEvent(_ reading: MeterReading) {
    func number(_ thousandths: Int64) -> JSONValue { .number(DecimalNumber(mantissa: thousandths, exponent: -3)) }
    var fields = [JSONMember(name: "evse", value: .int(reading.evse))]
    if let energy = reading.energyImport { fields.append(JSONMember(name: "energyWh", value: number(energy))) }
    if let power = reading.power { fields.append(JSONMember(name: "powerW", value: number(power))) }
    fields.append(JSONMember(name: "currentA", value: .array(reading.current.map(number))))
    emit(.event(StationEvent(event: "meter", fields: fields)))
  }

  mutating func transactionChanged(at index: Int, _ type: TransactionEventEnumType) {
    guard let transaction = evses[index].transaction else { return }
    emit(
      .event(
        StationEvent(
          event: "transaction",
          fields: [
            JSONMember(name: "evse", value: .number(DecimalNumber(evses[index].id))),
            JSONMember(name: "type", value: .string(type.rawValue)),
            JSONMember(name: "id", value: .string(transaction.id)),
            JSONMember(name: "seqNo", value: .number(DecimalNumber(transaction.seqNo - 1))),
            JSONMember(name: "chargingState", value: .string(transaction.chargingState.rawValue)),
          ])))
  }
}
