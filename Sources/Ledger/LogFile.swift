import Glibc

/// SQLite's write-ahead log, read without SQLite: the pages that its committed transactions wrote.
///
/// Every frame carries a checksum that continues the one of the frame before. SQLite stops at the first that is wrong,
/// which is right after a power cut (the tail that was being written was never acknowledged) and wrong when the medium
/// has damaged the middle. Since the checksum to start from stands in the frame before, each frame can be judged on
/// its own.
struct LogFile {
  static let headerSize = 32
  static let frameHeaderSize = 24

  private(set) var pageSize = 0
  /// Where the newest committed content of a page is in the file.
  private(set) var pages: [Int: Int] = [:]
  /// Pages of the database after the last commit; `nil` without one.
  private(set) var databasePages: Int?
  /// Set when it holds commits that SQLite would not find, and that cannot be the torn tail of the last one.
  private(set) var damage: String?

  /// Reads a log; `nil` when there is none. Unreadable frames are wrong ones. `pageSize` counts if its header is wrong.
  init?(_ path: String, pageSize fallback: Int) {
    guard let file = PageSource(path) else { return nil }
    guard let header = file.read(at: 0, count: Self.headerSize) else { return nil }
    let magic = Self.word(header, 0)
    let isBigEndian = magic == 0x377F_0683
    let size = Int(Self.word(header, 8))
    let sound =
      magic & ~1 == 0x377F_0682 && Self.word(header, 4) == 3_007_000 && size.nonzeroBitCount == 1
      && (512...65536).contains(size)
      && Self.sum(header[..<24], (0, 0), isBigEndian) == (Self.word(header, 24), Self.word(header, 28))
    pageSize = sound ? size : fallback
    var salt: (UInt32, UInt32)? = sound ? (Self.word(header, 16), Self.word(header, 20)) : nil
    var before = (Self.word(header, 24), Self.word(header, 28))

    // Commits whose frames are all right, and those that come after the first wrong frame.
    var found: [Int: Int] = [:]
    var foundSize: Int?
    var pending: [(page: Int, offset: Int)] = []
    var isWhole = sound
    var commitsBeyond = 0
    let frameSize = Self.frameHeaderSize + pageSize
    var offset = Self.headerSize
    while offset + frameSize <= file.size {
      defer { offset += frameSize }
      guard let frame = file.read(at: offset, count: frameSize) else {
        isWhole = false
        continue
      }
      let frameSalt = (Self.word(frame, 8), Self.word(frame, 12))
      let stored = (Self.word(frame, 16), Self.word(frame, 20))
      let page = Int(Self.word(frame, 0))
      let commit = Int(Self.word(frame, 4))
      let head = Self.sum(frame[..<8], before, isBigEndian && sound)
      let isRight = page > 0 && Self.sum(frame[Self.frameHeaderSize...], head, isBigEndian && sound) == stored
      before = stored
      if salt == nil, isRight { salt = frameSalt }
      guard let salt, salt == frameSalt else {
        isWhole = false
        continue
      }
      if isRight { pending.append((page, offset + Self.frameHeaderSize)) } else { isWhole = false }
      guard commit > 0 else { continue }
      for write in pending { found[write.page] = write.offset }
      pending = []
      foundSize = commit
      if isWhole {
        pages = found
        databasePages = commit
      } else {
        commitsBeyond += 1
      }
    }
    if !sound, !found.isEmpty {
      damage = "the header of its log is damaged"
    } else if commitsBeyond > 1 {
      damage = "\(commitsBeyond) commits in its log lie behind a damaged one"
    }
    if damage != nil {
      pages = found
      databasePages = foundSize
    }
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 { UInt32(bytes.bigEndian32(at)) }

  private static func sum(
    _ bytes: ArraySlice<UInt8>, _ start: (UInt32, UInt32), _ isBigEndian: Bool
  ) -> (UInt32, UInt32) {
    bytes.withUnsafeBytes { raw in
      var (first, second) = start
      var index = 0
      while index + 8 <= raw.count {
        let pair = raw.loadUnaligned(fromByteOffset: index, as: (UInt32, UInt32).self)
        let (a, b) =
          isBigEndian
          ? (UInt32(bigEndian: pair.0), UInt32(bigEndian: pair.1))
          : (UInt32(littleEndian: pair.0), UInt32(littleEndian: pair.1))
        first = first &+ a &+ second
        second = second &+ b &+ first
        index += 8
      }
      return (first, second)
    }
  }
}

/// A file that is read piece by piece; what the medium does not give back is `nil`.
final class PageSource {
  let size: Int
  private let descriptor: Int32

  init?(_ path: String) {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
      if descriptor >= 0 { close(descriptor) }
      return nil
    }
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// `count` bytes; less than that at the end of the file are filled up with zeros.
  func read(at offset: Int, count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress.map { $0 + done }, count - done, off_t(offset + done))
      }
      if got < 0, errno == EINTR { continue }
      if got < 0 { return nil }
      if got == 0 { break }
      done += got
    }
    return done > 0 ? bytes : nil
  }
}

extension [UInt8] {
  func bigEndian16(_ at: Int) -> Int { Int(self[at]) << 8 | Int(self[at + 1]) }
  func bigEndian32(_ at: Int) -> Int { bigEndian16(at) << 16 | bigEndian16(at + 2) }
}
