/// One side of OCPP-J on one connection, as a value without input or output: it tells what a received message means and
/// makes the messages to send. A new connection gets a new endpoint.
///
/// Source: OCPP 2.0.1 Part 4 chapter 4 with errata 2025-01; what 2.1 adds is there when `version` is `.v21`.
///
/// The two directions are independent: the peer's calls are to be answered while a call of ours is outstanding.
///
/// - Own calls: one is outstanding at a time (4.1.1). It ends by `.result`, `.error`, `.badResult`, or `abandon()`.
/// - The peer's calls: a peer should wait for our answer, but may have given up waiting, so a call is taken while earlier
///   ones are unanswered, up to `maxUnansweredCalls`; one more is answered with GenericError. A call with the id of one
///   that is unanswered is refused with RpcFrameworkError (4.2.3), which does not touch the first.
/// - What is not a valid frame is answered or dropped:
///
///   | received | gives |
///   |---|---|
///   | no JSON array, no message type number | RpcFrameworkError |
///   | CALL with another number of elements, or an id or action that is no string or too long | RpcFrameworkError |
///   | CALL whose JSON is broken behind the action | FormatViolation |
///   | CALL whose payload is no object (`null` counts as `{}`) | ProtocolError |
///   | unknown message type | MessageTypeNotSupported on 2.0.1 (4.4), dropped on 2.1 |
///   | CALLRESULT or CALLERROR that answers nothing outstanding: unknown, late, unreadable id | dropped |
///   | unusable CALLRESULT for the outstanding call | `.badResult`: that call has failed |
///   | unusable CALLERROR for the outstanding call | `.error` with what could be read of it |
///   | CALLRESULTERROR (2.1), CALLRESULTERROR on 2.0.1, unusable SEND (2.1) | never answered |
///
///   The answer carries the message's id when that can be read, else "-1"; an id longer than 36 characters counts as not
///   readable, since no answer could carry it. A message of type 3, 4 or 5 is never answered with a CALLERROR.
///
/// Nothing that is received can stop the process. Memory is bounded by the size of one message and by
/// `maxUnansweredCalls`; the size of a message is bounded by the connection and by `JSONLimits.maxBytes`.
public struct RPCEndpoint: Sendable {
  /// How many of the peer's calls may be unanswered.
  public static let maxUnansweredCalls = 16
  /// Longest message id, characters.
  public static let maxIDLength = 36
  /// Longest error description, characters; longer ones are cut.
  public static let maxDescriptionLength = 255

  /// What a received message means.
  public enum Event: Hashable, Sendable {
    /// A call of the peer, to be answered by `result` or `error`. `payload` is well-formed JSON, an object.
    case call(id: String, action: String, payload: [UInt8])
    /// The answer to our outstanding call. `payload` is well-formed JSON, an object.
    case result(id: String, payload: [UInt8])
    /// The peer refused our outstanding call. `code` is as received: either spelling of 1.6's and 2.x's codes, or one
    /// that nobody knows and that means as much as GenericError.
    case error(id: String, code: String, description: String, details: [UInt8])
    /// The answer to our outstanding call is unusable, so the call has failed; `reply` is to be sent if there is one (a
    /// CALLRESULTERROR, on 2.1).
    case badResult(id: String, reason: String, reply: [UInt8]?)
    /// On 2.1: the peer could not use our CALLRESULT with this id.
    case resultError(id: String, code: String, description: String, details: [UInt8])
    /// On 2.1: a message that expects no answer. `payload` is well-formed JSON, an object.
    case send(action: String, payload: [UInt8])
    /// Not a valid call: this CALLERROR frame is to be sent; the reason is for the log.
    case reply([UInt8], reason: String)
    /// Nothing to do; the reason is for the log.
    case dropped(String)
  }

  public let version: OCPPVersion
  /// Our call that waits for its answer.
  public private(set) var outstanding: (id: String, action: String)?
  /// The last call given up, to explain a late answer.
  private var abandoned: (id: String, action: String)?
  /// Ids of the peer's calls that wait for our answer, oldest first.
  private var unanswered: [String] = []

  public init(version: OCPPVersion) {
    self.version = version
  }

  // MARK: Receiving

  /// Takes one message as it came from the connection.
  public mutating func receive(_ message: [UInt8]) -> Event {
    let frame = RPCFrame(message)
    switch frame.type {
    case .unreadable(let reason):
      return refuse(frame, .rpcFrameworkError, reason)
    case .number(.call):
      return receiveCall(frame)
    case .number(.callResult):
      return receiveResult(frame)
    case .number(.callError):
      return receiveError(frame)
    case .number(.callResultError) where version >= .v21:
      guard let id = frame.id else { return .dropped("CALLRESULTERROR without a usable id") }
      let error = frame.error
      return .resultError(id: id, code: error.code, description: error.description, details: error.details)
    case .number(.callResultError):
      return .dropped("message type 5 does not exist in \(version.rawValue)")
    case .number(.send) where version >= .v21:
      guard frame.problem == nil, frame.count == 4, frame.id != nil, let action = frame.string(2),
        let payload = frame.object(3)
      else { return .dropped("unusable SEND: \(frame.problem ?? "expected [6,id,action,payload]")") }
      return .send(action: action, payload: payload)
    case .number(.send), .unknown:
      let reason = "message type \(frame.excerpt(0)) is not supported"
      return version >= .v21 ? .dropped(reason) : refuse(frame, .messageTypeNotSupported, reason)
    }
  }

  private mutating func receiveCall(_ frame: RPCFrame) -> Event {
    if let problem = frame.problem {
      return refuse(frame, frame.count > 2 ? .formatViolation : .rpcFrameworkError, problem)
    }
    guard frame.count == 4 else {
      return refuse(frame, .rpcFrameworkError, "a CALL has 4 elements, this one has \(frame.countText)")
    }
    guard let id = frame.id else { return refuse(frame, .rpcFrameworkError, frame.problemOfID) }
    guard let action = frame.string(2) else {
      return refuse(frame, .rpcFrameworkError, "the action is not a string: \(frame.excerpt(2))")
    }
    guard let payload = frame.object(3) else {
      return refuse(frame, .protocolError, "the payload is not an object: \(frame.excerpt(3))")
    }
    guard !unanswered.contains(id) else {
      return refuse(frame, .rpcFrameworkError, "a call with this message id is being handled already")
    }
    guard unanswered.count < Self.maxUnansweredCalls else {
      return refuse(frame, .genericError, "\(unanswered.count) calls are unanswered already")
    }
    unanswered.append(id)
    return .call(id: id, action: action, payload: payload)
  }

  private mutating func receiveResult(_ frame: RPCFrame) -> Event {
    guard let call = takeOutstanding(frame.id) else { return .dropped(unexpected("CALLRESULT", frame)) }
    let reason: String
    if let problem = frame.problem {
      reason = problem
    } else if frame.count != 3 {
      reason = "a CALLRESULT has 3 elements, this one has \(frame.countText)"
    } else if let payload = frame.object(2) {
      return .result(id: call.id, payload: payload)
    } else {
      reason = "the payload is not an object: \(frame.excerpt(2))"
    }
    let reply = resultError(id: call.id, .formatViolation, description: reason)
    return .badResult(id: call.id, reason: reason, reply: reply)
  }

  private mutating func receiveError(_ frame: RPCFrame) -> Event {
    guard let call = takeOutstanding(frame.id) else { return .dropped(unexpected("CALLERROR", frame)) }
    let error = frame.error
    return .error(id: call.id, code: error.code, description: error.description, details: error.details)
  }

  /// The outstanding call, which is over then, if `id` is its id.
  private mutating func takeOutstanding(_ id: String?) -> (id: String, action: String)? {
    guard let call = outstanding, let id, id.utf8.elementsEqual(call.id.utf8) else { return nil }
    outstanding = nil
    return call
  }

  private func unexpected(_ kind: String, _ frame: RPCFrame) -> String {
    guard let id = frame.id else { return "\(kind) without a usable id: \(frame.problem ?? frame.problemOfID)" }
    if let abandoned, abandoned.id == id { return "late \(kind) for \(abandoned.action) \(id)" }
    return "\(kind) for \(id), which is not outstanding\(kind == "CALLERROR" ? ": \(frame.error.description)" : "")"
  }

  private func refuse(_ frame: RPCFrame, _ code: RPCErrorCode, _ reason: String) -> Event {
    .reply(RPCFrame.error(.callError, id: frame.id ?? "-1", code, reason, details: nil), reason: reason)
  }

  // MARK: Calling

  /// The frame of a call, which is outstanding then; `nil` while another one is.
  ///
  /// - Parameters:
  ///   - id: at most 36 characters, never used for another message (`MessageIDGenerator`); a message that is sent again
  ///     may keep its id.
  ///   - payload: JSON, an object.
  public mutating func call(id: String, action: String, payload: [UInt8]) -> [UInt8]? {
    guard outstanding == nil else { return nil }
    outstanding = (id, action)
    return RPCFrame.call(.call, id: id, action: action, payload: payload)
  }

  /// Gives the outstanding call up, because its time is up; a late answer is dropped.
  public mutating func abandon() {
    guard let call = outstanding else { return }
    abandoned = call
    outstanding = nil
  }

  /// On 2.1, the frame of a message that expects no answer and may be sent at any time; `nil` on 2.0.1, which has none.
  public func send(id: String, action: String, payload: [UInt8]) -> [UInt8]? {
    version >= .v21 ? RPCFrame.call(.send, id: id, action: action, payload: payload) : nil
  }

  // MARK: Answering

  /// The frame that answers the peer's call `id`; `nil` when there is no such call on this connection, or it has been
  /// answered.
  public mutating func result(id: String, payload: [UInt8]) -> [UInt8]? {
    forget(id) ? RPCFrame.result(id: id, payload: payload) : nil
  }

  /// The frame that refuses the peer's call `id`; `nil` when there is no such call on this connection, or it has been
  /// answered.
  ///
  /// - Parameters:
  ///   - description: cut to 255 characters.
  ///   - details: JSON, an object; `nil` gives an empty one.
  public mutating func error(
    id: String, _ code: RPCErrorCode, description: String, details: [UInt8]? = nil
  ) -> [UInt8]? {
    forget(id) ? RPCFrame.error(.callError, id: id, code, description, details: details) : nil
  }

  /// A frame that refuses a call whose other answer did not leave.
  public static func failure(of id: String, _ code: RPCErrorCode, _ description: String) -> [UInt8] {
    RPCFrame.error(.callError, id: id, code, description, details: nil)
  }

  /// On 2.1, the frame that tells the peer that its CALLRESULT `id` cannot be used; `nil` on 2.0.1, which has none.
  public func resultError(
    id: String, _ code: RPCErrorCode, description: String, details: [UInt8]? = nil
  ) -> [UInt8]? {
    version >= .v21 ? RPCFrame.error(.callResultError, id: id, code, description, details: details) : nil
  }

  private mutating func forget(_ id: String) -> Bool {
    guard let index = unanswered.firstIndex(of: id) else { return false }
    unanswered.remove(at: index)
    return true
  }
}
