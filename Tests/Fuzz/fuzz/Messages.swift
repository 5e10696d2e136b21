import StationCore

@testable import CSMSLink
@testable import OCPP

/// OCPP-J: whatever arrives, the endpoint answers with a valid frame or drops it, and what it passes on is JSON.
func fuzzFrame(_ bytes: [UInt8]) {
  for version in [OCPPVersion.v201, .v21] {
    var endpoint = RPCEndpoint(version: version)
    _ = endpoint.call(id: "our-call", action: "Heartbeat", payload: Array("{}".utf8))
    switch endpoint.receive(bytes) {
    case .call(let id, _, let payload):
      expect(isObject(payload), "the payload of a call is no JSON object")
      guard let answer = endpoint.result(id: id, payload: Array("{}".utf8)) else { broken("a call cannot be answered") }
      expect(isArray(answer), "the answer is no JSON array")
    case .result(_, let payload), .send(_, let payload):
      expect(isObject(payload), "a payload is no JSON object")
    case .reply(let frame, _): expect(isArray(frame), "the reply is no JSON array")
    case .badResult(_, _, let reply?): expect(isArray(reply), "the reply is no JSON array")
    default: break
    }
  }
}

/// JSON by its syntax. A member that comes twice, or a number that nobody can hold, is for the schema to refuse.
private func isObject(_ json: [UInt8]) -> Bool {
  do throws(PayloadError) {
    if case .object = try JSONValue.parse(json) { return true }
    return false
  } catch {
    return json.first == UInt8(ascii: "{") && error.code != .formatViolation
  }
}

private func isArray(_ json: [UInt8]) -> Bool {
  if case .array? = try? JSONValue.parse(json) { true } else { false }
}

/// Payloads: the first line is the name of a message, and `2.1` behind a blank for that version; the rest is the payload. What
/// is accepted is encoded, is accepted again, and is the same.
func fuzzMessage(_ bytes: [UInt8]) {
  guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return }
  let words = bytes[..<end].split(separator: UInt8(ascii: " "))
  guard let name = words.first, words.count <= 2 else { return }
  let version: OCPPVersion = words.count == 2 ? .v21 : .v201
  guard let type = OCPPAction.payloadType(String(decoding: name, as: UTF8.self), version: version) else { return }
  check(type, Array(bytes[(end + 1)...]), version)
}

private func check<Payload: OCPPPayload>(_ type: Payload.Type, _ json: [UInt8], _ version: OCPPVersion) {
  guard let value = try? type.decode(json, version: version) else { return }
  let encoded = value.encode(version: version)
  guard let again = try? type.decode(encoded, version: version) else {
    broken("\(type): what was encoded is refused: \(String(decoding: encoded, as: UTF8.self))")
  }
  expect(again.encode(version: version) == encoded, "\(type): encoding is not stable")
}

/// The server's answer to the upgrade: the same verdict however it is cut.
func fuzzHandshake(_ bytes: [UInt8]) {
  guard let step = bytes.first.map({ Int($0) + 1 }) else { return }
  let answer = Array(bytes.dropFirst())
  expect(outcome(answer, by: max(answer.count, 1)) == outcome(answer, by: step), "the verdict depends on how it is cut")
}

private func outcome(_ answer: [UInt8], by step: Int) -> String {
  guard let endpoint = try? Endpoint(url: "ws://csms.example/ocpp", identity: "cp001") else { broken("no endpoint") }
  var handshake = Handshake(
    endpoint: endpoint, identity: "cp001", password: "secret", subprotocols: ["ocpp2.0.1"],
    key: [UInt8](repeating: 7, count: 16))
  var start = 0
  while start < answer.count {
    let end = min(start + step, answer.count)
    switch handshake.receive(answer[start..<end]) {
    case .needsMore: start = end
    case .agreed(let subprotocol, let rest): return "\(subprotocol) \(rest + answer[end...])"
    case .refused(let reason):
      // Its words may quote what had arrived by then.
      if case .badHandshake = reason { return "bad handshake" }
      return "\(reason)"
    }
  }
  return "needs more"
}
