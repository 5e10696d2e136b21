import StationCore

/// What the torture writes, and what must be found after any prefix or selection of it.
public enum Workload {
  /// The writes of commit `number` (from 1): a message, a message less, a counter and a record that is rewritten.
  public static func group(_ number: Int) -> [LedgerWrite] {
    var writes: [LedgerWrite] = [
      .enqueue(
        QueuedMessage(
          id: Int64(number), transactionID: number % 5 == 0 ? nil : "tx\(number % 3)", action: "TransactionEvent",
          messageID: "m\(number)", payload: payload(number), attempts: number % 2)),
      .put(.station, key: "last", value: Array("\(number)".utf8)),
      .put(.variable, key: "key\(number % 4)", value: payload(number % 7)),
    ]
    if number > 4 { writes.append(.dequeue(id: Int64(number - 4))) }
    if number % 6 == 0 { writes.append(.delete(.variable, key: "key1")) }
    return writes
  }

  /// Some 1.3 kB of JSON that differ from number to number.
  public static func payload(_ number: Int) -> [UInt8] {
    var state = UInt32(truncatingIfNeeded: number) &* 2_654_435_761 | 1
    let text = (0..<(1200 + number % 100)).map { _ -> UInt8 in
      state ^= state << 13
      state ^= state >> 17
      state ^= state << 5
      return 0x41 + UInt8(state % 26)
    }
    return Array("{\"n\":\(number),\"x\":\"".utf8) + text + Array("\"}".utf8)
  }

  /// What the ledger holds after these commits.
  public static func expected(_ numbers: some Sequence<Int>) -> LedgerSnapshot {
    var snapshot = LedgerSnapshot()
    for write in numbers.lazy.flatMap({ group($0) }) {
      switch write {
      case .put(let collection, let key, let value): snapshot.records[collection, default: [:]][key] = value
      case .delete(let collection, let key): snapshot.records[collection]?[key] = nil
      case .enqueue(let message):
        snapshot.outbox.removeAll { $0.id == message.id }
        snapshot.outbox.append(message)
      case .dequeue(let id): snapshot.outbox.removeAll { $0.id == id }
      }
    }
    snapshot.outbox.sort { $0.id < $1.id }
    return snapshot
  }

  /// The number of the last commit found; 0 when there is none.
  public static func last(_ snapshot: LedgerSnapshot) -> Int {
    Int(String(decoding: snapshot.records[.station]?["last"] ?? [], as: UTF8.self)) ?? 0
  }
}
