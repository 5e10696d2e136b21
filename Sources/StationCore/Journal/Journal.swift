import DeviceModel
import OCPP

/// The journal of a station: one JSON object per line. The first is what it was started with, every other one an input,
/// its time, and the actions that came out. `Replay` runs the inputs again.
///
///     {"journal":2,"at":[monotonic,wall],"start":{...}}
///     {"in":...,"at":[monotonic,wall],"clock":"csms","do":[...]}
///
/// `clock` is where the time stamps of this line's messages come from (`ClockSource`).
///
/// Secrets are not in it: the value of SecurityCtrlr.BasicAuthPassword is replaced by `Journal.marker` in the start
/// record, in connections and in SetVariables, so that the replay of the redacted inputs gives the redacted actions. A
/// station whose network profiles carry a password of their own is not recorded (`JournalError`).
public enum Journal {
  /// Grows when an older program cannot read the journal any more.
  public static let version = 3
  /// Stands for a password.
  public static let marker = "***"

  /// The first line.
  /// - Throws: when the start holds a secret that cannot be left out.
  public static func line(for start: StationStart, at time: StationTime) throws(JournalError) -> [UInt8] {
    var model = start.model
    if let profiles = model.value(
      Setting.networkConnectionProfiles.component, Setting.networkConnectionProfiles.variable),
      profiles.lowercased().contains("basicauthpassword")
    {
      throw JournalError("a network profile holds a basicAuthPassword, which a journal must not; it stays off")
    }
    let password = Setting.basicAuthPassword
    if let value = model.value(password.component, password.variable), !value.isEmpty {
      _ = model.set(marker, password.component, password.variable, by: .station)
    }
    var collections: [JSONMember] = []
    for collection in LedgerCollection.allCases {
      let records = (start.ledger.records[collection] ?? [:]).sorted { $0.key < $1.key }
      collections.append(
        JSONMember(
          name: collection.rawValue,
          value: .object(records.map { JSONMember(name: $0.key, value: .bytes($0.value)) })))
    }
    let record = JSONValue.members([
      "model": .bytes(model.serialized()), "records": .object(collections),
      "outbox": .array(start.ledger.outbox.map { LedgerWrite.enqueue($0).journal }),
      "seed": .string(String(start.seed)), "bootReason": .string(start.bootReason.rawValue),
      "csmsURL": start.csmsURL.map { .string($0) }, "identity": start.identity.map { .string($0) },
      "certificates": start.certificates.journal, "clockIsVirtual": .bool(start.clockIsVirtual),
      "damage": start.ledger.damage?.journal,
    ])
    return JSONValue.members(["journal": .int(version), "at": .time(time), "start": record]).bytes
  }

  /// The line of one input and what came of it.
  public static func line(
    for input: Input, at time: StationTime, clock: ClockSource, actions: [Action]
  ) -> [UInt8] {
    var input = input
    if case .link(.message(let frame)) = input { input = .link(.message(redacted(frame))) }
    return JSONValue.members([
      "in": input.journal, "at": .time(time), "clock": .string(clock.rawValue),
      "do": .array(actions.map { redacted($0).journal }),
    ]).bytes
  }

  private static func redacted(_ action: Action) -> Action {
    guard case .connect(var request) = action, request.basicAuthPassword != nil else { return action }
    request.basicAuthPassword = marker
    return .connect(request)
  }

  /// A SetVariables without the password that it brings.
  static func redacted(_ frame: [UInt8]) -> [UInt8] {
    guard case .array(var parts)? = try? JSONValue.parse(frame), parts.count == 4, parts[2] == "SetVariables",
      case .object(var payload) = parts[3]
    else { return frame }
    var hasSecret = false
    for index in payload.indices where payload[index].name == "setVariableData" {
      guard case .array(let items) = payload[index].value else { continue }
      payload[index].value = .array(
        items.map { item in
          guard case .object(var members) = item,
            item["variable"]?["name"]?.stringValue?.lowercased() == "basicauthpassword"
          else { return item }
          for position in members.indices where members[position].name == "attributeValue" {
            members[position].value = .string(marker)
            hasSecret = true
          }
          return .object(members)
        })
    }
    guard hasSecret else { return frame }
    parts[3] = .object(payload)
    return JSONValue.array(parts).bytes
  }

  // MARK: Reading

  static func start(of line: [UInt8]) throws(JournalError) -> (StationStart, StationTime) {
    let fields = try JournalFields(try parse(line), "start line")
    guard try fields.int("journal") == version else {
      throw JournalError("journal version \(try fields.int("journal")), expected \(version)")
    }
    let record = try JournalFields(try fields.value("start"), "start")
    let model: DeviceModel
    do {
      model = try DeviceModel(serialized: try record.bytes("model"))
    } catch let error as JournalError {
      throw error
    } catch {
      throw JournalError("start.model: \(error)")
    }
    var ledger = LedgerSnapshot()
    let collections = try record.value("records")
    for collection in LedgerCollection.allCases {
      for member in collections[collection.rawValue]?.objectValue ?? [] {
        let value = try JournalFields(.object([member]), "start.records").bytes(member.name)
        ledger.records[collection, default: [:]][member.name] = value
      }
    }
    for value in try record.array("outbox") {
      if case .enqueue(let message) = try LedgerWrite(journal: value) { ledger.outbox.append(message) }
    }
    if let damage = record.optional("damage") { ledger.damage = try LedgerDamage(journal: damage) }
    guard let seed = UInt64(try record.string("seed")) else { throw JournalError("start.seed: expected a number") }
    let start = StationStart(
      model: model, ledger: ledger, seed: seed, bootReason: try record.choice("bootReason"),
      csmsURL: try record.stringIfPresent("csmsURL"), identity: try record.stringIfPresent("identity"),
      certificates: try CertificateInventory(
        journal: JournalFields(record.value("certificates"), "start.certificates")),
      clockIsVirtual: try record.bool("clockIsVirtual"))
    return (start, try fields.time("at"))
  }

  static func input(of line: [UInt8]) throws(JournalError) -> (Input, StationTime) {
    let fields = try JournalFields(try parse(line), "line")
    return (try Input(journal: try fields.value("in")), try fields.time("at"))
  }

  private static func parse(_ line: [UInt8]) throws(JournalError) -> JSONValue {
    do {
      return try JSONValue.parse(line)
    } catch {
      throw JournalError("not a JSON object: \(error.message)")
    }
  }
}
