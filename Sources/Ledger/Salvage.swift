import OCPP
import StationCore

/// What can be read out of a damaged ledger: everything that a whole tree leads to, and, where a tree is not whole, what
/// is found on any page that looks like one of it.
///
/// A page that nothing leads to may hold rows of the past. Old messages do no harm: they are sent again as they were. A row
/// that is not as the ledger writes it, or whose checksum is wrong, is not taken over.
struct Salvage {
  private(set) var messages: [Int64: QueuedMessage] = [:]
  private(set) var records: [RecordKey: [UInt8]] = [:]

  struct RecordKey: Hashable {
    var collection: String
    var key: String
  }

  private let image: PageImage
  private var reached: Set<Int> = []

  init(_ image: PageImage) {
    self.image = image
    let roots = Self.roots(image)
    let outbox = walk(roots["outbox"] ?? 2, isTable: true)
    let record = walk(roots["record"] ?? 3, isTable: false)
    // A tree that is whole but empty, at a root that was only guessed, says nothing.
    let isWhole =
      outbox && record && (roots["outbox"] != nil || !messages.isEmpty) && (roots["record"] != nil || !records.isEmpty)
    let free = image.freePages()
    if isWhole, free == nil { return }
    for number in image.numbers where number > 1 && !reached.contains(number) && free?.contains(number) != true {
      guard let page = TreePage(number, of: image), page.kind != .tableInterior else { continue }
      for cell in page.cells { _ = take(cell, isTable: page.kind == .tableLeaf, isReached: false) }
    }
  }

  /// Why it is not this program's business: a damaged database of another program or major version. What of it was
  /// readable would be taken for all there is.
  static func refusal(_ image: PageImage, _ path: String) -> LedgerError? {
    guard let (applicationID, version) = image.marks else { return nil }
    if applicationID == Int(Schema.applicationID) {
      let isOurs = version / 1000 == Int64(Schema.major) || !Schema.isPlausible(version)
      return isOurs ? nil : .otherVersion(path, version)
    }
    let roots = Self.roots(image)
    return !roots.isEmpty && (roots["outbox"] == nil || roots["record"] == nil) ? .notALedger(path) : nil
  }

  /// The first pages of the tables, as the schema has them.
  private static func roots(_ image: PageImage) -> [String: Int] {
    var roots: [String: Int] = [:]
    guard let schema = TreePage(1, of: image) else { return roots }
    var pages = [schema]
    if schema.kind == .tableInterior {
      pages = (schema.cells.compactMap(\.left) + [schema.right ?? 0]).compactMap { TreePage($0, of: image) }
    }
    for cell in pages.lazy.filter({ $0.kind == .tableLeaf }).flatMap(\.cells) {
      guard let columns = cell.payload.flatMap(RowReader.columns), columns.count == 5,
        columns[0] == .text(Array("table".utf8)), case .text(let name) = columns[1],
        case .integer(let root) = columns[3], root > 1, root <= image.count
      else { continue }
      roots[String(decoding: name, as: UTF8.self)] = Int(root)
    }
    return roots
  }

  /// Takes over the rows of a tree. True when all of it is as SQLite and the ledger write it, in order.
  private mutating func walk(_ root: Int, isTable: Bool) -> Bool {
    var isWhole = true
    var lastID = Int64.min
    var lastKey: [UInt8] = []
    var isFirst = true
    // What is still to be done, the next last: a page to enter, or a cell to take.
    enum Step {
      case enter(Int, depth: Int)
      case take(TreePage.Cell)
    }
    var steps = [Step.enter(root, depth: 0)]
    while let step = steps.popLast() {
      switch step {
      case .enter(let number, let depth):
        guard depth < 20, number > 1, !reached.contains(number), let page = TreePage(number, of: image),
          isTable == (page.kind == .tableLeaf || page.kind == .tableInterior)
        else {
          isWhole = false
          continue
        }
        reached.insert(number)
        if !page.isWhole { isWhole = false }
        if let right = page.right { steps.append(.enter(right, depth: depth + 1)) }
        for cell in page.cells.reversed() {
          if page.kind != .tableInterior { steps.append(.take(cell)) }
          if let left = cell.left { steps.append(.enter(left, depth: depth + 1)) }
        }
      case .take(let cell):
        guard let key = take(cell, isTable: isTable, isReached: true) else {
          isWhole = false
          continue
        }
        switch key {
        case .id(let id):
          if !isFirst, id <= lastID { isWhole = false }
          lastID = id
        case .key(let key):
          if !isFirst, !lastKey.lexicographicallyPrecedes(key) { isWhole = false }
          lastKey = key
        }
        isFirst = false
      }
    }
    return isWhole
  }

  private enum Position {
    case id(Int64)
    case key([UInt8])
  }

  /// Takes over a row. `nil` when it is not one of the ledger. What a tree leads to counts more than what is lying around.
  private mutating func take(_ cell: TreePage.Cell, isTable: Bool, isReached: Bool) -> Position? {
    guard let columns = cell.payload.flatMap(RowReader.columns) else { return nil }
    if isTable {
      guard let id = cell.rowID, let message = Self.message(id, columns) else { return nil }
      if messages[id] == nil { messages[id] = message }
      return .id(id)
    }
    guard let (key, value) = Self.record(columns) else { return nil }
    // What other versions keep, and the note of an earlier damage, are rows in order but not taken over.
    if LedgerCollection(rawValue: key.collection) != nil, records[key] == nil { records[key] = value }
    return .key(Array(key.collection.utf8) + [0] + Array(key.key.utf8))
  }

  /// Longest texts that are taken for ids of messages and transactions, and for keys of records.
  private static let longestID = 255
  private static let longestKey = 4096

  private static func message(_ id: Int64, _ columns: [RowReader.Value]) -> QueuedMessage? {
    guard id > 0, columns.count >= 6, columns[0] == .null,
      let action = text(columns[2]), OCPPVersion.allCases.contains(where: { OCPPAction.isKnown(action, version: $0) }),
      let messageID = text(columns[3]), !messageID.isEmpty, messageID.utf8.count <= longestID,
      case .blob(let payload) = columns[4],
      case .integer(let attempts) = columns[5], (0...1_000_000_000).contains(attempts)
    else { return nil }
    var message = QueuedMessage(
      id: id, transactionID: nil, action: action, messageID: messageID, payload: payload, attempts: Int(attempts))
    if columns[1] != .null {
      guard let transaction = text(columns[1]), !transaction.isEmpty, transaction.utf8.count <= longestID else {
        return nil
      }
      message.transactionID = transaction
    }
    if columns.count > 6, columns[6] != .null {
      guard case .integer(let boot) = columns[6] else { return nil }
      message.unknownTimeBoot = boot
    }
    if columns.count > 7, columns[7] != .null {
      guard columns[7] == .integer(Checksum.of(message)) else { return nil }
    }
    guard let json = try? JSONValue.parse(payload), case .object = json else { return nil }
    return message
  }

  private static func record(_ columns: [RowReader.Value]) -> (RecordKey, [UInt8])? {
    guard columns.count >= 3, let collection = text(columns[0]), let key = text(columns[1]),
      key.utf8.count <= longestKey, case .blob(let value) = columns[2],
      !collection.isEmpty, collection.utf8.allSatisfy({ (0x61...0x7A).contains($0 | 0x20) })
    else { return nil }
    if columns.count > 3, columns[3] != .null, columns[3] != .integer(Checksum.of(collection, key, value)) {
      return nil
    }
    return (RecordKey(collection: collection, key: key), value)
  }

  private static func text(_ value: RowReader.Value) -> String? {
    guard case .text(let bytes) = value else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }
}
