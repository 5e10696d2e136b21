import NIOCore
import StationCore
import Testing

@testable import CSMSLink

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What else decides about a server's certificate: wildcards, stapled answers that prove nothing, the time; and resumption.
@Suite struct TLSTrustTests {
  private let root: Identity
  private let directory: CertificateDirectory

  init() throws {
    root = try Identity.authority("CSMS root")
    directory = try CertificateDirectory(roots: [root])
  }

  private static let now: Int64 = {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000
  }()
  private static let day: Int64 = 86_400_000

  /// Connects, says hello to an upgraded server and is closed by it.
  private func session(
    _ link: LinkUnderTest, _ peer: Peer, host: String = "localhost", profile: Int = 2, tls: TLSOptions = TLSOptions()
  ) async throws -> TLSSession {
    link.connect(peer.url(host: host), profile: profile, tls: tls)
    let connection = try await peer.accept()
    try await connection.upgrade()
    let session = try #require(try await link.next().tlsSession)
    connection.writeText("hello")
    #expect(try await link.next().text == "hello")
    #expect(try await connection.tls { $0.wasResumed } == session.isResumed)
    connection.close()
    #expect(try await link.next().downReason != nil)
    return session
  }

  // Proves: A00.FR.309
  @Test func wildcards() async throws {
    for (name, host, isAllowed) in [
      ("*.csms.example", "a.csms.example", true), ("*.csms.example", "csms.example", false),
      ("*.csms.example", "a.b.csms.example", false), ("a*.csms.example", "a1.csms.example", false),
    ] {
      let settings = ServerSettings(identity: try Identity("x", by: root, names: "DNS:\(name)"))
      for allow in [true, false] {
        let pair = try MemoryPair(
          settings, directory, host: host, options: TLSOptions(allowWildcards: allow))
        pair.run()
        #expect((pair.session != nil) == (allow && isAllowed), "\(name) for \(host), allowed: \(allow)")
      }
    }
  }

  @Test func staples() async throws {
    let server = try Identity("localhost", by: root)
    let stranger = try Identity.authority("CSMS root")
    let other = try Identity("other", by: root)
    for (staple, told) in [
      (try server.ocsp(0), "good"), (try server.ocsp(0, digest: "SHA256"), "good"),
      ([1, 2, 3], "ignored: it cannot be read"), (try server.ocsp(0, tryLater: true), "ignored: trylater"),
      (try server.ocsp(1, signer: stranger), "ignored: its signature cannot be verified"),
      (try server.ocsp(0, hours: -90 ... -80), "ignored: it is out of date"),
      (try server.ocsp(0, hours: 80...90), "ignored: it is out of date"),
      (try other.ocsp(1), "ignored: it is about another certificate"),
    ] {
      for versions in [ServerSettings.tls12, ServerSettings.tls13] {
        let pair = try MemoryPair(ServerSettings(identity: server, versions: versions, ocsp: staple), directory)
        pair.run()
        #expect(pair.session?.ocsp == told)
      }
    }
    // Demanded and there.
    let demanding = try Identity("localhost", by: root, mustStaple: true)
    let pair = try MemoryPair(ServerSettings(identity: demanding, ocsp: try demanding.ocsp(0)), directory)
    pair.run()
    #expect(pair.session?.ocsp == "good")
  }

  /// A clock that stands before the certificate begins: known, it is refused; not set, it is taken. What had ended
  /// before the least time that it can be is refused either way.
  @Test func timeOfTheVerification() async throws {
    let settings = ServerSettings(identity: try Identity("localhost", by: root, days: -1...30))
    let now = Self.now
    for (time, isGood) in [
      (nil, true), (.known(now), true), (.known(now - 2 * Self.day), false), (.known(now + 31 * Self.day), false),
      (.atLeast(0), true), (.atLeast(now - 2 * Self.day), true), (.atLeast(now), true),
      (.atLeast(now + 31 * Self.day), false),
    ] as [(VerificationTime?, Bool)] {
      let pair = try MemoryPair(settings, directory, options: TLSOptions(time: time))
      pair.run()
      #expect((pair.session != nil) == isGood, "\(String(describing: time))")
      if !isGood { #expect(pair.errors.map(\.failure) == [.serverCertificate]) }
    }
  }

  // MARK: Resumption

  @Test(arguments: [ServerSettings.tls12, ServerSettings.tls13]) func resumption(_ versions: ClosedRange<Int32>)
    async throws
  {
    let server = try Identity("localhost", by: root)
    let peer = try await Peer(
      tls: ServerContext(ServerSettings(identity: server, versions: versions, ocsp: server.ocsp(0))))
    let link = try await LinkUnderTest(files: directory.files)
    let first = try await session(link, peer)
    #expect(!first.isResumed)
    for _ in 0..<2 {
      var next = try await session(link, peer)
      #expect(next.isResumed)
      next.isResumed = false
      #expect(next == first)
    }
    // Other options, an unknown time, a time too late: verified anew, although a session was there to be resumed.
    let others = [
      TLSOptions(allowWildcards: true), TLSOptions(maxFragmentLength: 4096), TLSOptions(time: .atLeast(0)),
      TLSOptions(time: .known(Self.now + 2 * TLSSessionCache.maxAge)),
      TLSOptions(time: .known(Self.now - TLSSessionCache.maxAge)),
    ]
    for other in others {
      _ = try await session(link, peer)
      #expect(try await session(link, peer).isResumed, "\(other)")
      let anew = try await session(link, peer, tls: other)
      #expect(!anew.isResumed && anew.root == first.root, "\(other)")
    }
    // Other roots.
    _ = try await session(link, peer)
    #expect(try await session(link, peer).isResumed)
    try directory.setRoots([root, Identity.authority("another root")])
    #expect(try await !session(link, peer).isResumed)
    #expect(try await session(link, peer).isResumed)
  }

  /// The root that verified it is gone: the session counts no more.
  @Test func resumptionNeverOutlivesTheTrust() async throws {
    let peer = try await Peer(tls: ServerContext(ServerSettings(identity: Identity("localhost", by: root))))
    let link = try await LinkUnderTest(files: directory.files)
    _ = try await session(link, peer)
    try directory.setRoots([Identity.authority("another root")])
    link.connect(peer.url(host: "localhost"), profile: 2)
    #expect(try await link.next().tlsFailure?.failure == .serverCertificate)
  }
}
