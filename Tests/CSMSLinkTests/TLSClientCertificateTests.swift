import Certificates
import NIOCore
import StationCore
import Testing

@testable import CSMSLink

/// Security profile 3: the client certificate and its key.
@Suite struct TLSClientCertificateTests {
  private let root: Identity
  private let clients: Identity
  private let directory: CertificateDirectory

  init() throws {
    root = try Identity.authority("CSMS root")
    clients = try Identity.authority("client authority")
    directory = try CertificateDirectory(roots: [root])
  }

  private func settings(_ versions: ClosedRange<Int32>) throws -> ServerSettings {
    ServerSettings(
      identity: try Identity("localhost", by: root), versions: versions, clientAuthority: clients)
  }

  private func fingerprint(_ name: String) throws -> String {
    let own = directory.files.folder.own(.chargingStation).certificates
    return try #require(own.first { $0.leaf.subject.contains("CN=\(name),") }?.leaf.fingerprint)
  }

  /// What came of one attempt over a socket.
  private func attempt(
    _ settings: ServerSettings, profile: Int = 3, tls: TLSOptions = TLSOptions(), files: TLSFiles? = nil
  ) async throws -> (event: LinkEvent, clientName: String) {
    let peer = try await Peer(tls: ServerContext(settings))
    let link = try await LinkUnderTest(files: files ?? directory.files)
    link.connect(peer.url(host: "localhost"), profile: profile, tls: tls)
    // Where no connection is made, nobody waits for its end.
    let served = Task {
      let connection = try await peer.accept()
      try await connection.upgrade()
      return try await connection.tls { $0.clientName }
    }
    let event = try await link.next()
    guard event.tlsSession != nil else { return (event, "") }
    return (event, try await served.value)
  }

  private static let bothVersions = [ServerSettings.tls12, ServerSettings.tls13]

  // Proves: A00.FR.401, A00.FR.402, TC_A_07_CS
  @Test(arguments: bothVersions, ["EC", "RSA:2048"]) func accepted(_ versions: ClosedRange<Int32>, _ key: String)
    async throws
  {
    let sub = try Identity.authority("client sub", by: clients)
    try directory.addClient(Identity("CS001", by: sub, key: key), chain: [sub])
    let (event, name) = try await attempt(settings(versions))
    #expect(try event.tlsSession?.clientCertificate == fingerprint("CS001"))
    #expect(name == "CS001")
  }

  @Test(arguments: bothVersions) func demandedInProfile2(_ versions: ClosedRange<Int32>) async throws {
    try directory.addClient(Identity("CS001", by: clients))
    let refusal = try #require(try await attempt(settings(versions), profile: 2).event.tlsFailure)
    #expect(refusal.failure == .clientCertificateRefused)
    #expect(
      refusal.text.hasPrefix("the server asked for a client certificate, none was sent: alert "), "\(refusal.text)")
  }

  @Test(arguments: bothVersions) func refused(_ versions: ClosedRange<Int32>) async throws {
    try directory.addClient(Identity("CS001", by: Identity.authority("stranger")))
    let refusal = try #require(try await attempt(settings(versions)).event.tlsFailure)
    #expect(refusal.failure == .clientCertificateRefused)
    #expect(refusal.text.hasPrefix("the server refused the client certificate: alert "), "\(refusal.text)")
  }

  /// The CSMS decides about it.
  // Proves: A00.FR.430
  @Test(arguments: bothVersions) func expiredOneIsShown(_ versions: ClosedRange<Int32>) async throws {
    try directory.addClient(Identity("CS001", by: clients, days: -30 ... -1))
    let refusal = try #require(try await attempt(settings(versions)).event.tlsFailure)
    #expect(refusal.failure == .clientCertificateRefused)
    #expect(refusal.text.contains("certificate expired"), "\(refusal.text)")
  }

  // Proves: A02.FR.28
  @Test func newestValidOrTheOneThatIsNamed() async throws {
    try directory.addClient(Identity("old", by: clients, days: -20...30), name: "a")
    try directory.addClient(Identity("new", by: clients, days: -10...30), name: "b")
    try directory.addClient(Identity("future", by: clients, days: 1...30), name: "c")
    #expect(try await attempt(settings(ServerSettings.tls13)).clientName == "new")
    let options = TLSOptions(clientCertificate: try fingerprint("old"))
    #expect(try await attempt(settings(ServerSettings.tls13), tls: options).clientName == "old")
    let missing = TLSOptions(clientCertificate: "00")
    let refusal = try #require(try await attempt(settings(ServerSettings.tls13), tls: missing).event.tlsFailure)
    #expect(refusal.failure == .noClientCertificate)
  }

  @Test func encryptedKey() async throws {
    try directory.addClient(Identity("CS001", by: clients), password: "open sesame")
    var files = directory.files
    files.keyPassword = "open sesame"
    #expect(try await attempt(settings(ServerSettings.tls13), files: files).clientName == "CS001")
    for (password, text) in [
      (nil, "the key is encrypted, and there is no password"),
      ("wrong", "the key is encrypted, and the password does not fit"),
    ] {
      files.keyPassword = password
      let refusal = try #require(try await attempt(settings(ServerSettings.tls13), files: files).event.tlsFailure)
      #expect(refusal == (.noClientCertificate, "\(directory.path)/client/csms/client.key: \(text)"))
    }
  }

  /// One whose key does not open gives way to the next, and the link says which and why before the connection is up.
  @Test func aKeyThatDoesNotOpenIsToldOf() async throws {
    try directory.addClient(Identity("old", by: clients, days: -20...30), name: "a")
    try directory.addClient(Identity("new", by: clients, days: -10...30), name: "b", password: "open sesame")
    let peer = try await Peer(tls: ServerContext(settings(ServerSettings.tls13)))
    let link = try await LinkUnderTest(files: directory.files)
    let served = Task {
      let connection = try await peer.accept()
      try await connection.upgrade()
      return try await connection.tls { $0.clientName }
    }
    link.connect(peer.url(host: "localhost"), profile: 3)
    let problem = "\(directory.path)/client/csms/b.key: the key is encrypted, and there is no password"
    #expect(
      try await link.next()
        == .warning("\(problem); the client certificate in client/csms/a.pem is shown instead"))
    #expect(try await link.next().tlsSession != nil)
    #expect(try await served.value == "old")
  }

  @Test func noneThere() async throws {
    let refusal = try #require(try await attempt(settings(ServerSettings.tls13)).event.tlsFailure)
    #expect(refusal == (.noClientCertificate, "no client certificate is in client/csms"))
  }

  /// A server that does not ask is told nothing, and the session says so.
  @Test func notAskedFor() async throws {
    try directory.addClient(Identity("CS001", by: clients))
    var settings = try settings(ServerSettings.tls13)
    settings.clientAuthority = nil
    let (event, name) = try await attempt(settings)
    #expect(event.tlsSession != nil)
    #expect(event.tlsSession?.clientCertificate == nil)
    #expect(name.isEmpty)
  }
}
