import Glibc
import StationCore
import Testing
import Threads

@testable import Ledger

/// What was deleted is not on the medium any more, where somebody could read it from the files.
@Suite struct EraseTests {
  private static let secret = Array("customer DEADBEEF and nobody else".utf8)

  private func isOnDisk(_ scratch: Scratch) -> [String] {
    scratch.files().filter { name in
      guard let file = fopen(scratch.data + "/" + name, "r") else { return false }
      defer { fclose(file) }
      var bytes: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer.prefix(count) }
      return bytes.indices.contains { bytes[$0] == Self.secret[0] && bytes[$0...].starts(with: Self.secret) }
    }
  }

  private func erase(_ ledger: Ledger) -> LedgerError? {
    let done = Signal<LedgerError?>()
    ledger.erase { done.set($0) }
    return done.wait()
  }

  @Test func whatWasDeletedIsGone() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    // Small and large records, whole pages of them, and messages.
    for number in 0..<200 {
      let filling = [UInt8](repeating: 0x2E, count: number % 10 == 0 ? 20_000 : 50)
      try ledger.commitNow([
        .put(.authorizationCache, key: "k\(number)", value: Self.secret + filling),
        .enqueue(
          QueuedMessage(
            id: Int64(number), transactionID: nil, action: "a", messageID: "m\(number)", payload: Self.secret + filling)
        ),
        .put(.station, key: "other\(number)", value: filling),
      ])
    }
    #expect(!isOnDisk(scratch).isEmpty)
    try ledger.commitNow((0..<200).map { .delete(.authorizationCache, key: "k\($0)") })
    try ledger.commitNow((0..<200).map { .dequeue(id: $0) })
    // The test would prove nothing if deleting were enough.
    #expect(!isOnDisk(scratch).isEmpty)
    #expect(erase(ledger) == nil)
    #expect(isOnDisk(scratch) == [])
    // It goes on, and nothing else is missing.
    try ledger.commitNow([.put(.station, key: "after", value: [1])])
    ledger.close()
    let content = try scratch.content()
    #expect(content.records[.station]?.count == 201)
    #expect(content.records[.authorizationCache]?.isEmpty != false)
    #expect(content.outbox.isEmpty)
  }

  @Test func damagedLedgersGoToo() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    for name in ["ledger.damaged-1.sqlite", "ledger.damaged-1.sqlite-wal"] {
      let file = fopen(scratch.data + "/" + name, "w")
      fwrite(Self.secret, 1, Self.secret.count, file)
      fclose(file)
    }
    #expect(isOnDisk(scratch).count == 2)
    #expect(erase(ledger) == nil)
    #expect(isOnDisk(scratch) == [])
    ledger.close()
  }

  @Test func afterTheEnd() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    ledger.close()
    #expect(erase(ledger)?.kind == .closed)
  }
}
