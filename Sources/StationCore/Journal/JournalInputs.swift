import OCPP

/// `Input` as a JSON value, and back to an equal one.
extension Input {
  var journal: JSONValue {
    switch self {
    case .start: return "start"
    case .timer(let id): return .tagged("timer", ["name": .string(id.name), "index": .int(id.index)])
    case .link(let event): return .members(["link": event.journal])
    case .hardware(let event): return .members(["hardware": event.journal])
    case .certificates(let id, let reply, let inventory):
      return .tagged(
        "certificates", ["id": .integer(id), "reply": reply.journal, "inventory": inventory.journal])
    case .logs(let id, let reply): return .tagged("logs", ["id": .integer(id), "reply": reply.journal])
    case .transfer(let id, let event):
      return .tagged("transfer", ["id": .integer(id), "event": event.journal])
    case .installer(let id, let reply):
      return .tagged("installer", ["id": .integer(id), "reply": reply.journal])
    case .network(let online): return .tagged("network", ["online": .bool(online)])
    case .control(let id, let request):
      return .tagged("control", ["id": .integer(id), "request": request.journal])
    case .commitFailed(let failure, let refused):
      return .tagged("commitFailed", ["failure": failure.journal, "refused": .array(refused.map(\.journal))])
    case .ledgerDamaged(let damage): return .members(["ledgerDamaged": damage.journal])
    case .storageLow(let isLow): return .tagged("storageLow", ["isLow": .bool(isLow)])
    case .stored: return "stored"
    case .shutdown: return "shutdown"
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "in")
    switch tagged.tag {
    case "start": self = .start
    case "timer":
      let fields = try tagged.fields()
      self = .timer(TimerID(try fields.string("name"), try fields.int("index")))
    case "link": self = .link(try LinkEvent(journal: tagged.inner()))
    case "hardware": self = .hardware(try HardwareEvent(journal: tagged.inner()))
    case "certificates":
      let fields = try tagged.fields()
      self = .certificates(
        id: try fields.int64("id"), try CertificateReply(journal: fields.value("reply")),
        try CertificateInventory(journal: JournalFields(fields.value("inventory"), "in.certificates.inventory")))
    case "logs":
      let fields = try tagged.fields()
      self = .logs(id: try fields.int64("id"), try LogReply(journal: fields.value("reply")))
    case "transfer":
      let fields = try tagged.fields()
      self = .transfer(id: try fields.int64("id"), try TransferEvent(journal: fields.value("event")))
    case "installer":
      let fields = try tagged.fields()
      self = .installer(id: try fields.int64("id"), try InstallerReply(journal: fields.value("reply")))
    case "network": self = .network(online: try tagged.fields().bool("online"))
    case "control":
      let fields = try tagged.fields()
      let request = try JournalCase(try fields.value("request"), "in.control.request")
      self = .control(id: try fields.int64("id"), try ControlRequest(journal: request))
    case "commitFailed":
      let fields = try tagged.fields()
      var refused: [Action] = []
      for value in try fields.array("refused") { refused.append(try Action(journal: value)) }
      self = .commitFailed(try LedgerFailure(journal: fields.value("failure")), refused: refused)
    case "ledgerDamaged": self = .ledgerDamaged(try LedgerDamage(journal: tagged.content()))
    case "storageLow": self = .storageLow(try tagged.fields().bool("isLow"))
    case "stored": self = .stored
    case "shutdown": self = .shutdown
    default: throw tagged.unknown()
    }
  }
}

extension ControlRequest {
  var journal: JSONValue {
    switch self {
    case .dataTransfer(let vendorId, let messageId, let data):
      return .tagged(
        "dataTransfer",
        [
          "vendorId": .string(vendorId), "messageId": messageId.map { .string($0) },
          "data": data.map { .document($0) },
        ])
    case .discardUndelivered: return "discardUndelivered"
    }
  }

  init(journal tagged: JournalCase) throws(JournalError) {
    switch tagged.tag {
    case "dataTransfer":
      let fields = try tagged.fields()
      self = .dataTransfer(
        vendorId: try fields.string("vendorId"), messageId: try fields.stringIfPresent("messageId"),
        data: try fields.documentIfPresent("data"))
    case "discardUndelivered": self = .discardUndelivered
    default: throw tagged.unknown()
    }
  }
}

extension LinkEvent {
  var journal: JSONValue {
    switch self {
    case .up(let subprotocol, let tls):
      return .tagged("up", ["subprotocol": .string(subprotocol), "tls": tls?.journal])
    case .down(let reason): return .members(["down": reason.journal])
    case .message(let message): return .tagged("message", ["frame": .bytes(message)])
    case .pong: return "pong"
    case .warning(let text): return .tagged("warning", ["text": .string(text)])
    }
  }

  init(journal tagged: JournalCase) throws(JournalError) {
    switch tagged.tag {
    case "up":
      let fields = try tagged.fields()
      var tls: TLSSession?
      if let value = fields.optional("tls") { tls = try TLSSession(journal: JournalFields(value, "in.link.up.tls")) }
      self = .up(subprotocol: try fields.string("subprotocol"), tls: tls)
    case "down": self = .down(try LinkDownReason(journal: tagged.inner()))
    case "message": self = .message(try tagged.fields().bytes("frame"))
    case "pong": self = .pong
    case "warning": self = .warning(try tagged.fields().string("text"))
    default: throw tagged.unknown()
    }
  }
}

extension LinkDownReason {
  var journal: JSONValue {
    switch self {
    case .connectFailed(let text): return .tagged("connectFailed", ["text": .string(text)])
    case .timedOut: return "timedOut"
    case .httpStatus(let status): return .tagged("httpStatus", ["status": .int(status)])
    case .subprotocolMismatch(let name): return .tagged("subprotocolMismatch", ["name": name.map { .string($0) }])
    case .badHandshake(let text): return .tagged("badHandshake", ["text": .string(text)])
    case .tls(let failure, let text):
      return .tagged("tls", ["failure": .string(failure.rawValue), "text": .string(text)])
    case .unsupported(let text): return .tagged("unsupported", ["text": .string(text)])
    case .closedByPeer(let code, let reason):
      return .tagged("closedByPeer", ["code": .int(code), "reason": .string(reason)])
    case .closedByUs(let code, let reason):
      return .tagged("closedByUs", ["code": .int(code), "reason": .string(reason)])
    case .lost(let text): return .tagged("lost", ["text": .string(text)])
    }
  }

  init(journal tagged: JournalCase) throws(JournalError) {
    switch tagged.tag {
    case "connectFailed": self = .connectFailed(try tagged.fields().string("text"))
    case "timedOut": self = .timedOut
    case "httpStatus": self = .httpStatus(try tagged.fields().int("status"))
    case "subprotocolMismatch": self = .subprotocolMismatch(try tagged.fields().stringIfPresent("name"))
    case "badHandshake": self = .badHandshake(try tagged.fields().string("text"))
    case "tls":
      let fields = try tagged.fields()
      self = .tls(try fields.choice("failure"), try fields.string("text"))
    case "unsupported": self = .unsupported(try tagged.fields().string("text"))
    case "closedByPeer":
      let fields = try tagged.fields()
      self = .closedByPeer(code: try fields.int("code"), reason: try fields.string("reason"))
    case "closedByUs":
      let fields = try tagged.fields()
      self = .closedByUs(code: try fields.int("code"), reason: try fields.string("reason"))
    case "lost": self = .lost(try tagged.fields().string("text"))
    default: throw tagged.unknown()
    }
  }
}
