import StationCore
import Testing

@testable import CSMSLink

@Suite struct EndpointTests {
  struct Case: Sendable {
    var url: String
    var identity = "CS001"
    var host: String
    var port: Int
    var hostHeader: String
    var target: String
  }

  // The examples of Part 4, 3.1.1 and 3.1.3, and every part a URL may have.
  @Test(arguments: [
    Case(
      url: "ws://csms.example.com/ocpp", host: "csms.example.com", port: 80, hostHeader: "csms.example.com",
      target: "/ocpp/CS001"),
    Case(
      url: "wss://csms.example.com/ocppj", identity: "RDAM 123", host: "csms.example.com", port: 443,
      hostHeader: "csms.example.com", target: "/ocppj/RDAM%20123"),
    Case(
      url: "ws://some.server.com:33033/webServices/ocpp", identity: "CS3211", host: "some.server.com", port: 33033,
      hostHeader: "some.server.com:33033", target: "/webServices/ocpp/CS3211"),
    Case(url: "ws://h", host: "h", port: 80, hostHeader: "h", target: "/CS001"),
    Case(url: "ws://h/", host: "h", port: 80, hostHeader: "h", target: "/CS001"),
    Case(url: "ws://h/a/", host: "h", port: 80, hostHeader: "h", target: "/a/CS001"),
    Case(url: "WS://H:80", host: "H", port: 80, hostHeader: "H", target: "/CS001"),
    Case(url: "ws://h:", host: "h", port: 80, hostHeader: "h", target: "/CS001"),
    Case(url: "wss://h:80", host: "h", port: 80, hostHeader: "h:80", target: "/CS001"),
    Case(
      url: "ws://h_1-x.y:65535/%7Ea;b=c", host: "h_1-x.y", port: 65535, hostHeader: "h_1-x.y:65535",
      target: "/%7Ea;b=c/CS001"),
    Case(url: "ws://127.0.0.1:9000", host: "127.0.0.1", port: 9000, hostHeader: "127.0.0.1:9000", target: "/CS001"),
    Case(url: "ws://[::1]:9000/x", host: "::1", port: 9000, hostHeader: "[::1]:9000", target: "/x/CS001"),
    Case(url: "ws://[fe80::1:2]", host: "fe80::1:2", port: 80, hostHeader: "[fe80::1:2]", target: "/CS001"),
    Case(url: "ws://h", identity: "a|b*c+d=e@f", host: "h", port: 80, hostHeader: "h", target: "/a%7Cb*c+d=e@f"),
    Case(url: "ws://h", identity: "ä/?#%", host: "h", port: 80, hostHeader: "h", target: "/%C3%A4%2F%3F%23%25"),
  ])
  func takesApart(_ expected: Case) throws {
    let endpoint = try Endpoint(url: expected.url, identity: expected.identity)
    #expect(endpoint.host == expected.host)
    #expect(endpoint.port == expected.port)
    #expect(endpoint.hostHeader == expected.hostHeader)
    #expect(endpoint.target == expected.target)
  }

  @Test(arguments: [
    ("", "expected ws:// or wss://"),
    ("http://h", "expected ws:// or wss://"),
    ("ws:/h", "expected ws:// or wss://"),
    ("h:9000/ocpp", "expected ws:// or wss://"),
    ("ws://", "host is missing"),
    ("ws:///path", "host is missing"),
    ("ws://:9000", "host is missing"),
    ("ws://h:0", "port \"0\""),
    ("ws://h:65536", "port \"65536\""),
    ("ws://h:99999999999999999999", "port \"99999999999999999999\""),
    ("ws://h:80:90", "port \"80:90\""),
    ("ws://h:+80", "port \"+80\""),
    ("ws://h?x=1", "query"),
    ("ws://h/a?x=1", "query"),
    ("ws://h/a#b", "fragment"),
    ("ws://user:secret@h/", "user name"),
    ("ws://a b/", "position 7"),
    ("ws://h/\r\nX: y", "position 8"),
    ("ws://h/ä", "position 8"),
    ("ws://h/%4", "\"%\" at position 8"),
    ("ws://h/%zz", "\"%\" at position 8"),
    ("ws://h/a\"b", "position 9"),
    ("ws://h%41/", "position 7"),
    ("ws://[::1/", "\"]\""),
    ("ws://[]/", "no IPv6 address"),
    ("ws://[12]/", "no IPv6 address"),
    ("ws://[::g]/", "no IPv6 address"),
    ("ws://[::1]x/", "after \"]\""),
    ("ws://" + String(repeating: "h", count: 254), "254 characters"),
    ("ws://h/" + String(repeating: "p", count: 2048), "2055 bytes"),
  ])
  func refuses(_ url: String, _ part: String) {
    let error = #expect(throws: EndpointError.self) { try Endpoint(url: url, identity: "CS001") }
    #expect(error?.text.contains(part) == true, "\(error?.text ?? "")")
  }

  @Test func refusesAnIdentityThatCannotBeSent() {
    #expect(throws: EndpointError(text: "the station identity is empty")) { try Endpoint(url: "ws://h", identity: "") }
    #expect(throws: EndpointError.self) {
      try Endpoint(url: "ws://h", identity: String(repeating: "x", count: 256))
    }
  }

  @Test(arguments: [
    (1, "wss://h", "without TLS"), (2, "ws://h", "needs TLS"), (3, "ws://h", "needs TLS"),
    (2, "wss://h", "no certificate directory"), (3, "wss://h", "no certificate directory"),
    (0, "ws://h", "does not exist"), (4, "wss://h", "does not exist"),
  ])
  func namesWhatTheTransportLacks(_ profile: Int, _ url: String, _ part: String) throws {
    let request = ConnectionRequest(
      url: url, identity: "x", basicAuthPassword: nil, subprotocols: ["ocpp2.0.1"], securityProfile: profile,
      timeout: 1000, maxMessageSize: 1000)
    let endpoint = try Endpoint(url: url, identity: "x")
    let error = #expect(throws: Transport.Refusal.self) {
      try Transport(request, endpoint, files: nil, sessions: TLSSessionCache(), identity: nil)
    }
    let text: String? =
      switch error?.reason {
      case .unsupported(let text): text
      case .tls(.noRoots, let text): text
      default: nil
      }
    #expect(text?.contains(part) == true)
  }
}
