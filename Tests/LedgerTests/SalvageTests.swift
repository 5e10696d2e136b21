import Glibc
import StationCore
import Testing

@testable import Ledger
@testable import ledger_torture

/// A damaged ledger is kept aside and what can be read of it is taken over.
@Suite struct SalvageTests {
  /// A ledger that has lived: messages and records rewritten and removed, values and messages over several pages.
  private func fill(_ scratch: Scratch, _ count: Int = 120) throws -> LedgerSnapshot {
    let (ledger, _) = try scratch.open()
    var expected = LedgerSnapshot()
    var writes: [[LedgerWrite]] = []
    for number in 1...count {
      var group: [LedgerWrite] = [
        .enqueue(
          QueuedMessage(
            id: Int64(number), transactionID: number % 5 == 0 ? nil : "tx\(number % 3)", action: "TransactionEvent",
            messageID: "m\(number)",
            payload: number % 9 == 0 ? Self.long(number, 7000 + number * 100) : Workload.payload(number),
            attempts: number % 4, unknownTimeBoot: number % 6 == 0 ? 3 : nil)),
        .put(.variable, key: "key\(number % 40)", value: Workload.payload(number % 7)),
        .put(.station, key: "last", value: Array("\(number)".utf8)),
        .put(.transaction, key: "\(number % 3)", value: Self.long(number, 3000)),
      ]
      if number % 3 == 0 { group.append(.dequeue(id: Int64(number / 2))) }
      writes.append(group)
      try ledger.commitNow(group)
    }
    for write in writes.joined() {
      switch write {
      case .put(let collection, let key, let value): expected.records[collection, default: [:]][key] = value
      case .delete(let collection, let key): expected.records[collection]?[key] = nil
      case .enqueue(let message): expected.outbox.append(message)
      case .dequeue(let id): expected.outbox.removeAll { $0.id == id }
      }
    }
    ledger.close()
    return expected
  }

  private static func long(_ number: Int, _ length: Int) -> [UInt8] {
    Array("{\"n\":\(number),\"long\":\"".utf8) + [UInt8](repeating: 0x61, count: length) + Array("\"}".utf8)
  }

  private func withoutDamage(_ snapshot: LedgerSnapshot) -> LedgerSnapshot {
    LedgerSnapshot(records: snapshot.records, outbox: snapshot.outbox)
  }

  /// Opens a ledger that is damaged; checks what is said and kept.
  private func salvage(_ scratch: Scratch, number: Int = 1) throws -> LedgerSnapshot {
    let before = Scratch.read(scratch.database)
    let found = try scratch.content()
    let damage = try #require(found.damage)
    let kept = scratch.data + "/ledger.damaged-\(number).sqlite"
    #expect(damage.text.contains(kept))
    #expect(damage.salvagedMessages == found.outbox.count)
    #expect(damage.salvagedRecords == found.records.values.reduce(0) { $0 + $1.count })
    #expect(Scratch.read(kept) == before)
    #expect(Scratch.mode(kept) == 0o600)
    // It is said until something is committed, and what was salvaged stays.
    let (ledger, again) = try scratch.open()
    #expect(again == found)
    try ledger.commitNow([.put(.station, key: "after", value: [1])])
    ledger.close()
    var after = withoutDamage(found)
    after.records[.station, default: [:]]["after"] = [1]
    #expect(try scratch.content() == after)
    return withoutDamage(found)
  }

  private func change(_ scratch: Scratch, _ body: (inout [UInt8]) -> Void) throws {
    var bytes = Scratch.read(scratch.database)
    body(&bytes)
    try Scratch.write(bytes, to: scratch.database)
  }

  @Test(arguments: [
    Array("this is no database, whatever its name says, and it is long enough to be looked at ".utf8),
    Array("SQLite format 3\u{0}".utf8) + [UInt8](repeating: 0xFF, count: 5000),
    [UInt8](repeating: 0, count: 4096),
  ])
  func aFileThatIsNoDatabaseIsKeptAside(content: [UInt8]) throws {
    let scratch = try Scratch()
    mkdir(scratch.data, 0o700)
    try Scratch.write(content, to: scratch.database)
    #expect(try salvage(scratch) == LedgerSnapshot())
    #expect(scratch.damagedFiles() == ["ledger.damaged-1.sqlite"])
  }

  // Proves: without the header, the schema or the first pages of both tables, everything is found.
  @Test(arguments: [0..<100, 0..<4096, 16..<64, 100..<108])
  func aDamagedFirstPageLosesNothing(range: Range<Int>) throws {
    let scratch = try Scratch()
    let expected = try fill(scratch)
    try change(scratch) { for index in range { $0[index] = UInt8(truncatingIfNeeded: index &* 37 | 1) } }
    #expect(try salvage(scratch) == expected)
  }

  @Test(arguments: [2, 3])
  func aLostRootPageLosesOnlyWhatWasOnIt(page: Int) throws {
    let scratch = try Scratch()
    let expected = try fill(scratch)
    let root = try #require(TreePage(page, of: PageImage(database: scratch.database, log: scratch.database + "-wal")))
    #expect(root.right != nil)
    try change(scratch) { for index in (page - 1) * 4096..<page * 4096 { $0[index] = 0xA5 } }
    let found = try salvage(scratch)
    #expect(found.outbox == expected.outbox)
    // The roots of records have records of their own.
    let lost = expected.records.values.joined().count - found.records.values.joined().count
    #expect(lost == (page == 3 ? root.cells.count : 0))
    for (collection, values) in found.records {
      for (key, value) in values { #expect(expected.records[collection]?[key] == value) }
    }
  }

  @Test func aDatabaseCutShortKeepsWhatIsLeft() throws {
    let scratch = try Scratch()
    let expected = try fill(scratch)
    try change(scratch) { $0.removeLast($0.count / 2 + 700) }
    let found = try salvage(scratch)
    #expect(found.outbox.count > expected.outbox.count / 4)
    #expect(found.outbox.count < expected.outbox.count)
    #expect(found.outbox.allSatisfy(expected.outbox.contains))
  }

  /// A digit of a bill: the structure is sound, and SQLite sees nothing.
  @Test func aChangedByteInAMessageIsNoticed() throws {
    let scratch = try Scratch()
    let expected = try fill(scratch, 20)
    let sound = expected.outbox[3].payload
    try change(scratch) { bytes in
      let at = bytes.indices.first { bytes[$0...].starts(with: sound) } ?? 0
      bytes[at + 100] ^= 1
    }
    #expect(try sqlite(scratch.database, "PRAGMA integrity_check") == "ok")
    let found = try salvage(scratch)
    #expect(found.outbox == expected.outbox.filter { $0.payload != sound })
    #expect(found.records == expected.records)
  }

  @Test func aChangedByteInARecordIsNoticed() throws {
    let scratch = try Scratch()
    var expected = try fill(scratch, 20)
    let sound = Self.long(20, 3000)
    try change(scratch) { bytes in
      let at = bytes.indices.first { bytes[$0...].starts(with: sound.prefix(100)) } ?? 0
      bytes[at + 6] ^= 1
    }
    expected.records[.transaction]?["2"] = nil
    #expect(try salvage(scratch) == expected)
  }

  // Proves: whatever happens to some pages, each message whose own pages are as they were is found, and nothing that never was.
  @Test(arguments: 1...60)
  func randomDamage(seed: UInt64) throws {
    let scratch = try Scratch(inMemory: true)
    let expected = try fill(scratch, 60)
    var random = SeededGenerator(state: seed)
    let image = PageImage(database: scratch.database, log: scratch.database + "-wal")
    // Where each message is, read from the sound file.
    var pagesOf: [Int64: Set<Int>] = [:]
    for number in 1...image.count {
      guard let page = TreePage(number, of: image), page.kind == .tableLeaf, number > 1 else { continue }
      for cell in page.cells {
        guard let id = cell.rowID, let row = cell.payload else { continue }
        pagesOf[id] = Set([number]).union(overflowPages(of: row, image))
      }
    }
    var changed: Set<Int> = []
    try change(scratch) { bytes in
      for _ in 0...random.next() % 6 {
        let page = Int(random.next() % UInt64(image.count))
        changed.insert(page + 1)
        switch random.next() % 4 {
        case 0:  // all of a page
          for index in page * 4096..<(page + 1) * 4096 { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
        case 1:  // zeros, as of a block that was never written
          for index in page * 4096..<(page + 1) * 4096 { bytes[index] = 0 }
        case 2:  // another page in its place
          let other = Int(random.next() % UInt64(image.count))
          for index in 0..<4096 { bytes[page * 4096 + index] = bytes[other * 4096 + index] }
        default:  // single bits
          for _ in 0...random.next() % 20 {
            bytes[page * 4096 + Int(random.next() % 4096)] ^= 1 << (random.next() % 8)
          }
        }
      }
    }
    let (ledger, found) = try scratch.open()
    ledger.close()
    let byID = Dictionary(uniqueKeysWithValues: found.outbox.map { ($0.id, $0) })
    // What was dequeued may come back: it was once queued like that.
    let (others, _) = try everything(60)
    for message in found.outbox { #expect(others[message.id] == message, "seed \(seed), message \(message.id)") }
    for message in expected.outbox where changed.isDisjoint(with: try #require(pagesOf[message.id])) {
      #expect(byID[message.id] == message, "seed \(seed), message \(message.id)")
    }
    // A record is as it was at some time.
    for (key, value) in found.records[.station] ?? [:] where key == "last" {
      #expect((1...60).contains(Int(String(decoding: value, as: UTF8.self)) ?? 0), "seed \(seed)")
    }
    for (_, value) in found.records[.variable] ?? [:] {
      #expect((0..<7).contains { Workload.payload($0) == value }, "seed \(seed)")
    }
    if found.damage == nil { #expect(withoutDamage(found) == expected, "seed \(seed)") }
  }

  /// All messages that `fill` ever wrote.
  private func everything(_ count: Int) throws -> ([Int64: QueuedMessage], Int) {
    var messages: [Int64: QueuedMessage] = [:]
    for number in 1...count {
      messages[Int64(number)] = QueuedMessage(
        id: Int64(number), transactionID: number % 5 == 0 ? nil : "tx\(number % 3)", action: "TransactionEvent",
        messageID: "m\(number)",
        payload: number % 9 == 0 ? Self.long(number, 7000 + number * 100) : Workload.payload(number),
        attempts: number % 4, unknownTimeBoot: number % 6 == 0 ? 3 : nil)
    }
    return (messages, count)
  }

  /// The overflow pages of a row, found by what is in them: those that begin with a part of it.
  private func overflowPages(of row: [UInt8], _ image: PageImage) -> Set<Int> {
    guard row.count > image.usableSize - 35 else { return [] }
    let least = (image.usableSize - 12) * 32 / 255 - 23
    let fitting = least + (row.count - least) % (image.usableSize - 4)
    var rest = row.dropFirst(fitting <= image.usableSize - 35 ? fitting : least)
    var pages: Set<Int> = []
    while !rest.isEmpty {
      let part = rest.prefix(image.usableSize - 4)
      // Rows of the test differ in length and number; a page of another row that looks the same is counted too.
      for number in 2...image.count where image.page(number)?[4...].starts(with: part) == true { pages.insert(number) }
      rest = rest.dropFirst(image.usableSize - 4)
    }
    return pages
  }

  @Test func theOldestOfFiveDamagedLedgersGoes() throws {
    let scratch = try Scratch()
    for number in 1...6 {
      _ = try scratch.content()
      try change(scratch) { for index in 0..<100 { $0[index] = UInt8(number) } }
      let damage = try #require(try scratch.content().damage)
      let says = damage.text.contains("ledger.damaged-\(number - 4).sqlite was removed")
      #expect(says == (number > 4), "\(damage.text)")
    }
    #expect(scratch.damagedFiles() == (3...6).map { "ledger.damaged-\($0).sqlite" })
  }

  @Test func damageThatStaysUnsaidIsSaidOnceMore() throws {
    let scratch = try Scratch()
    _ = try fill(scratch, 10)
    try change(scratch) { $0[0] = 0 }
    let first = try #require(try scratch.content().damage)
    #expect(first.salvagedMessages == 7)
    try change(scratch) { $0[0] = 0 }
    let second = try #require(try scratch.content().damage)
    #expect(second.text.contains("ledger.damaged-2.sqlite"))
    #expect(second.salvagedMessages == 7)
  }

  // Proves: what is damaged but not ours stays as it is.
  @Test(arguments: ["PRAGMA user_version = 2003", "PRAGMA application_id = 5; ALTER TABLE outbox RENAME TO mail"])
  func aDamagedDatabaseOfAnotherProgramIsLeftAlone(sql: String) throws {
    let scratch = try Scratch()
    _ = try fill(scratch, 20)
    try sqlite(scratch.database, sql)
    // The file is cut short: SQLite does not even read the version.
    try change(scratch) { $0.removeLast(9000) }
    let before = Scratch.read(scratch.database)
    #expect(scratch.refusal()?.kind == .foreign)
    #expect(Scratch.read(scratch.database) == before)
    #expect(scratch.damagedFiles().isEmpty)
  }

  @Test func aWrongApplicationIDOnALedgerIsDamage() throws {
    let scratch = try Scratch()
    let expected = try fill(scratch, 10)
    try sqlite(scratch.database, "PRAGMA application_id = 5")
    #expect(try salvage(scratch) == expected)
  }
}
