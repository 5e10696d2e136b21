import Glibc
import StationCore

/// Replaces a damaged ledger by a new one that holds what could be salvaged, so that a power cut at any point leaves the
/// damaged one as it is or the new one whole.
///
/// The new one is built as `ledger.sqlite.new`. From the moment at which it is called `ledger.salvaged-N.sqlite` it counts:
/// what is called `ledger.sqlite` beside it is the damaged one, to be kept as `ledger.damaged-N.sqlite` with its log, and
/// then it takes the name itself. Each step is flushed before the next, and every start finishes what it finds begun.
struct Recovery {
  /// Damaged ledgers that are kept; the oldest goes.
  static let kept = 4

  private let directory: DataDirectory

  init(_ directory: DataDirectory) { self.directory = directory }

  private func damaged(_ number: Int) -> String { "ledger.damaged-\(number).sqlite" }
  private func salvaged(_ number: Int) -> String { "ledger.salvaged-\(number).sqlite" }
  private func path(_ name: String) -> String { directory.path + "/" + name }

  /// Finishes a replacement that was begun.
  func finish() throws(LedgerError) {
    let names = try directory.names()
    guard let number = numbers(names, "ledger.salvaged-", ".sqlite").max() else { return }
    try moveAside(directory.databaseLog, damaged(number) + "-wal", names)
    try moveAside(directory.database, damaged(number), names)
    try directory.removeIfPresent(directory.database + "-shm")
    try directory.flush()
    try directory.rename(path(salvaged(number)), to: directory.database)
    try directory.flush()
    for name in surplus(try directory.names(), with: nil) { try directory.removeIfPresent(path(name)) }
  }

  private func moveAside(_ file: String, _ name: String, _ names: [String]) throws(LedgerError) {
    guard try directory.size(of: file) != nil else { return }
    // Only somebody who meddles could have put a file there meanwhile; it is not overwritten.
    var target = name
    while names.contains(target) { target = "ledger.kept-" + target.dropFirst("ledger.".count) }
    try directory.makePrivate(file)
    try directory.rename(file, to: path(target))
  }

  /// Salvages what the damaged ledger holds. When this throws, nothing of the old one was changed.
  func salvage(_ damage: LedgerError) throws(LedgerError) {
    let names = try directory.names()
    let number = (numbers(names, "ledger.damaged-", "").max() ?? 0) + 1
    let image = PageImage(database: directory.database, log: directory.databaseLog)
    if let refusal = Salvage.refusal(image, directory.database) { throw refusal }
    let content = Salvage(image)
    var text =
      "\(directory.database) was damaged (\(damage.detail)); it is kept as \(path(damaged(number))), and what could be read "
      + "was taken over into a new one: \(content.messages.count) queued messages and \(content.records.count) records"
    let removed = surplus(names, with: number).filter { $0.hasSuffix(".sqlite") }
    if !removed.isEmpty {
      text += "; to keep no more than \(Self.kept) damaged ledgers, \(removed.joined(separator: ", ")) was removed"
    }
    let note = LedgerDamage(
      LedgerError(.corrupt, text).text, salvagedMessages: content.messages.count,
      salvagedRecords: content.records.count)
    do throws(LedgerError) {
      try Store.build(in: directory) { connection throws(LedgerError) in
        try fill(connection, content, note)
      }
      try directory.flushAndRename(directory.unfinishedDatabase, to: path(salvaged(number)))
      try directory.flush()
    } catch {
      var failure = LedgerError(
        error.kind, "\(directory.database) is damaged (\(damage.detail)) and cannot be salvaged yet: \(error.text)")
      failure.isSizeLimit = error.isSizeLimit
      throw failure
    }
    try finish()
  }

  private func fill(_ connection: Connection, _ content: Salvage, _ note: LedgerDamage) throws(LedgerError) {
    let writes = try StoreStatements(connection)
    defer { writes.finalize() }
    try writes.begin.run()
    for message in content.messages.values.sorted(by: { $0.id < $1.id }) { try writes.apply(.enqueue(message)) }
    for (key, value) in content.records { try writes.putRecord(key.collection, key.key, value) }
    for (key, value) in note.fields { try writes.putRecord(Schema.damageCollection, key, Array(value.utf8)) }
    try writes.commit.run()
  }

  private func numbers(_ names: [String], _ prefix: String, _ suffix: String) -> [Int] {
    names.compactMap { name in
      guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
      return Int(name.dropFirst(prefix.count).prefix { $0.isASCII && $0.isNumber })
    }
  }

  /// The files of the damaged ledgers that are too many, oldest first.
  private func surplus(_ names: [String], with another: Int?) -> [String] {
    let all = Set(numbers(names, "ledger.damaged-", "") + (another.map { [$0] } ?? [])).sorted()
    return all.dropLast(Self.kept).flatMap { number in
      [damaged(number), damaged(number) + "-wal"].filter(names.contains)
    }
  }
}

extension LedgerDamage {
  var fields: [(String, String)] {
    [("text", text), ("messages", String(salvagedMessages)), ("records", String(salvagedRecords))]
  }

  /// `nil` when there is no note, or nothing to be made of it.
  init?(_ fields: [String: [UInt8]]?) {
    guard let text = fields?["text"] else { return nil }
    func number(_ name: String) -> Int { Int(String(decoding: fields?[name] ?? [], as: UTF8.self)) ?? 0 }
    self.init(
      String(decoding: text, as: UTF8.self), salvagedMessages: number("messages"), salvagedRecords: number("records"))
  }
}
