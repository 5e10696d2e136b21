/// One page of a b-tree: its cells, each judged on its own.
struct TreePage {
  enum Kind: UInt8 {
    case indexInterior = 2
    case tableInterior = 5
    case indexLeaf = 10
    case tableLeaf = 13
  }

  struct Cell {
    /// The page with what comes before this cell; in interior pages.
    var left: Int?
    /// In pages of tables.
    var rowID: Int64?
    /// The row, overflow pages included; `nil` in interior pages of tables, and when it is not whole.
    var payload: [UInt8]?
  }

  let kind: Kind
  let cells: [Cell]
  /// The page with what comes after the last cell; in interior pages.
  let right: Int?
  /// False when some of the page is not as SQLite writes it.
  let isWhole: Bool

  /// `nil` when the page is none of a b-tree.
  init?(_ number: Int, of image: PageImage) {
    guard let page = image.page(number) else { return nil }
    let start = number == 1 ? 100 : 0
    guard let kind = Kind(rawValue: page[start]) else { return nil }
    self.kind = kind
    let isInterior = kind == .indexInterior || kind == .tableInterior
    right = isInterior ? page.bigEndian32(start + 8) : nil
    let pointers = start + (isInterior ? 12 : 8)
    let announced = page.bigEndian16(start + 3)
    let room = (image.usableSize - pointers) / 2
    var isWhole = announced <= room
    var cells: [Cell] = []
    for index in 0..<min(announced, room) {
      let at = page.bigEndian16(pointers + 2 * index)
      guard at >= pointers + 2 * min(announced, room), at < image.usableSize,
        let cell = Self.cell(page, at, kind, image)
      else {
        isWhole = false
        continue
      }
      if cell.payload == nil, kind != .tableInterior { isWhole = false }
      cells.append(cell)
    }
    self.cells = cells
    self.isWhole = isWhole
  }

  /// The largest row that is looked at: a value of a record, or a message.
  private static let largestRow = 16 << 20

  private static func cell(_ page: [UInt8], _ start: Int, _ kind: Kind, _ image: PageImage) -> Cell? {
    let usable = image.usableSize
    var reader = RowReader(page[start..<usable])
    var cell = Cell()
    if kind == .indexInterior || kind == .tableInterior {
      guard let left = reader.integer(4) else { return nil }
      cell.left = Int(left & 0xFFFF_FFFF)
    }
    var length = 0
    if kind != .tableInterior {
      guard let value = reader.varint(), value > 0, value <= largestRow else { return nil }
      length = Int(value)
    }
    if kind == .tableInterior || kind == .tableLeaf {
      guard let value = reader.varint() else { return nil }
      cell.rowID = value
    }
    if kind == .tableInterior { return cell }
    let most = kind == .tableLeaf ? usable - 35 : (usable - 12) * 64 / 255 - 23
    var local = length
    if length > most {
      let least = (usable - 12) * 32 / 255 - 23
      let fitting = least + (length - least) % (usable - 4)
      local = fitting <= most ? fitting : least
    }
    guard var payload = reader.bytes(local).map(Array.init) else { return cell }
    if local < length {
      guard var next = reader.integer(4).map({ Int($0 & 0xFFFF_FFFF) }) else { return cell }
      while payload.count < length {
        guard next > 1, let overflow = image.page(next) else { return cell }
        payload += overflow[4..<min(usable, 4 + length - payload.count)]
        next = overflow.bigEndian32(0)
      }
      // The chain ends where the row does.
      if next != 0 { return cell }
    }
    cell.payload = payload
    return cell
  }
}

/// Reads SQLite's row format.
struct RowReader {
  enum Value: Equatable {
    case null
    case integer(Int64)
    case real
    case text([UInt8])
    case blob([UInt8])
  }

  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  /// The columns of a row; `nil` when it is not in order to the last byte.
  static func columns(_ row: [UInt8]) -> [Value]? {
    var header = RowReader(row[...])
    guard let size = header.varint(), size > 0, size <= row.count else { return nil }
    let headerBytes = row.count - header.rest.count
    guard size >= headerBytes else { return nil }
    header.rest = header.rest.prefix(Int(size) - headerBytes)
    var body = RowReader(row[Int(size)...])
    var values: [Value] = []
    while !header.rest.isEmpty {
      guard values.count < 64, let type = header.varint(), let value = body.value(type) else { return nil }
      values.append(value)
    }
    return body.rest.isEmpty ? values : nil
  }

  private mutating func value(_ type: Int64) -> Value? {
    switch type {
    case 0: return .null
    case 1...4: return integer(Int(type)).map { .integer($0) }
    case 5: return integer(6).map { .integer($0) }
    case 6: return integer(8).map { .integer($0) }
    case 7: return bytes(8).map { _ in .real }
    case 8, 9: return .integer(type - 8)
    case 12...:
      guard type <= 1 << 32, let content = bytes(Int(type - 12) / 2) else { return nil }
      return type % 2 == 0 ? .blob(Array(content)) : .text(Array(content))
    default: return nil
    }
  }

  mutating func bytes(_ count: Int) -> ArraySlice<UInt8>? {
    guard count <= rest.count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  /// A big-endian integer with sign.
  mutating func integer(_ count: Int) -> Int64? {
    guard let bytes = bytes(count), let first = bytes.first else { return nil }
    return bytes.dropFirst().reduce(Int64(Int8(bitPattern: first))) { $0 << 8 | Int64($1) }
  }

  mutating func varint() -> Int64? {
    var value: UInt64 = 0
    for index in 0..<9 {
      guard let byte = rest.popFirst() else { return nil }
      if index == 8 { return Int64(bitPattern: value << 8 | UInt64(byte)) }
      value = value << 7 | UInt64(byte & 0x7F)
      if byte < 0x80 { return Int64(bitPattern: value) }
    }
    return nil
  }
}
