import Glibc
import StationCore
import Synchronization
import Testing

@testable import Ledger
@testable import ledger_torture

/// A database that is damaged while the ledger is in use: the commit that meets it succeeds all the same.
@Suite struct DamageInUseTests {
  private func message(_ number: Int64) -> QueuedMessage {
    QueuedMessage(
      id: number, transactionID: "tx", action: "TransactionEvent", messageID: "m\(number)",
      payload: Array("{\"n\":\(number),\"long\":\"".utf8) + [UInt8](repeating: 0x61, count: 3000) + Array("\"}".utf8))
  }

  @Test func theCommitThatMeetsTheDamageIsStoredAndTheRestIsSalvaged() throws {
    let scratch = try Scratch()
    let (before, _) = try scratch.open()
    for number in 1...400 { try before.commitNow([.enqueue(message(Int64(number)))]) }
    before.close()
    let found = Mutex<[LedgerDamage]>([])
    var options = Scratch.options
    options.damageFound = { damage in found.withLock { $0.append(damage) } }
    let (ledger, snapshot) = try scratch.open(options)
    #expect(snapshot.outbox.count == 400 && snapshot.damage == nil)
    // Behind the open connection's back; pages that it has in its cache are not met.
    let file = open(scratch.database, O_RDWR)
    let noise = [UInt8](repeating: 0xA5, count: 4096)
    for page in 3..<40 { #expect(pwrite(file, noise, 4096, off_t(page * 4096)) == 4096) }
    close(file)
    var commits = 0
    for number in 1...60 where found.withLock({ $0.isEmpty }) {
      try ledger.commitNow([.dequeue(id: Int64(number)), .enqueue(message(1000 + Int64(number)))])
      commits += 1
    }
    let first = found.withLock { $0.first }
    let damage = try #require(first)
    #expect(damage.text.contains("damaged"))
    #expect(damage.salvagedMessages > 300)
    try ledger.commitNow([.put(.station, key: "after", value: [1])])
    ledger.close()
    let after = try scratch.content()
    #expect(after.records[.station] == ["after": [1]])
    #expect(after.outbox.contains { $0.id == 1000 + Int64(commits) })
    #expect(after.outbox.count > 300)
    #expect(scratch.damagedFiles().contains("ledger.damaged-1.sqlite"))
  }
}
