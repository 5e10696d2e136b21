import DequeModule
import OCPP

/// Calls to the CSMS that are not queued in the ledger: they matter only while they are current.
struct Calls: Sendable {
  struct Entry: Sendable {
    /// Counts all messages to the CSMS, so that they leave in the order of what they report.
    var order: Int64
    var action: String
    var payload: [UInt8]
    var purpose: Purpose
    /// The CSMS asked for it, so that it may leave while registration is Pending (B02.FR.02).
    var requested: Bool

    /// Nobody waits for its answer.
    var isSpare: Bool {
      if case .events = purpose { return true }
      return purpose == .report && !requested
    }
  }

  /// What the answer is for.
  enum Purpose: Hashable, Sendable {
    case boot
    case heartbeat
    case authorize(Int)
    case dataTransfer(control: Int64)
    case notifyReport
    case signCertificate
    /// Indices of the connector whose status it tells.
    case status(evse: Int, connector: Int)
    /// Nothing depends on the answer.
    case report
    /// A NotifyEvent, with its payload: its events are not given up when it gets no answer.
    case events([UInt8])
    case outbox(Int64)
  }

  struct Outstanding: Sendable {
    var purpose: Purpose
    var action: String
  }

  var waiting: [Entry] = []
  var outstanding: Outstanding?
  var nextOrder: Int64 = 1
  /// Monotonic time of the last frame sent; the heartbeat counts from here (G02.FR.05).
  var lastSent: Int64 = 0

  /// Beyond this many waiting calls the oldest one that nobody waits for is dropped.
  static let limit = 200

  mutating func takeOrder() -> Int64 {
    defer { nextOrder += 1 }
    return nextOrder
  }
}

extension Station {
  /// Queues a call. BootNotification and Authorize go first, everything else in order.
  mutating func call(
    _ request: some OCPPRequest, for purpose: Calls.Purpose = .report, requested: Bool = false
  ) {
    let entry = Calls.Entry(
      order: calls.takeOrder(), action: type(of: request).action, payload: request.encode(version: .v201),
      purpose: purpose, requested: requested)
    switch purpose {
    case .boot: calls.waiting.insert(entry, at: 0)
    case .authorize:
      let index = calls.waiting.firstIndex { $0.isSpare } ?? calls.waiting.endIndex
      calls.waiting.insert(entry, at: index)
    default: calls.waiting.append(entry)
    }
    if calls.waiting.count > Calls.limit {
      if let index = calls.waiting.firstIndex(where: { $0.isSpare }) {
        let dropped = calls.waiting.remove(at: index)
        log(.warning, "more than \(Calls.limit) messages wait for the CSMS, dropped a \(dropped.action)")
        if case .events(let payload) = dropped.purpose { eventsLost(payload) }
      } else {
        let dropped = calls.waiting.removeLast()
        log(.warning, "more than \(Calls.limit) messages wait for the CSMS, refused a \(dropped.action)")
        failed(dropped.purpose, action: dropped.action, "too many messages wait")
      }
    }
  }

  /// Puts the next message on the wire if there is one that may go: one call at a time, gated by the registration.
  mutating func sendNext() {
    guard isOnline, calls.outstanding == nil, stopping == nil || !outbox.isEmpty else { return }
    let direct = calls.waiting.firstIndex { mayLeave($0) }
    let queued =
      provisioning.registration == .accepted ? outbox.nextDue(at: now.monotonic, unsaved: storage.unsaved) : nil
    switch (direct, queued) {
    case (let direct?, let queued?):
      let message = outbox.messages[queued]
      let goesFirst = message.isBacklog || message.order > calls.waiting[direct].order
      if goesFirst { sendDirect(direct) } else { sendQueued(queued) }
    case (let direct?, nil): sendDirect(direct)
    case (nil, let queued?): sendQueued(queued)
    case (nil, nil):
      if provisioning.registration == .accepted, let due = outbox.nextRetry(after: now.monotonic) {
        emit(.setTimer(.retry, at: due))
      }
    }
  }

  private func mayLeave(_ entry: Calls.Entry) -> Bool {
    switch provisioning.registration {
    case .accepted: return true
    case .pending: return entry.purpose == .boot || entry.requested
    case .none, .rejected: return entry.purpose == .boot
    }
  }

  private mutating func sendDirect(_ index: Int) {
    let entry = calls.waiting.remove(at: index)
    transmit(id: random.uuid(), action: entry.action, payload: entry.payload, purpose: entry.purpose)
  }

  private mutating func sendQueued(_ index: Int) {
    let message = outbox.messages[index].queued
    transmit(id: message.messageID, action: message.action, payload: message.payload, purpose: .outbox(message.id))
  }

  private mutating func transmit(id: String, action: String, payload: [UInt8], purpose: Calls.Purpose) {
    guard let frame = connection.rpc.call(id: id, action: action, payload: payload) else { return }
    calls.outstanding = Calls.Outstanding(purpose: purpose, action: action)
    calls.lastSent = now.monotonic
    emit(.send(frame))
    startTimer(.call, after: max(1000, milliseconds(Setting.messageTimeout, default: 30)))
  }

  /// A message from the CSMS.
  mutating func received(_ message: [UInt8]) {
    switch connection.rpc.receive(message) {
    case .call(let id, let action, let payload): answerCall(IncomingCall(id: id, action: action), payload)
    case .result(_, let payload): finishCall(.success(payload))
    case .error(_, let code, let description, _):
      if !RPCErrorCode.isKnown(code) { tolerate(.errorCodeUnknown) }
      finishCall(.failure(CallFailure("\(code) \(description)")))
    case .reply(let frame, let reason):
      log(.warning, "answered a malformed message: \(reason)")
      emit(.send(frame))
    case .badResult(_, let reason, let reply):
      if let reply { emit(.send(reply)) }
      finishCall(.failure(CallFailure("unusable answer: \(reason)")))
    case .dropped(let reason):
      log(.warning, "dropped a message: \(reason)")
      tolerate(.answerToNoCall)
    case .send, .resultError: log(.warning, "dropped a message of OCPP 2.1 on a 2.0.1 connection")
    }
  }

  private mutating func finishCall(_ result: Result<[UInt8], CallFailure>) {
    guard let outstanding = calls.outstanding else { return }
    calls.outstanding = nil
    stopTimer(.call)
    switch result {
    case .success(let payload): succeeded(outstanding.purpose, action: outstanding.action, payload)
    case .failure(let failure):
      if case .events = outstanding.purpose {
        // The CSMS has it and does not want it.
        eventsDelivered()
        return log(.warning, "NotifyEvent refused: \(failure.text)")
      }
      failed(outstanding.purpose, action: outstanding.action, failure.text)
    }
  }

  /// The frame of our call was not sent, because the commit before it failed. A queued message stays queued, and this
  /// was no attempt; what else waits for the answer is told.
  mutating func callNotSent() {
    guard let outstanding = calls.outstanding else { return }
    connection.rpc.abandon()
    calls.outstanding = nil
    stopTimer(.call)
    if case .outbox = outstanding.purpose { return }
    failed(outstanding.purpose, action: outstanding.action, "the ledger could not be written")
  }

  mutating func callTimedOut() {
    guard let outstanding = calls.outstanding else { return }
    connection.rpc.abandon()
    calls.outstanding = nil
    connection.silentCalls += 1
    failed(outstanding.purpose, action: outstanding.action, "no answer within MessageTimeout")
    if connection.silentCalls >= Connection.maxSilentCalls {
      replaceConnection("\(connection.silentCalls) calls in a row without an answer")
    }
  }

  /// The link is gone: a queued message stays queued, everything else that waited is told.
  mutating func callsLost() {
    stopTimer(.call)
    if let outstanding = calls.outstanding {
      calls.outstanding = nil
      if case .outbox = outstanding.purpose {
        // Not a failed attempt: offline time does not count (E13, E04).
      } else {
        failed(outstanding.purpose, action: outstanding.action, "the connection was lost")
      }
    }
    let waiting = calls.waiting
    calls.waiting = []
    for entry in waiting where entry.purpose != .report && entry.purpose != .notifyReport {
      failed(entry.purpose, action: entry.action, "the connection was lost")
    }
    provisioning.reports = []
    markOutboxOffline()
  }

  private mutating func succeeded(_ purpose: Calls.Purpose, action: String, _ payload: [UInt8]) {
    do throws(PayloadError) {
      switch purpose {
      case .boot: bootAnswered(try BootNotificationResponse.decode(payload, version: .v201))
      case .heartbeat: heartbeatAnswered(try HeartbeatResponse.decode(payload, version: .v201))
      case .authorize(let ticket): authorizeAnswered(ticket, try AuthorizeResponse.decode(payload, version: .v201))
      case .dataTransfer(let control):
        let response = try DataTransferResponse.decode(payload, version: .v201)
        var members = [JSONMember(name: "status", value: .string(response.status.rawValue))]
        if let data = response.data { members.append(JSONMember(name: "data", value: data)) }
        emit(.controlReply(id: control, .success(.object(members))))
      case .outbox(let id): try delivered(id, payload)
      case .signCertificate: signingAnswered(try SignCertificateResponse.decode(payload, version: .v201))
      case .notifyReport: reportPartDelivered()
      case .events: eventsDelivered()
      case .report, .status: break
      }
    } catch {
      failed(purpose, action: action, "invalid answer: \(error.code.rawValue) at \(error.path): \(error.message)")
    }
  }

  private mutating func failed(_ purpose: Calls.Purpose, action: String, _ why: String) {
    log(.warning, "\(action) failed: \(why)")
    switch purpose {
    case .boot: bootFailed()
    case .heartbeat: startHeartbeat()
    case .authorize(let ticket): authorizeFailed(ticket)
    case .dataTransfer(let control): emit(.controlReply(id: control, .failure(ControlError(why))))
    case .outbox(let id): deliveryFailed(id, why)
    case .signCertificate: signingFailed()
    case .notifyReport: reportPartDelivered()
    case .status(let evse, let connector): evses[evse].connectors[connector].reported = nil
    case .events(let payload): eventsLost(payload)
    case .report: break
    }
  }

  mutating func controlRequested(id: Int64, _ request: ControlRequest) {
    if request == .discardUndelivered {
      let fields = [JSONMember(name: "discarded", value: .int(discardUndelivered()))]
      return emit(.controlReply(id: id, .success(.object(fields))))
    }
    guard isOnline, provisioning.registration == .accepted else {
      emit(.controlReply(id: id, .failure(ControlError("the CSMS is not connected, or has not accepted the station"))))
      return
    }
    switch request {
    case .dataTransfer(let vendorId, let messageId, let data):
      call(
        DataTransferRequest(vendorId: vendorId, data: data, messageId: messageId), for: .dataTransfer(control: id))
    case .discardUndelivered: break
    }
  }
}

/// Why a call brought no answer that counts.
struct CallFailure: Error, Hashable, Sendable {
  var text: String
  init(_ text: String) { self.text = text }
}
