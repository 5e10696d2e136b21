import OCPP
import StationCore

/// The CSMS: takes what arrives, answers well, late, wrongly or not at all, and now and then wants something.
final class CSMS {
  enum Mood { case good, slow, silent, wrong }

  unowned let world: World
  var doors = Doors()
  private(set) var connection: Int?
  var mood = Mood.good
  /// What BootNotification is answered with, until when.
  var registration = RegistrationStatusEnumType.accepted
  /// The connection on which the station was accepted last; the registration outlives connections.
  private(set) var isAccepted = false
  private var nextCall = 1
  /// Calls that the station has not answered.
  private var calls: [String: Call] = [:]
  var answersProperly = false
  /// Tokens that were accepted in some answer.
  private(set) var grantedTokens: Set<String> = []

  enum Call {
    case setVariable(VariableKey, value: String)
    case changeAvailability(AvailabilityKey, operative: Bool)
    case password(String, change: Int)
    case other
  }

  /// 1970-01-01 is far away: the CSMS knows what time it is.
  static let epoch: Int64 = 1_767_225_600_000

  init(_ world: World) { self.world = world }

  var wallTime: Int64 { Self.epoch + world.time }

  func connected(_ connection: Int, _ request: ConnectionRequest) {
    self.connection = connection
    doors.entered(request)
  }

  func disconnected(_ connection: Int) {
    if self.connection == connection { self.connection = nil }
    calls = [:]
  }

  // MARK: Receiving

  func received(_ frame: [UInt8], _ connection: Int) {
    guard let message = try? JSONValue.parse(frame), let parts = message.arrayValue, parts.count >= 3,
      let type = parts[0].intValue, let id = parts[1].stringValue
    else { return world.violated("frames", "not an OCPP-J message: \(String(decoding: frame, as: UTF8.self))") }
    switch type {
    case 2:
      guard parts.count == 4, let action = parts[2].stringValue else {
        return world.violated("frames", "not a CALL: \(message.text)")
      }
      called(id, action, parts[3], connection)
    case 3: answered(id, parts[2])
    default: calls[id] = nil
    }
  }

  private func called(_ id: String, _ action: String, _ payload: JSONValue, _ connection: Int) {
    // A CALL that is refused was not taken.
    let verdict = verdict(on: action)
    if action == "TransactionEvent" {
      if verdict == .refuse { world.books.refused(payload) } else { world.books.held(payload, connection: connection) }
    }
    guard let answer = answer(to: action, payload) else { return }
    let wait: Int64 = mood == .slow && !answersProperly ? world.dice.within(1000...40_000) : world.dice.within(0...20)
    func reply(_ parts: JSONValue, after wait: Int64) {
      let bytes = parts.bytes
      world.after(wait) { [unowned self] in self.world.network.deliver(.message(bytes), connection) }
    }
    switch verdict {
    case .answer: reply([3, .string(id), answer], after: wait)
    case .twice:
      world.coverage.count("duplicateAnswers")
      reply([3, .string(id), answer], after: wait)
      reply([3, .string(id), answer], after: wait + world.dice.within(0...500))
    case .silence: world.coverage.count("silentAnswers")
    case .refuse:
      world.coverage.count("wrongAnswers")
      reply([4, .string(id), "InternalError", "simulated", .object([])], after: wait)
    case .invalid:
      world.coverage.count("wrongAnswers")
      reply([3, .string(id), ["idTokenInfo": ["status": 7], "nonsense": true]], after: wait)
    case .wrongID:
      world.coverage.count("wrongAnswers")
      reply([3, .string("x" + id.dropFirst()), answer], after: wait)
    case .close:
      let code = world.dice.pick([1000, 1001, 1011, 1006])
      if world.dice.chance(0.5) { reply([3, .string(id), answer], after: 0) }
      world.network.closedByCSMS(connection, code: code)
    }
  }

  private enum Verdict { case answer, twice, silence, refuse, invalid, wrongID, close }

  private func verdict(on action: String) -> Verdict {
    if answersProperly { return .answer }
    switch mood {
    case .silent: return .silence
    case .wrong:
      return world.dice.pick([.refuse, .invalid, .wrongID, .silence, .twice, .close, .answer, .refuse])
    case .good, .slow:
      guard world.scenario.mean(.csms) != nil, world.dice.chance(0.02) else { return .answer }
      return world.dice.pick([.refuse, .invalid, .wrongID, .silence, .twice, .twice, .close])
    }
  }

  private func answer(to action: String, _ payload: JSONValue) -> JSONValue? {
    let now = JSONValue.string(DateTime(unixMilliseconds: wallTime).description)
    switch action {
    case "BootNotification":
      if registration != .accepted { world.coverage.count("registrationsRefused") }
      isAccepted = registration == .accepted
      return [
        "currentTime": now, "interval": registration == .accepted ? 600 : 30, "status": .string(registration.rawValue),
      ]
    case "Heartbeat": return ["currentTime": now]
    case "Authorize":
      let token = payload["idToken"]?["idToken"]?.stringValue ?? ""
      let info = tokenInfo(token, inEvent: false)
      if info["status"] == "Accepted" { grantedTokens.insert(token) }
      return ["idTokenInfo": info]
    case "TransactionEvent":
      guard let token = payload["idToken"]?["idToken"]?.stringValue else { return [:] }
      let info = tokenInfo(token, inEvent: true)
      if info["status"] == "Accepted" {
        grantedTokens.insert(token)
      } else {
        world.coverage.count("refusedTokens")
      }
      return ["idTokenInfo": info]
    default: return [:]
    }
  }

  private func tokenInfo(_ token: String, inEvent: Bool) -> JSONValue {
    if token.hasPrefix("BAD") { return ["status": .string(token.hasSuffix("1") ? "Invalid" : "Blocked")] }
    if token.hasPrefix("LATE"), inEvent { return ["status": "Invalid"] }
    if token.hasPrefix("GROUP") {
      return ["status": "Accepted", "groupIdToken": ["idToken": "FLEET", "type": "Central"]]
    }
    return ["status": "Accepted"]
  }

  // MARK: Calling

  func grant(_ token: String) { grantedTokens.insert(token) }

  func call(_ action: String, _ payload: JSONValue, _ call: Call = .other) {
    guard let connection else { return }
    let id = "csms-\(nextCall)"
    nextCall += 1
    calls[id] = call
    world.coverage.count("csmsCalls")
    world.books.asked(call)
    world.network.deliver(.message(JSONValue.array([2, .string(id), .string(action), payload]).bytes), connection)
  }

  func send(raw frame: [UInt8]) {
    guard let connection else { return }
    world.network.deliver(.message(frame), connection)
  }

  private func answered(_ id: String, _ payload: JSONValue) {
    guard let call = calls.removeValue(forKey: id) else { return }
    if case .password(let new, let change) = call { return passwordAnswered(new, change: change, payload) }
    world.books.answered(call, payload)
  }
}
