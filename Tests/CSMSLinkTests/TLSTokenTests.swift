import Certificates
import NIOCore
import StationCore
import Testing

@testable import CSMSLink

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A client key that lives in a PKCS #11 token: SoftHSM2 stands for it, and OpenSSL's pkcs11 engine or provider opens it.
/// One test, because the library reads its configuration once in a process.
@Suite struct TLSTokenTests {
  @Test func keyInAToken() async throws {
    let root = try Identity.authority("CSMS root")
    let clients = try Identity.authority("client authority")
    let directory = try CertificateDirectory(roots: [root])
    let token = try Token()
    for (name, kind) in [("ec", "EC"), ("rsa", "RSA:2048")] {
      let identity = try Identity(name, by: clients, key: kind)
      try directory.write("client/csms/\(name).pem", identity.pem)
      try token.add(identity, label: name)
      // With the PIN in the URI, and as the key password.
      let pin = name == "ec" ? "?pin-value=\(Token.pin)" : ""
      try directory.write("client/csms/\(name).key", "pkcs11:token=\(Token.label);object=\(name);type=private\(pin)\n")
    }
    for versions in [ServerSettings.tls12, ServerSettings.tls13] {
      for name in ["ec", "rsa"] {
        var files = directory.files
        files.keyPassword = Token.pin
        let own = files.folder.own(.chargingStation).certificates
        let fingerprint = try #require(own.first { $0.leaf.subject.contains("CN=\(name),") }?.leaf.fingerprint)
        let settings = ServerSettings(
          identity: try Identity("localhost", by: root), versions: versions, clientAuthority: clients)
        let pair = try MemoryPair(
          settings, directory, profile: 3, options: TLSOptions(clientCertificate: fingerprint), files: files)
        pair.run()
        #expect(pair.session?.clientCertificate == fingerprint, "\(pair.errors) \(pair.server.error)")
        #expect(pair.server.clientName == name)
      }
    }
    // The inventory says so, and whose key cannot be opened gives way to the next.
    #expect(
      directory.files.folder.inventory().certificates.allSatisfy { $0.kind != .chargingStation || $0.keyIsInToken })
    for (broken, other) in [("ec", "rsa"), ("rsa", "ec")] {
      try directory.write("client/csms/\(broken).key", "pkcs11:token=\(Token.label);object=none;type=private\n")
      var files = directory.files
      files.keyPassword = Token.pin
      let pair = try MemoryPair(
        ServerSettings(identity: try Identity("localhost", by: root), clientAuthority: clients), directory, profile: 3,
        files: files)
      pair.run()
      #expect(pair.server.clientName == other, "\(pair.errors)")
      let pin = broken == "ec" ? "?pin-value=\(Token.pin)" : ""
      try directory.write(
        "client/csms/\(broken).key", "pkcs11:token=\(Token.label);object=\(broken);type=private\(pin)\n")
    }
    // An object that is not there: one line, without the PIN.
    try directory.write(
      "client/csms/ec.key", "pkcs11:token=\(Token.label);object=none;type=private?pin-value=\(Token.pin)")
    let error = #expect(throws: PrivateKeyError.self) {
      try PrivateKey(path: "\(directory.path)/client/csms/ec.key", password: nil)
    }
    let text = error?.text ?? ""
    #expect(text.contains("the key of the pkcs11: URI cannot be opened") && !text.contains(Token.pin), "\(text)")
    withExtendedLifetime(token) {}
  }

  /// A token of its own, in a directory of its own.
  private final class Token {
    static let label = "station"
    static let pin = "73519246"
    private let path: String

    init() throws {
      var template = Array("/tmp/link-token-XXXXXX".utf8CString)
      guard mkdtemp(&template) != nil else { throw Identity.Impossible() }
      path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      mkdir("\(path)/tokens", 0o700)
      try Self.write("\(path)/softhsm2.conf", "directories.tokendir = \(path)/tokens\nlog.level = ERROR\n")
      setenv("SOFTHSM2_CONF", "\(path)/softhsm2.conf", 1)
      try Self.run("softhsm2-util --init-token --free --label \(Self.label) --pin \(Self.pin) --so-pin \(Self.pin)")
    }

    deinit { _ = system("rm -rf '\(path)'") }

    func add(_ identity: Identity, label: String) throws {
      try Self.write("\(path)/key.pem", identity.keyPEM())
      let id = label.utf8.map { String($0, radix: 16) }.joined()
      try Self.run(
        "softhsm2-util --import '\(path)/key.pem' --token \(Self.label) --label \(label) --id \(id) --pin \(Self.pin)")
    }

    private static func write(_ path: String, _ text: String) throws {
      guard let stream = fopen(path, "w") else { throw Identity.Impossible() }
      fputs(text, stream)
      fclose(stream)
    }

    private static func run(_ command: String) throws {
      guard system("\(command) >/dev/null") == 0 else { throw TookTooLong(description: "failed: \(command)") }
    }
  }
}

/// Keys are opened away from the loop, one at a time.
@Suite struct IdentityOpenerTests {
  @Test func theLoopDoesNotWaitForAKey() async throws {
    let directory = try CertificateDirectory(roots: [])
    let opener = IdentityOpener()
    let answers = TestQueue<TLSFailure?>(Loops.link, "the key")
    func open() async throws {
      try await Loops.link.submit { [directory] in
        var isInCall = true
        opener.open(directory.files, TLSOptions(), on: Loops.link) { answer in
          let failure: TLSFailure? = if case .failure(let error) = answer { error.failure } else { nil }
          // From a later turn, or at once when nothing can be opened.
          answers.push(isInCall ? nil : failure)
        }
        isInCall = false
      }.get()
    }
    try await open()
    #expect(try await answers.next() == .noClientCertificate)
    // A token that hangs keeps its thread: the next attempts fail at once, and nobody waits.
    #expect(opener.begin() == .all)
    try await open()
    #expect(try await answers.next() == nil)
    opener.end(.all)
    try await open()
    #expect(try await answers.next() == .noClientCertificate)
  }

  /// A token that hangs, with the newest certificate's key in it: after a while the station makes do with the one whose key
  /// is in a file, attempt by attempt, until the token answers. A renewal that names the one in the token has to wait.
  @Test func aTokenThatHangsIsDoneWithout() async throws {
    let clients = try Identity.authority("client authority")
    let directory = try CertificateDirectory(roots: [])
    try directory.addClient(Identity("file", by: clients, days: -20...30), name: "a")
    try directory.addClient(Identity("token", by: clients, days: -10...30), name: "b")
    try directory.write("client/csms/b.key", "pkcs11:token=hangs;object=b;type=private\n")
    let own = directory.files.folder.own(.chargingStation).certificates
    let inFile = try #require(own.first { !$0.keyIsInToken }?.leaf.fingerprint)
    let inToken = try #require(own.first?.leaf.fingerprint)
    #expect(inToken != inFile)

    let answers = TestQueue<[String]>(Loops.link, "the key")
    func open(_ opener: IdentityOpener, _ fingerprint: String? = nil) async throws -> [String] {
      try await Loops.link.submit { [directory] in
        opener.open(directory.files, TLSOptions(clientCertificate: fingerprint), on: Loops.link) { answer in
          switch answer {
          case .success(let identity): answers.push([identity.fingerprint, identity.problem ?? ""])
          case .failure(let error): answers.push([error.text])
          }
        }
      }.get()
      return try await answers.next()
    }
    let silent = "\(directory.path)/client/csms/b.key: its token does not answer"
    let patient = IdentityOpener(patience: .hours(1))
    #expect(patient.begin() == .all)
    #expect(
      try await open(patient) == ["the key of an earlier attempt is still being opened: its token does not answer"])
    let opener = IdentityOpener(patience: .zero)
    #expect(opener.begin() == .all)
    for _ in 0..<3 { #expect(try await open(opener) == [inFile, silent]) }
    #expect(try await open(opener, inToken) == [silent])
    #expect(opener.begin() == .inFiles)
    #expect(opener.begin() == nil, "one at a time")
    opener.end(.inFiles)
    opener.end(.all)
    #expect(opener.begin() == .all)
  }
}
