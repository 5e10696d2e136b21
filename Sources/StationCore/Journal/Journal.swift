import DeviceModel
import OCPP

/// The journal of a station: one JSON object per line. The first is what it was started with, every other one an input,
/// its time, and the actions that came out. `Replay` runs the inputs again.
///
///     {"journal":5,"at":[monotonic,wall],"start":{...}}
///     {"in":...,"at":[monotonic,wall],"clock":"csms","do":[...]}
///
/// `clock` is where the time stamps of this line's messages come from (`ClockSource`).
///
/// Secrets are not in it: passwords and what else `Secrets` names are replaced wherever they pass, so that the replay of
/// the redacted inputs gives the redacted actions (`JournalSecret`). A broken message that may hold one has lost its text
/// (`FrameSecrets`). Key codes have names of their own (`KeyCodeNames`).
public enum Journal {
  /// Grows when an older program cannot read the journal any more.
  public static let version = 5

  /// The first line.
  public static func line(for start: StationStart, at time: StationTime, _ codes: inout KeyCodeNames) -> [UInt8] {
    var model = start.model
    for attribute in start.model.attributes where !attribute.value.isEmpty {
      let variable = start.model.variables[attribute.variable]
      guard Secrets.isVariable(variable.id.name) else { continue }
      let redacted = String(decoding: JournalSecret.value(Array(attribute.value.utf8), of: variable.id), as: UTF8.self)
      _ = model.set(
        redacted, start.model.components[variable.component].id, variable.id, attribute.type, by: .station)
    }
    var collections: [JSONMember] = []
    for collection in LedgerCollection.allCases {
      // In the order of what they are called here, which is what a replay sorts by.
      let records = (start.ledger.records[collection] ?? [:]).sorted { $0.key < $1.key }
        .map { (name: codes.hiding(in: $0.key), key: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
      collections.append(
        JSONMember(
          name: collection.rawValue,
          value: .object(
            records.map { name, key, value in
              JSONMember(name: name, value: .bytes(JournalSecret.record(collection, key, value)))
            })))
    }
    let record = JSONValue.members([
      "model": .bytes(model.serialized()), "records": .object(collections),
      "outbox": .array(start.ledger.outbox.map { LedgerWrite.enqueue($0).journal }),
      "seed": .string(String(start.seed)), "bootReason": .string(start.bootReason.rawValue),
      "csmsURL": start.csmsURL.map { .string($0) }, "identity": start.identity.map { .string($0) },
      "certificates": start.certificates.journal, "clockIsVirtual": .bool(start.clockIsVirtual),
      "hasInstaller": .bool(start.hasInstaller),
      "damage": start.ledger.damage?.journal,
    ])
    return codes.hiding(
      in: JSONValue.members(["journal": .int(version), "at": .time(time), "start": record]).bytes)
  }

  /// The line of one input and what came of it.
  public static func line(
    for input: Input, at time: StationTime, clock: ClockSource, actions: [Action], _ codes: inout KeyCodeNames
  ) -> [UInt8] {
    codes.hiding(
      in: JSONValue.members([
        "in": JournalSecret.input(input).journal, "at": .time(time), "clock": .string(clock.rawValue),
        "do": .array(actions.map { JournalSecret.action($0).journal }),
      ]).bytes)
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
      hasInstaller: try record.bool("hasInstaller"),
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
