/// Where a connection goes: the endpoint URL of a network profile taken apart, with the station's identity appended.
///
/// Source: OCPP 2.0.1 Part 4, 3.1.1; RFC 3986; RFC 6455 section 3.
struct Endpoint: Hashable {
  enum Scheme: String {
    case ws, wss
  }

  let scheme: Scheme
  /// A name or an IP address; an IPv6 address without its brackets.
  let host: String
  let hostIsAddress: Bool
  let port: Int
  /// Value of the Host header: with brackets, and with the port when it is not the scheme's own.
  let hostHeader: String
  /// What stands in the request line: the path and the percent-encoded identity.
  let target: String

  /// Longest URL accepted, bytes. OCPP allows 512 (2.0.1) or 2,000 (2.1) characters for a csmsUrl.
  static let maxLength = 2048

  /// - Throws: when the URL is not `ws://host[:port][/path]` or `wss://...`. A query and a fragment are refused, since the
  ///   identity is appended to the path; so are user names, since they belong to Basic authentication.
  init(url: String, identity: String) throws(EndpointError) {
    func fail(_ text: String) -> EndpointError { EndpointError(text: "URL \"\(url.prefix(200))\": \(text)") }

    guard !identity.isEmpty else { throw EndpointError(text: "the station identity is empty") }
    guard identity.utf8.count <= 255 else {
      throw EndpointError(text: "the station identity has \(identity.utf8.count) bytes, at most 255 are sent")
    }
    let bytes = Array(url.utf8)
    guard bytes.count <= Self.maxLength else {
      throw fail("has \(bytes.count) bytes, at most \(Self.maxLength) are accepted")
    }
    if let position = bytes.firstIndex(where: { $0 <= 0x20 || $0 >= 0x7F }) {
      throw fail("byte \(bytes[position]) at position \(position + 1) is no printable ASCII; percent-encode it")
    }

    guard let (scheme, start) = Self.scheme(of: bytes) else { throw fail("expected ws:// or wss:// at the start") }
    self.scheme = scheme
    let end = bytes[start...].firstIndex {
      $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#")
    }
    let authority = bytes[start..<(end ?? bytes.endIndex)]
    var path = bytes[(end ?? bytes.endIndex)...]

    if authority.contains(UInt8(ascii: "@")) {
      throw fail("a user name is not possible here; Basic authentication uses identity and password of the station")
    }
    if path.contains(UInt8(ascii: "?")) { throw fail("a query is not possible, the identity is appended to the path") }
    if path.contains(UInt8(ascii: "#")) {
      throw fail("a fragment is not possible, the identity is appended to the path")
    }

    let (host, portText, isIPv6) = try Self.split(authority, fail)
    self.host = host
    hostIsAddress = isIPv6 || isIPv4(host)
    let defaultPort = scheme == .ws ? 80 : 443
    if let portText, !portText.isEmpty {
      guard portText.count <= 5, portText.allSatisfy(\.isDigit),
        let port = Int(String(decoding: portText, as: UTF8.self)),
        (1...65535).contains(port)
      else { throw fail("port \"\(String(decoding: portText, as: UTF8.self))\" is no number from 1 to 65535") }
      self.port = port
    } else {
      self.port = defaultPort
    }
    let name = isIPv6 ? "[\(host)]" : host
    hostHeader = port == defaultPort ? name : "\(name):\(port)"

    try Self.check(path: path, fail)
    // An endpoint written with a slash at its end means the same as one without.
    if path.last == UInt8(ascii: "/") { path.removeLast() }
    target = String(decoding: path, as: UTF8.self) + "/" + Self.percentEncoded(identity)
  }

  private static func scheme(of bytes: [UInt8]) -> (Scheme, Int)? {
    for scheme in [Scheme.ws, .wss] {
      let prefix = Array((scheme.rawValue + "://").utf8)
      if bytes.count >= prefix.count, zip(bytes, prefix).allSatisfy({ $0.lowercasedASCII == $1 }) {
        return (scheme, prefix.count)
      }
    }
    return nil
  }

  /// Host and text of the port (`nil` without a colon) of `host`, `host:port`, `[v6]` or `[v6]:port`.
  private static func split(
    _ authority: ArraySlice<UInt8>, _ fail: (String) -> EndpointError
  ) throws(EndpointError) -> (host: String, port: ArraySlice<UInt8>?, isIPv6: Bool) {
    if authority.first == UInt8(ascii: "[") {
      guard let bracket = authority.firstIndex(of: UInt8(ascii: "]")) else {
        throw fail("the \"]\" of the IPv6 address is missing")
      }
      let address = authority[(authority.startIndex + 1)..<bracket]
      let rest = authority[(bracket + 1)...]
      guard !address.isEmpty, address.count <= 45, address.contains(UInt8(ascii: ":")),
        address.allSatisfy({ $0.isHexDigit || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
      else { throw fail("\"\(String(decoding: address, as: UTF8.self))\" is no IPv6 address") }
      guard rest.isEmpty || rest.first == UInt8(ascii: ":") else { throw fail("expected \":\" or \"/\" after \"]\"") }
      return (String(decoding: address, as: UTF8.self), rest.isEmpty ? nil : rest.dropFirst(), true)
    }
    let colon = authority.firstIndex(of: UInt8(ascii: ":"))
    let host = authority[..<(colon ?? authority.endIndex)]
    guard !host.isEmpty else { throw fail("the host is missing") }
    guard host.count <= 253 else { throw fail("the host has \(host.count) characters, at most 253 are possible") }
    if let bad = host.firstIndex(where: { !$0.isHostCharacter }) {
      throw fail("\"\(Character(UnicodeScalar(host[bad])))\" at position \(bad + 1) is not possible in a host name")
    }
    return (String(decoding: host, as: UTF8.self), colon.map { authority[($0 + 1)...] }, false)
  }

  private static func check(
    path: ArraySlice<UInt8>, _ fail: (String) -> EndpointError
  ) throws(EndpointError) {
    var index = path.startIndex
    while index < path.endIndex {
      let byte = path[index]
      if byte == UInt8(ascii: "%") {
        guard path.endIndex - index > 2, path[index + 1].isHexDigit, path[index + 2].isHexDigit else {
          throw fail("\"%\" at position \(index + 1) is not followed by two hexadecimal digits")
        }
        index += 3
      } else if byte == UInt8(ascii: "/") || byte.isPathCharacter {
        index += 1
      } else {
        throw fail("\"\(Character(UnicodeScalar(byte)))\" at position \(index + 1) must be percent-encoded")
      }
    }
  }

  /// One path segment. Only what RFC 3986 does not allow in a segment is encoded (`|` becomes `%7C`; `*`, `+`, `=`, `@`
  /// stay), because many servers compare the raw path.
  static func percentEncoded(_ segment: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in segment.utf8 {
      if byte.isPathCharacter {
        result.append(byte)
      } else {
        result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

/// Four decimal numbers up to 255 with dots between them.
private func isIPv4(_ host: String) -> Bool {
  let parts = host.split(separator: ".", omittingEmptySubsequences: false)
  return parts.count == 4
    && parts.allSatisfy { part in
      (1...3).contains(part.utf8.count) && part.utf8.allSatisfy(\.isDigit) && UInt8(part) != nil
    }
}

/// A URL or identity with which no connection can be made; `text` says what is wrong and where.
struct EndpointError: Error, Hashable {
  var text: String
}

extension UInt8 {
  var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
  var isLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lowercasedASCII) }
  var isHexDigit: Bool { isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(lowercasedASCII) }
  var lowercasedASCII: UInt8 { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self }

  /// Letters, digits, `-`, `.` and `_` (which container networks use).
  fileprivate var isHostCharacter: Bool {
    isLetter || isDigit || self == UInt8(ascii: "-") || self == UInt8(ascii: ".") || self == UInt8(ascii: "_")
  }

  /// `pchar` of RFC 3986 without percent-encoding.
  fileprivate var isPathCharacter: Bool {
    if isLetter || isDigit { return true }
    switch self {
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "!"),
      UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"),
      UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "="),
      UInt8(ascii: ":"), UInt8(ascii: "@"):
      return true
    default:
      return false
    }
  }
}
