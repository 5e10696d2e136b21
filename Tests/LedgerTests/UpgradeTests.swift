import Glibc
import StationCore
import Testing

@testable import Ledger
@testable import ledger_torture

/// From schema 1.0 to this one, and back to a program of 1.0. What 1.0 did is written out here and never changes.
@Suite(.serialized) struct UpgradeTests {
  static let oldCreation = """
    PRAGMA page_size = 4096;
    BEGIN;
    PRAGMA application_id = 1398033479;
    PRAGMA user_version = 1000;
    CREATE TABLE outbox (
      id INTEGER PRIMARY KEY,
      transaction_id TEXT,
      action TEXT NOT NULL,
      message_id TEXT NOT NULL,
      payload BLOB NOT NULL,
      attempts INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE record (
      collection TEXT NOT NULL,
      key TEXT NOT NULL,
      value BLOB NOT NULL,
      PRIMARY KEY (collection, key)
    ) STRICT, WITHOUT ROWID;
    COMMIT;
    PRAGMA journal_mode = WAL;
    """
  static let oldPut =
    """
    INSERT INTO record (collection, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value
    """
  static let oldEnqueue =
    """
    INSERT INTO outbox (id, transaction_id, action, message_id, payload, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (id) DO UPDATE SET transaction_id = excluded.transaction_id, action = excluded.action,
      message_id = excluded.message_id, payload = excluded.payload, attempts = excluded.attempts
    """

  /// Writes as 1.0 did.
  private func writeOld(_ file: String, _ writes: [LedgerWrite]) throws {
    let connection = try Connection(path: file)
    defer { connection.close() }
    let put = try connection.prepare(Self.oldPut)
    let enqueue = try connection.prepare(Self.oldEnqueue)
    let dequeue = try connection.prepare("DELETE FROM outbox WHERE id = ?1")
    let delete = try connection.prepare("DELETE FROM record WHERE collection = ?1 AND key = ?2")
    defer { for statement in [put, enqueue, dequeue, delete] { statement.finalize() } }
    for write in writes {
      switch write {
      case .put(let collection, let key, let value):
        try put.bind(1, collection.rawValue)
        try put.bind(2, key)
        try put.bind(3, value)
        try put.run()
      case .enqueue(let message):
        try enqueue.bind(1, message.id)
        try enqueue.bind(2, message.transactionID)
        try enqueue.bind(3, message.action)
        try enqueue.bind(4, message.messageID)
        try enqueue.bind(5, message.payload)
        try enqueue.bind(6, Int64(message.attempts))
        try enqueue.run()
      case .dequeue(let id):
        try dequeue.bind(1, id)
        try dequeue.run()
      case .delete(let collection, let key):
        try delete.bind(1, collection.rawValue)
        try delete.bind(2, key)
        try delete.run()
      }
    }
  }

  private func makeOld(_ scratch: Scratch, _ numbers: ClosedRange<Int>) throws {
    mkdir(scratch.data, 0o700)
    try Scratch.write([], to: scratch.database)
    try sqlite(scratch.database, Self.oldCreation)
    try writeOld(scratch.database, numbers.flatMap { Workload.group($0) })
  }

  @Test func anOldLedgerIsUpgradedInPlace() throws {
    let scratch = try Scratch()
    try makeOld(scratch, 1...20)
    #expect(try scratch.content() == Workload.expected(1...20))
    #expect(try sqlite(scratch.database, "PRAGMA user_version") == "1001")
    let (ledger, _) = try scratch.open()
    let message = QueuedMessage(
      id: 900, transactionID: "t", action: "TransactionEvent", messageID: "m", payload: Array("{}".utf8),
      unknownTimeBoot: 7)
    try ledger.commitNow([.enqueue(message)])
    ledger.close()
    #expect(try scratch.content().outbox.last == message)
    let (again, _) = try scratch.open()
    var known = message
    known.unknownTimeBoot = nil
    try again.commitNow([.enqueue(known)])
    again.close()
    #expect(try scratch.content().outbox.last == known)
    #expect(scratch.damagedFiles().isEmpty)
  }

  /// A roll-back of the firmware: the old program reads, changes and delivers the outbox, and the new one goes on after it.
  @Test func anOldProgramWorksOnANewLedger() throws {
    let scratch = try Scratch()
    let (ledger, _) = try scratch.open()
    for number in 1...10 { try ledger.commitNow(Workload.group(number)) }
    ledger.close()
    #expect(
      try sqlite(
        scratch.database,
        "SELECT count(*) FROM (SELECT id, transaction_id, action, message_id, payload, attempts FROM outbox ORDER BY id)"
      )
        == "4")
    // As 1.0 did: another text for the same message, attempts, records rewritten and new, delivery.
    guard case .enqueue(var changed) = Workload.group(8)[0] else { return }
    changed.payload = Array(#"{"offline":true}"#.utf8)
    changed.messageID = "other"
    guard case .enqueue(var retried) = Workload.group(9)[0] else { return }
    retried.attempts = 4
    try writeOld(scratch.database, [.enqueue(changed), .enqueue(retried)] + Workload.group(11))
    var expected = Workload.expected(1...11)
    expected.outbox[0] = changed
    expected.outbox[1] = retried
    let found = try scratch.content()
    #expect(found == expected)
    // What the old program only sent again has kept its checksum, and what it changed has lost it.
    #expect(
      try sqlite(scratch.database, "SELECT group_concat(id) FROM outbox WHERE checksum IS NULL ORDER BY id") == "8,11")
    #expect(
      try sqlite(scratch.database, "SELECT group_concat(key) FROM record WHERE checksum IS NULL ORDER BY key")
        == "last,key3")
    #expect(try sqlite(scratch.database, "PRAGMA user_version") == "1001")
    let (again, _) = try scratch.open()
    try again.commitNow([.enqueue(changed), .put(.station, key: "last", value: Array("11".utf8))])
    again.close()
    #expect(try scratch.content() == expected)
    #expect(
      try sqlite(
        scratch.database,
        "SELECT (SELECT count(*) FROM outbox WHERE checksum IS NULL) || ' ' || (SELECT count(*) FROM record WHERE checksum IS NULL)"
      )
        == "1 1")
  }

  // Proves: a power cut in the upgrade leaves the old ledger or the new one, and nothing is lost.
  @Test(arguments: [false, true])
  func powerCutAtEveryWriteOfAnUpgrade(losing: Bool) throws {
    let scratch = try Scratch(inMemory: true)
    var operation = 1
    while true {
      try makeOld(scratch, 1...9)
      let end = try Torture.run(
        ["work", scratch.data, "--first", "10", "--commits", "2", "--kill-at", "\(operation)"]
          + (losing ? ["--lose", "\(operation * 13)"] : []))
      if end.exitCode == 0 { break }
      try #require(end.exitCode == nil)
      let found = try scratch.content()
      let last = Workload.last(found)
      #expect(last >= 9 + end.acknowledged.count)
      #expect(found == Workload.expected(1...last), "operation \(operation)")
      #expect(scratch.damagedFiles().isEmpty)
      scratch.empty()
      operation += 1
    }
    #expect(operation > 12)
  }

  // Proves: an upgrade for which there is no room does not keep the queue from being read, and is done when there is room.
  @Test func anUpgradeWithoutRoomIsPutOff() throws {
    let scratch = try Scratch(inMemory: true)
    try makeOld(scratch, 1...9)
    let end = try Torture.run([
      "work", scratch.data, "--first", "10", "--commits", "3", "--fail-at", "1", "--fail-count", "6",
    ])
    #expect(end.exitCode == 0)
    #expect(end.failed.first == 10)
    #expect(end.acknowledged.last == 12)
    #expect(try scratch.content() == Workload.expected(Array(1...9) + end.acknowledged))
    #expect(try sqlite(scratch.database, "PRAGMA user_version") == "1001")
  }
}
