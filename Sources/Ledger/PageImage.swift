/// A database as its file and its log have it together, page by page, read without SQLite and without trusting it.
struct PageImage {
  let pageSize: Int
  /// Bytes of a page that hold content.
  let usableSize: Int
  /// The number of the last page; the first is 1.
  let count: Int
  /// So many pages are in the file. What is beyond them is in the log or nowhere, whatever a damaged one says of the size.
  private let inFile: Int
  private let file: PageSource?
  private let log: PageSource?
  private let logPages: [Int: Int]

  init(database: String, log logPath: String) {
    file = PageSource(database)
    log = PageSource(logPath)
    let header = file?.read(at: 0, count: 100)
    let hasHeader = header.map { Array($0.prefix(16)) == Self.magic } ?? false
    var size = Store.pageSize
    if let header, hasHeader {
      let declared = header.bigEndian16(16)
      let real = declared == 1 ? 65536 : declared
      if real >= 512, real.nonzeroBitCount == 1 { size = real }
    }
    let content = LogFile(logPath, pageSize: size)
    logPages = content?.pages ?? [:]
    // Pages of another size than those of the database are of no use.
    if let content, content.pageSize != size, !content.pages.isEmpty, !hasHeader { size = content.pageSize }
    pageSize = size
    inFile = ((file?.size ?? 0) + size - 1) / size
    count = min(content?.databasePages ?? inFile, Self.mostPages)
    let first = logPages[1].flatMap { [log] in log?.read(at: $0, count: 100) } ?? header
    let reserved = first.map { Array($0.prefix(16)) == Self.magic ? Int($0[20]) : 0 } ?? 0
    usableSize = size - (reserved <= size - 480 && reserved <= 64 ? reserved : 0)
  }

  private static let magic = Array("SQLite format 3\u{0}".utf8)
  /// 16 GiB: more than any ledger, whatever a damaged header says.
  private static let mostPages = 1 << 22

  /// The newest committed content of a page; `nil` when it is not there or cannot be read.
  func page(_ number: Int) -> [UInt8]? {
    guard number >= 1, number <= count else { return nil }
    if let offset = logPages[number] { return log?.read(at: offset, count: pageSize) }
    return file?.read(at: (number - 1) * pageSize, count: pageSize)
  }

  /// The numbers of all pages that are there.
  var numbers: some Sequence<Int> {
    let end = min(inFile, count)
    let beyond = logPages.keys.filter { $0 > end && $0 <= count }.sorted()
    return (0..<end + beyond.count).lazy.map { $0 < end ? $0 + 1 : beyond[$0 - end] }
  }

  /// What the header says of the program that wrote it; `nil` without a header.
  var marks: (applicationID: Int, version: Int64)? {
    guard let first = page(1), Array(first.prefix(16)) == Self.magic else { return nil }
    return (first.bigEndian32(68), Int64(Int32(truncatingIfNeeded: first.bigEndian32(60))))
  }

  /// The pages that are free; `nil` when the list of them is not in order and means nothing.
  func freePages() -> Set<Int>? {
    guard let first = page(1), Array(first.prefix(16)) == Self.magic else { return nil }
    let expected = first.bigEndian32(36)
    var free: Set<Int> = []
    var trunk = first.bigEndian32(32)
    while trunk != 0 {
      guard let content = page(trunk), free.insert(trunk).inserted else { return nil }
      let leaves = content.bigEndian32(4)
      guard leaves <= usableSize / 4 - 2, free.count + leaves <= expected else { return nil }
      for index in 0..<leaves {
        let leaf = content.bigEndian32(8 + 4 * index)
        guard leaf > 1, leaf <= count, free.insert(leaf).inserted else { return nil }
      }
      trunk = content.bigEndian32(0)
    }
    return free.count == expected ? free : nil
  }
}
