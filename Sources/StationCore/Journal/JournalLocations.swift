import OCPP

/// Locations of files without what is secret in them: user and password, and the query, in which signed locations carry
/// their authorization.
extension JournalSecret {
  /// Of the same length, a location where that was one, and the same for the same secret.
  static func location(_ text: String) -> String {
    guard let separator = text.firstRange(of: "://") else { return text }
    var result = String(text[..<separator.upperBound])
    var rest = text[separator.upperBound...]
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    if let at = authority.lastIndex(of: "@") {
      let credentials = authority[..<at]
      let colon = credentials.firstIndex(of: ":") ?? credentials.endIndex
      result += credentials[..<colon]
      if colon < credentials.endIndex {
        result += ":" + hidden(String(credentials[credentials.index(after: colon)...]))
      }
      rest = rest[at...]
    }
    if let query = rest.firstIndex(of: "?") {
      result += rest[...query] + hidden(String(rest[rest.index(after: query)...]))
    } else {
      result += rest
    }
    return result
  }

  private static func hidden(_ text: String) -> String {
    String(marker(for: text).map { $0 == "#" ? "*" : $0 })
  }

  static func transfer(_ request: TransferRequest) -> TransferRequest {
    guard case .start(var transfer) = request else { return request }
    transfer.location = location(transfer.location)
    return .start(transfer)
  }

  /// The names under which UpdateFirmware and GetLog, and what the ledger keeps of them, carry a location.
  private static let names: Set<String> = ["location", "remoteLocation"]

  /// Wherever one is in it.
  static func locations(_ value: JSONValue) -> JSONValue {
    switch value {
    case .array(let items): return .array(items.map(locations))
    case .object(var members):
      for index in members.indices {
        if names.contains(members[index].name), let text = members[index].value.stringValue {
          members[index].value = .string(location(text))
        } else {
          members[index].value = locations(members[index].value)
        }
      }
      return .object(members)
    default: return value
    }
  }

  static func locations(_ bytes: [UInt8]) -> [UInt8] {
    guard let value = try? JSONValue.parse(bytes) else { return bytes }
    return locations(value).bytes
  }

  /// A message: those that carry a location are few, and rare.
  static func locations(inFrame frame: [UInt8]) -> [UInt8] {
    guard names.contains(where: { String(decoding: frame, as: UTF8.self).contains("\"\($0)\"") }) else { return frame }
    return locations(frame)
  }
}
