import Certificates
import NIOCore
import StationCore
import Testing

@testable import CSMSLink

/// Servers that the station must not talk to: each attempt ends with the right kind of failure and one line that says
/// what was wrong, and the link can be used again.
@Suite struct TLSRefusalTests {
  private let root: Identity
  private let directory: CertificateDirectory

  init() throws {
    root = try Identity.authority("CSMS root")
    directory = try CertificateDirectory(roots: [root])
  }

  /// One attempt at a server with these settings that fails.
  private func refusal(
    _ settings: ServerSettings, profile: Int = 2, tls: TLSOptions = TLSOptions()
  ) async throws -> (failure: TLSFailure, text: String) {
    let peer = try await Peer(tls: ServerContext(settings))
    let link = try await LinkUnderTest(files: directory.files)
    link.connect(peer.url(host: "localhost"), profile: profile, tls: tls)
    let event = try await link.next()
    let refusal = try #require(event.tlsFailure, "\(event)")
    #expect(!refusal.text.isEmpty && refusal.text.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
    #expect(try await link.rest().isEmpty)
    try await peer.stop()
    return refusal
  }

  struct BadCertificate: CustomTestStringConvertible, Sendable {
    var testDescription: String
    /// Of the line that is reported.
    var part: String
    var make: @Sendable (_ root: Identity) throws -> ServerSettings

    init(_ name: String, _ part: String, _ make: @escaping @Sendable (Identity) throws -> ServerSettings) {
      testDescription = name
      self.part = part
      self.make = make
    }
  }

  static let badCertificates = [
    BadCertificate("other host", "it is not for localhost but for csms.example, CN other.example") {
      ServerSettings(identity: try Identity("other.example", by: $0, names: "DNS:csms.example"))
    },
    BadCertificate("wildcard", "it is not for localhost") {
      ServerSettings(identity: try Identity("*", by: $0, names: "DNS:*.localhost,DNS:*"))
    },
    BadCertificate("expired", "certificate has expired; subject CN=localhost,O=Test, issuer CN=CSMS root,O=Test") {
      ServerSettings(identity: try Identity("localhost", by: $0, days: -30 ... -1))
    },
    BadCertificate("not yet valid", "certificate is not yet valid") {
      ServerSettings(identity: try Identity("localhost", by: $0, days: 1...30))
    },
    BadCertificate("other authority", "its issuer is neither") { _ in
      ServerSettings(identity: try Identity("localhost", by: Identity.authority("CSMS root")))
    },
    BadCertificate("other authority that is sent along", "not an installed CSMS root") { _ in
      let other = try Identity.authority("other root")
      return ServerSettings(identity: try Identity("localhost", by: other), intermediate: other)
    },
    BadCertificate("self-signed", "it is self-signed") { _ in
      ServerSettings(identity: try Identity("localhost"))
    },
    BadCertificate("RSA 1024", "its key is too weak") {
      ServerSettings(identity: try Identity("localhost", by: $0, key: "RSA:1024"))
    },
    BadCertificate("SHA-1", "digest that is too weak") {
      ServerSettings(identity: try Identity("localhost", by: $0, digest: "SHA1"))
    },
    BadCertificate("SHA-1 further up", "a certificate in the server's chain is refused") {
      let weak = try Identity("weak sub", by: $0, digest: "SHA1", isCA: true)
      return ServerSettings(identity: try Identity("localhost", by: weak), intermediate: weak)
    },
    BadCertificate("RSA 1024 further up", "its key is too weak") {
      let weak = try Identity("weak sub", by: $0, key: "RSA:1024", isCA: true)
      return ServerSettings(identity: try Identity("localhost", by: weak), intermediate: weak)
    },
    BadCertificate("intermediate missing", "its issuer is neither an installed CSMS root nor an intermediate at hand") {
      ServerSettings(identity: try Identity("localhost", by: Identity.authority("sub", by: $0)))
    },
    BadCertificate("intermediate that is no authority", "a certificate in the server's chain is refused") {
      let leaf = try Identity("station", by: $0)
      return ServerSettings(identity: try Identity("localhost", by: leaf), intermediate: leaf)
    },
    BadCertificate("for clients only", "purpose") {
      ServerSettings(identity: try Identity("localhost", by: $0, usage: "clientAuth"))
    },
    BadCertificate("revoked", "it is revoked, by the stapled OCSP answer; subject CN=localhost") {
      let server = try Identity("localhost", by: $0)
      return ServerSettings(identity: server, ocsp: try server.ocsp(1))
    },
    BadCertificate("revoked, long ago", "it is revoked") {
      let server = try Identity("localhost", by: $0)
      return ServerSettings(identity: server, ocsp: try server.ocsp(1, digest: "SHA256", hours: -90 ... -80))
    },
    BadCertificate("unknown to its issuer", "its issuer does not know it") {
      let server = try Identity("localhost", by: $0)
      return ServerSettings(identity: server, ocsp: try server.ocsp(2))
    },
    BadCertificate("staple demanded, none there", "demands a stapled OCSP answer") {
      ServerSettings(identity: try Identity("localhost", by: $0, mustStaple: true))
    },
    BadCertificate("staple demanded, garbage there", "demands a stapled OCSP answer") {
      ServerSettings(identity: try Identity("localhost", by: $0, mustStaple: true), ocsp: [1, 2, 3])
    },
  ]

  // Proves: A00.FR.308, A00.FR.309, A00.FR.311, A00.FR.411, A00.FR.412, A00.FR.414, A00.FR.501, A00.FR.504, TC_A_05_CS
  @Test(arguments: badCertificates, [ServerSettings.tls12, ServerSettings.tls13])
  func badCertificate(_ bad: BadCertificate, _ versions: ClosedRange<Int32>) async throws {
    var settings = try bad.make(root)
    settings.versions = versions
    let refusal = try await refusal(settings)
    #expect(refusal.failure == .serverCertificate)
    #expect(refusal.text.contains(bad.part), "\(refusal.text)")
  }

  /// The whole line of one, as an example.
  @Test func lineOfTheLog() async throws {
    let text = try await refusal(ServerSettings(identity: Identity("other.example", by: root))).text
    let line =
      "the server's certificate is refused: it is not for localhost but for CN other.example; "
      + "subject CN=other.example,O=Test, issuer CN=CSMS root,O=Test, valid from "
    #expect(text.hasPrefix(line), "\(text)")
  }

  // Proves: A00.FR.313, A00.FR.314, A00.FR.316, A00.FR.419, TC_A_06_CS
  @Test(arguments: [0x0301, 0x0302] as [Int32]) func oldVersions(_ version: Int32) async throws {
    let refusal = try await refusal(
      ServerSettings(identity: Identity("localhost", by: root, key: "RSA:2048"), versions: version...version))
    #expect(refusal.failure == .version, "\(refusal.text)")
  }

  // Proves: A00.FR.320, A00.FR.323, A00.FR.426, A00.FR.504
  @Test(arguments: [
    "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "AES128-SHA", "DHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
  ]) func suitesThatDoNotSuit(_ suite: String) async throws {
    let refusal = try await refusal(
      ServerSettings(
        identity: Identity("localhost", by: root, key: "RSA:2048"), versions: ServerSettings.tls12, ciphers: suite))
    #expect(refusal.failure == .cipherSuite, "\(refusal.text)")
  }

  @Test(arguments: ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-x\r\n", "\u{15}HT"]) func whatIsNotTLS(_ text: String)
    async throws
  {
    let peer = try await Peer()
    let link = try await LinkUnderTest(files: directory.files)
    link.connect("wss://localhost:\(peer.port)/ocpp", profile: 2)
    let connection = try await peer.accept()
    try await connection.hear()
    for byte in text.utf8 { connection.write([byte]) }
    connection.close()
    let refusal = try #require(try await link.next().tlsFailure)
    #expect(refusal.failure == .notTLS, "\(refusal.text)")
    #expect(try await link.rest().isEmpty)
  }

  @Test func serverThatEndsOrSaysNothing() async throws {
    let peer = try await Peer()
    let link = try await LinkUnderTest(files: directory.files)
    link.connect("wss://localhost:\(peer.port)/ocpp", profile: 2)
    let silent = try await peer.accept()
    try await silent.hear()
    silent.close()
    #expect(
      try await link.next()
        == .down(.tls(.other, "the server ended the TCP connection during the TLS handshake")))
    // A handshake record that ends in the middle.
    link.connect("wss://localhost:\(peer.port)/ocpp", profile: 2)
    let connection = try await peer.accept()
    try await connection.hear()
    connection.write([0x16, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3])
    connection.close()
    #expect(try await link.next().tlsFailure?.failure == .other)
    // An alert that means nothing to us.
    link.connect("wss://localhost:\(peer.port)/ocpp", profile: 2)
    try await peer.accept().write([0x15, 3, 3, 0, 2, 2, 80])
    let refusal = try #require(try await link.next().tlsFailure)
    #expect(
      refusal.failure == .other && refusal.text == "alert of the server: \"internal error\" (80)", "\(refusal.text)")
    // Nothing at all; whether TCP gets so far does not matter.
    link.connect("wss://localhost:\(peer.port)/ocpp", profile: 2, timeout: 100)
    #expect(try await link.next() == .down(.timedOut))
  }

  // Proves: M05.FR.13
  @Test func rootsThatDoNotCount() async throws {
    let settings = ServerSettings(identity: try Identity("localhost", by: root))
    let fingerprint = try #require(directory.files.folder.roots(.csmsRoot).certificates.first?.fingerprint)
    let options = TLSOptions(withoutRoot: fingerprint)
    let peer = try await Peer(tls: ServerContext(settings))
    let link = try await LinkUnderTest(files: directory.files)
    link.connect(peer.url(host: "localhost"), profile: 2, tls: options)
    #expect(try await link.next().tlsFailure?.failure == .noRoots)

    try directory.setRoots([root, Identity.authority("new root")])
    link.connect(peer.url(host: "localhost"), profile: 2, tls: options)
    #expect(try await link.next().tlsFailure?.failure == .serverCertificate)

    try directory.setRoots([])
    link.connect(peer.url(host: "localhost"), profile: 2)
    let refusal = try #require(try await link.next().tlsFailure)
    #expect(refusal == (.noRoots, "no CSMS root certificate is installed, so the CSMS cannot be verified"))
  }
}
