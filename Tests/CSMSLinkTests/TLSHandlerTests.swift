import NIOCore
import NIOEmbedded
import StationCore
import Testing

@testable import CSMSLink

/// The handler alone, with every way to cut, end and break the stream.
@Suite struct TLSHandlerTests {
  private let root: Identity
  private let directory: CertificateDirectory
  private let server: Identity

  init() throws {
    root = try Identity.authority("CSMS root")
    directory = try CertificateDirectory(roots: [root])
    server = try Identity("localhost", by: root)
  }

  private func pair(_ versions: ClosedRange<Int32> = ServerSettings.tls13, fragment: Int? = nil) throws -> MemoryPair {
    try MemoryPair(
      ServerSettings(identity: server, versions: versions), directory, options: TLSOptions(maxFragmentLength: fragment))
  }

  private static let bothVersions = [ServerSettings.tls12, ServerSettings.tls13]

  @Test(arguments: bothVersions, [1, 2, 3, 5, 7, 11, 64, 1400, 16_384, 0])
  func everySplitOfRecords(_ versions: ClosedRange<Int32>, _ size: Int) throws {
    let pair = try pair(versions)
    var random = SplitMix(seed: UInt64(size) + 7)
    pair.pieceSize = { size > 0 ? size : Int(random.next() % 40) + 1 }
    // Written before anything was heard: it waits, in order.
    pair.write(Array("first".utf8))
    pair.write(Array("second".utf8))
    pair.run()
    #expect(pair.session != nil)
    #expect(pair.serverReceived == Array("firstsecond".utf8))
    let long = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    pair.server.send(long)
    pair.write(long)
    pair.run()
    #expect(pair.received == long)
    #expect(pair.serverReceived.dropFirst(11) == long[...])
    #expect(pair.errors.isEmpty)
    _ = try pair.channel.finish()
  }

  @Test func writesBeforeTheHandshakeAreBounded() throws {
    let pair = try pair()
    var failures = 0
    for size in [TLSHandler.maxWaitingBytes, 1] {
      let promise = pair.channel.eventLoop.makePromise(of: Void.self)
      promise.futureResult.assumeIsolated().whenFailure { _ in failures += 1 }
      pair.channel.writeAndFlush(ByteBuffer(repeating: 1, count: size), promise: promise)
    }
    #expect(failures == 1)
    pair.run()
    #expect(pair.serverReceived.count == TLSHandler.maxWaitingBytes)
    _ = try pair.channel.finish()
  }

  @Test(arguments: bothVersions) func closeNotifyOfTheServer(_ versions: ClosedRange<Int32>) throws {
    let pair = try pair(versions)
    pair.run()
    pair.server.send(Array("last".utf8))
    pair.server.close()
    var bytes = pair.server.takeOutput()
    bytes += [0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]  // data after the end
    pair.deliver(bytes)
    #expect(pair.received == Array("last".utf8))
    #expect(pair.errors.isEmpty)
    #expect(pair.isInactive)
    _ = pair.exchange()
    #expect(pair.server.isClosedByClient, "close_notify is answered")
  }

  @Test(arguments: bothVersions) func closeNotifyOfOurs(_ versions: ClosedRange<Int32>) throws {
    let pair = try pair(versions)
    pair.run()
    pair.write(Array("bye".utf8))
    pair.channel.close(promise: nil)
    _ = pair.exchange()
    #expect(pair.serverReceived == Array("bye".utf8))
    #expect(pair.server.isClosedByClient)
    #expect(pair.errors.isEmpty && pair.isInactive)
  }

  @Test(arguments: bothVersions) func endWithoutCloseNotify(_ versions: ClosedRange<Int32>) throws {
    let open = try pair(versions)
    open.run()
    open.server.send(Array("last".utf8))
    _ = open.exchange()
    open.end()
    #expect(open.received == Array("last".utf8))
    #expect(open.errors.isEmpty && open.isInactive)

    let begun = try pair(versions)
    begun.end()
    #expect(begun.errors.map(\.failure) == [.other])
    #expect(begun.isInactive)
  }

  /// Every byte of the server's first flight and of a record changed, one at a time: never a crash, never a hang, and
  /// never data that was not sent.
  @Test(arguments: bothVersions) func damagedBytes(_ versions: ClosedRange<Int32>) throws {
    var outcomes: Set<String> = []
    var position = 0
    var count = 1
    while position < count {
      defer { position += 1 }
      let pair = try pair(versions)
      pair.write(Array("hello".utf8))
      var toServer: [UInt8] = []
      while let buffer = try pair.channel.readOutbound(as: ByteBuffer.self) { toServer += buffer.readableBytesView }
      _ = pair.server.receive(toServer)
      var flight = pair.server.takeOutput()
      // Signatures are a few bytes longer or shorter each time.
      count = max(count, flight.count)
      flight[min(position, flight.count - 1)] ^= 0x41
      pair.deliver(flight)
      pair.run()
      pair.end()
      outcomes.formUnion(pair.errors.map(\.failure.rawValue))
      #expect(pair.errors.count <= 1)
      #expect(pair.errors.first?.text.isEmpty != true)
      // Where the change did not matter, such as in the version of a record, it changed nothing.
      #expect(pair.serverReceived == Array("hello".utf8) || (pair.serverReceived.isEmpty && pair.session == nil))
    }
    #expect(count > 500)
    #expect(outcomes.contains("other"))
    for position in 0..<64 {
      let pair = try pair(versions)
      pair.run()
      pair.server.send(Array("good".utf8))
      var record = pair.server.takeOutput()
      record[position % record.count] ^= 0x41
      pair.deliver(record)
      pair.end()
      #expect(pair.received.isEmpty)
      #expect(pair.errors.count <= 1)
    }
  }

  /// TLS 1.2: the server wants to negotiate anew and is told no. TLS 1.3: keys are renewed, and the connection goes on.
  @Test(arguments: bothVersions) func renegotiation(_ versions: ClosedRange<Int32>) throws {
    let pair = try pair(versions)
    pair.run()
    #expect(pair.server.renegotiate())
    pair.run()
    if versions == ServerSettings.tls12 {
      // It hears "no renegotiation", and this one takes that as the end.
      #expect(pair.server.hasFailed && pair.server.error.contains("no renegotiation"), "\(pair.server.error)")
      #expect(pair.errors.count == 1)
      return
    }
    #expect(pair.errors.isEmpty)
    pair.write(Array("still here".utf8))
    pair.run()
    #expect(pair.serverReceived == Array("still here".utf8))
    _ = try pair.channel.finish()
  }

  @Test(arguments: [512, 1024, 2048, 4096]) func fragments(_ length: Int) throws {
    let pair = try pair(fragment: length)
    pair.run()
    #expect(pair.server.fragmentLength == length)
    pair.write([UInt8](repeating: 7, count: 9000))
    var longest = 0
    while let buffer = try pair.channel.readOutbound(as: ByteBuffer.self) {
      var records = buffer
      while let head = records.readBytes(length: 5) {
        let count = Int(head[3]) << 8 | Int(head[4])
        longest = max(longest, count)
        records.moveReaderIndex(forwardBy: count)
      }
    }
    #expect((length - 100...length + 256).contains(longest), "\(longest)")
    _ = try pair.channel.finish()
  }
}

/// Reproducible random numbers.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
