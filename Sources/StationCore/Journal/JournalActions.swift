import OCPP

/// `Action` as a JSON value, and back to an equal one.
extension Action {
  var journal: JSONValue {
    switch self {
    case .commit(let writes): return .members(["commit": .array(writes.map(\.journal))])
    case .connect(let request): return .members(["connect": request.journal])
    case .disconnect(let code, let reason):
      return .tagged("disconnect", ["code": .int(code), "reason": .string(reason)])
    case .send(let frame): return .tagged("send", ["frame": .bytes(frame)])
    case .ping: return "ping"
    case .confirm: return "confirm"
    case .hardware(let command): return .members(["hardware": command.journal])
    case .certificates(let id, let request):
      return .tagged("certificates", ["id": .integer(id), "request": request.journal])
    case .logs(let id, let request):
      return .tagged("logs", ["id": .integer(id), "request": request.journal])
    case .transfer(let id, let request):
      return .tagged("transfer", ["id": .integer(id), "request": request.journal])
    case .installer(let id, let request):
      return .tagged("installer", ["id": .integer(id), "request": request.journal])
    case .setTimer(let id, let at):
      return .tagged("setTimer", ["name": .string(id.name), "index": .int(id.index), "at": .integer(at)])
    case .cancelTimer(let id): return .tagged("cancelTimer", ["name": .string(id.name), "index": .int(id.index)])
    case .controlReply(let id, .success(let value)):
      return .tagged("controlReply", ["id": .integer(id), "value": .document(value)])
    case .controlReply(let id, .failure(let error)):
      return .tagged("controlReply", ["id": .integer(id), "error": .string(error.text)])
    case .event(let event):
      return .tagged("event", ["event": .string(event.event), "fields": .document(.object(event.fields))])
    case .log(let level, let text):
      return .tagged("log", ["level": .string(level.journalName), "text": .string(text)])
    case .restart(let reason): return .tagged("restart", ["bootReason": .string(reason.rawValue)])
    case .stopped: return "stopped"
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "do")
    switch tagged.tag {
    case "commit":
      var writes: [LedgerWrite] = []
      for value in try tagged.values() { writes.append(try LedgerWrite(journal: value)) }
      self = .commit(writes)
    case "connect": self = .connect(try ConnectionRequest(journal: tagged.fields()))
    case "disconnect":
      let fields = try tagged.fields()
      self = .disconnect(code: try fields.int("code"), reason: try fields.string("reason"))
    case "send": self = .send(try tagged.fields().bytes("frame"))
    case "ping": self = .ping
    case "confirm": self = .confirm
    case "hardware": self = .hardware(try HardwareCommand(journal: tagged.inner()))
    case "certificates":
      let fields = try tagged.fields()
      self = .certificates(
        id: try fields.int64("id"), try CertificateRequest(journal: fields.value("request")))
    case "logs":
      let fields = try tagged.fields()
      self = .logs(id: try fields.int64("id"), try LogRequest(journal: fields.value("request")))
    case "transfer":
      let fields = try tagged.fields()
      self = .transfer(id: try fields.int64("id"), try TransferRequest(journal: fields.value("request")))
    case "installer":
      let fields = try tagged.fields()
      self = .installer(id: try fields.int64("id"), try InstallerRequest(journal: fields.value("request")))
    case "setTimer":
      let fields = try tagged.fields()
      self = .setTimer(TimerID(try fields.string("name"), try fields.int("index")), at: try fields.int64("at"))
    case "cancelTimer":
      let fields = try tagged.fields()
      self = .cancelTimer(TimerID(try fields.string("name"), try fields.int("index")))
    case "controlReply":
      let fields = try tagged.fields()
      if let error = try fields.stringIfPresent("error") {
        self = .controlReply(id: try fields.int64("id"), .failure(ControlError(error)))
      } else {
        self = .controlReply(id: try fields.int64("id"), .success(try fields.document("value")))
      }
    case "event":
      let fields = try tagged.fields()
      let members = try fields.document("fields").objectValue
      self = .event(StationEvent(event: try fields.string("event"), fields: members ?? []))
    case "log":
      let fields = try tagged.fields()
      let name = try fields.string("level")
      guard let level = LogLevel.allCases.first(where: { $0.journalName == name }) else {
        throw JournalError("do.log.level: \"\(name)\" is not known")
      }
      self = .log(level, try fields.string("text"))
    case "restart": self = .restart(try tagged.fields().choice("bootReason"))
    case "stopped": self = .stopped
    default: throw tagged.unknown()
    }
  }
}

extension LogLevel {
  fileprivate var journalName: String { String(describing: self) }
}

extension ConnectionRequest {
  var journal: JSONValue {
    .members([
      "url": .string(url), "identity": .string(identity), "basicAuthPassword": basicAuthPassword.map { .string($0) },
      "subprotocols": .array(subprotocols.map { .string($0) }), "securityProfile": .int(securityProfile),
      "timeout": .integer(timeout), "maxMessageSize": .int(maxMessageSize),
      "tls": tls.journal,
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    let subprotocols = try fields.array("subprotocols")
    let names = subprotocols.compactMap(\.stringValue)
    guard names.count == subprotocols.count else {
      throw JournalError("\(fields.place).subprotocols: expected an array of texts")
    }
    self.init(
      url: try fields.string("url"), identity: try fields.string("identity"),
      basicAuthPassword: try fields.stringIfPresent("basicAuthPassword"), subprotocols: names,
      securityProfile: try fields.int("securityProfile"), timeout: try fields.int64("timeout"),
      maxMessageSize: try fields.int("maxMessageSize"),
      tls: try TLSOptions(journal: JournalFields(fields.value("tls"), "\(fields.place).tls")))
  }
}

extension LedgerWrite {
  var journal: JSONValue {
    switch self {
    case .put(let collection, let key, let value):
      return .tagged(
        "put", ["collection": .string(collection.rawValue), "key": .string(key), "value": .bytes(value)])
    case .delete(let collection, let key):
      return .tagged("delete", ["collection": .string(collection.rawValue), "key": .string(key)])
    case .enqueue(let message):
      return .tagged(
        "enqueue",
        [
          "id": .integer(message.id), "transactionID": message.transactionID.map { .string($0) },
          "action": .string(message.action), "messageID": .string(message.messageID),
          "payload": .bytes(message.payload), "attempts": .int(message.attempts),
          "unknownTimeBoot": message.unknownTimeBoot.map { .integer($0) },
        ])
    case .dequeue(let id): return .tagged("dequeue", ["id": .integer(id)])
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "write")
    let fields = try tagged.fields()
    switch tagged.tag {
    case "put":
      self = .put(try fields.choice("collection"), key: try fields.string("key"), value: try fields.bytes("value"))
    case "delete": self = .delete(try fields.choice("collection"), key: try fields.string("key"))
    case "enqueue":
      self = .enqueue(
        QueuedMessage(
          id: try fields.int64("id"), transactionID: try fields.stringIfPresent("transactionID"),
          action: try fields.string("action"), messageID: try fields.string("messageID"),
          payload: try fields.bytes("payload"), attempts: try fields.int("attempts"),
          unknownTimeBoot: try fields.int64IfPresent("unknownTimeBoot")))
    case "dequeue": self = .dequeue(id: try fields.int64("id"))
    default: throw tagged.unknown()
    }
  }
}
