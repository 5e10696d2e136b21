import NIOCore
import StationCore
import Testing

@testable import CSMSLink

/// Connections over TLS that come about. Every test has its own authorities, made while it runs.
@Suite struct TLSConnectTests {
  // Proves: A00.FR.313, A00.FR.317, A00.FR.318, A00.FR.319, A00.FR.321, TC_A_04_CS
  @Test(arguments: [
    (ServerSettings.tls13, "EC", nil, "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    (ServerSettings.tls13, "RSA:2048", nil, "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    (ServerSettings.tls12, "EC", "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (ServerSettings.tls12, "EC", "ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (ServerSettings.tls12, "RSA:2048", "ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
    (ServerSettings.tls12, "RSA:2048", "AES128-GCM-SHA256", "TLSv1.2", "AES128-GCM-SHA256"),
    (ServerSettings.tls12, "RSA:2048", "AES256-GCM-SHA384", "TLSv1.2", "AES256-GCM-SHA384"),
  ]) func versionsAndSuites(
    versions: ClosedRange<Int32>, key: String, ciphers: String?, version: String, cipher: String
  ) async throws {
    let root = try Identity.authority("CSMS root")
    let server = try Identity("csms.example", by: root, names: "IP:127.0.0.1", key: key)
    let peer = try await Peer(
      tls: ServerContext(ServerSettings(identity: server, versions: versions, ciphers: ciphers)))
    let directory = try CertificateDirectory(roots: [root])
    let link = try await LinkUnderTest(files: directory.files)
    link.connect(peer.url, password: "0123456789abcdef", profile: 2)
    let connection = try await peer.accept()
    let head = try await connection.upgrade()
    #expect(head.contains { $0.hasPrefix("Authorization: Basic ") })
    let session = try #require(try await link.next().tlsSession)
    #expect(session.version == version)
    #expect(session.cipher == cipher)
    #expect(session.root.count == 64)
    #expect(session.serverChain.map(\.subject) == ["CN=csms.example,O=Test", "CN=CSMS root,O=Test"])
    #expect(session.clientCertificate == nil)
    #expect(!session.isResumed)
    #expect(session.ocsp == nil)

    link.send("hello")
    #expect(try await connection.readFrame()?.text == "hello")
    connection.writeText(String(repeating: "x", count: 60_000))
    #expect(try await link.next().text?.count == 60_000)
    link.disconnect()
    #expect(try await connection.readFrame()?.close?.code == 1000)
    connection.close()
    #expect(try await link.next() == .down(.closedByUs(code: 1000, reason: "")))
    withExtendedLifetime(directory) {}
  }

  /// Once per way to name the server.
  // Proves: A00.FR.309
  @Test(
    arguments: [
      ("127.0.0.1", "IP:127.0.0.1", "other", ""),
      // The common name counts, as OCPP wants it.
      ("127.0.0.1", nil, "127.0.0.1", ""),
      ("localhost", "DNS:localhost", "other", "localhost"),
      ("localhost", nil, "localhost", "localhost"),
      ("localhost", "DNS:vpn.example", "localhost", "localhost"),
      ("LOCALHOST", "DNS:localhost", "other", "LOCALHOST"),
    ] as [(String, String?, String, String)])
  func namesOfTheServer(host: String, names: String?, commonName: String, indicated: String) async throws {
    let root = try Identity.authority("CSMS root")
    let server = try Identity(commonName, by: root, names: names)
    let peer = try await Peer(tls: ServerContext(ServerSettings(identity: server)))
    let directory = try CertificateDirectory(roots: [root])
    let link = try await LinkUnderTest(files: directory.files)
    link.connect(peer.url(host: host), profile: 2)
    let connection = try await peer.accept()
    try await connection.upgrade()
    #expect(try await link.next().tlsSession != nil)
    #expect(try await connection.tls { $0.serverName } == indicated)
    withExtendedLifetime(directory) {}
  }

  /// The server leaves the intermediate out; it lies in the folder.
  @Test func intermediateOfTheFolder() async throws {
    let root = try Identity.authority("CSMS root")
    let intermediate = try Identity.authority("CSMS sub", by: root)
    let server = try Identity("localhost", by: intermediate)
    let peer = try await Peer(tls: ServerContext(ServerSettings(identity: server)))
    let directory = try CertificateDirectory(roots: [root])
    try directory.write("ca/csms/sub.pem", intermediate.pem)
    let link = try await LinkUnderTest(files: directory.files)
    link.connect(peer.url(host: "localhost"), profile: 2)
    let connection = try await peer.accept()
    try await connection.upgrade()
    let session = try #require(try await link.next().tlsSession)
    #expect(session.serverChain.count == 3)
    withExtendedLifetime(directory) {}
  }

  @Test func maximumFragmentLength() async throws {
    let root = try Identity.authority("CSMS root")
    let server = try Identity("localhost", by: root)
    let peer = try await Peer(tls: ServerContext(ServerSettings(identity: server)))
    let directory = try CertificateDirectory(roots: [root])
    let link = try await LinkUnderTest(files: directory.files)
    link.connect(peer.url(host: "localhost"), profile: 2, tls: TLSOptions(maxFragmentLength: 1024))
    let connection = try await peer.accept()
    try await connection.upgrade()
    #expect(try await link.next().tlsSession != nil)
    #expect(try await connection.tls { $0.fragmentLength } == 1024)
    link.send(String(repeating: "y", count: 10_000))
    #expect(try await connection.readFrame()?.text.count == 10_000)
    withExtendedLifetime(directory) {}
  }
}
