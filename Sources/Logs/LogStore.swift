import Glibc
import OCPP
import StationCore

/// The diagnostics log on the medium: lines of JSON in files `diagnostics-N.jsonl` of one directory, N growing. Each begins
/// with `{"ts":"`, the time in UTC.
///
/// Bounded: before what is new would exceed the bound, the oldest file goes. A file takes an eighth of the bound, so that at
/// least three quarters of it are history. Nothing is flushed: a power cut may cost the last lines and leave one torn,
/// which is left out when the log is read. Used by one thread at a time.
public final class LogStore {
  private struct Segment {
    var number: Int
    var size: Int
  }

  /// A longer line is not taken.
  public static let lineLimit = 128 << 10

  /// What counts until the core has told it.
  public static let defaultBound = 4 << 20

  private let directory: String
  /// Where files to upload are made.
  private let transfers: String
  private var bound: Int
  private var segments: [Segment]?
  /// The newest segment, when it is open.
  private var file: CInt = -1
  /// The last line was not written to its end.
  private var isTorn = false
  /// Bytes written since the start, and lines that were not, for lack of space or a failing medium.
  public private(set) var bytesWritten = 0
  public private(set) var dropped = 0
  /// Why the last lines were not written; `nil` when they were.
  public private(set) var failure: String?

  /// - Parameter transfers: may not exist yet; its parent must.
  public init(directory: String, transfers: String, bound: Int) {
    self.directory = directory
    self.transfers = transfers
    self.bound = bound
  }

  deinit { closeFile() }

  private var segmentLimit: Int { max(Self.lineLimit / 16, bound / 8) }

  private func path(_ segment: Segment) -> String { "\(directory)/diagnostics-\(segment.number).jsonl" }

  /// What the log takes of the medium.
  public var size: Int { (try? known())?.reduce(0) { $0 + $1.size } ?? 0 }

  private func known() throws(LogError) -> [Segment] {
    if let segments { return segments }
    try LogFiles.makeDirectory(directory)
    var found: [Segment] = []
    for name in LogFiles.names(in: directory) where name.hasPrefix("diagnostics-") {
      if name.hasSuffix(".new") { unlink("\(directory)/\(name)") }
      guard name.hasSuffix(".jsonl"), let number = Int(name.dropFirst(12).dropLast(6)), number > 0,
        let size = LogFiles.size("\(directory)/\(name)")
      else { continue }
      found.append(Segment(number: number, size: size))
    }
    found.sort { $0.number < $1.number }
    segments = found
    // What comes before may have been cut anywhere.
    isTorn = found.last.map { $0.size > 0 } ?? false
    return found
  }

  // MARK: Writing

  /// Appends lines, without their line feeds. Never throws: what cannot be written is counted, and `failure` says why.
  public func append(_ lines: [[UInt8]]) {
    var chunk: [UInt8] = []
    var count = 0
    func put() {
      do throws(LogError) {
        try write(chunk)
        failure = nil
      } catch {
        dropped += count
        failure = error.description
      }
      chunk.removeAll(keepingCapacity: true)
      count = 0
    }
    for line in lines {
      guard line.count < min(Self.lineLimit, segmentLimit) else {
        dropped += 1
        continue
      }
      if chunk.count + line.count + 1 > segmentLimit / 4 { put() }
      chunk += line
      chunk.append(0x0A)
      count += 1
    }
    if count > 0 { put() }
  }

  private func write(_ chunk: [UInt8]) throws(LogError) {
    guard !chunk.isEmpty else { return }
    var known = try known()
    if let last = known.last, last.size > 0, last.size + chunk.count > segmentLimit {
      closeFile()
      known.append(Segment(number: last.number + 1, size: 0))
    } else if known.isEmpty {
      known.append(Segment(number: 1, size: 0))
    }
    segments = known
    makeRoom(for: chunk.count + 1)
    known = segments ?? known
    let current = known[known.count - 1]
    if file < 0 {
      file = open(path(current), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard file >= 0 else {
        let error = LogError(path(current))
        segments = nil  // somebody has taken the directory away: looked at anew
        throw error
      }
      if current.size == 0 { isTorn = false }
    }
    let bytes = (isTorn ? [0x0A] : []) + chunk
    isTorn = true
    defer { segments?[known.count - 1].size = LogFiles.size(path(current)) ?? 0 }
    try LogFiles.write(bytes[...], to: file, path(current))
    isTorn = false
    bytesWritten += bytes.count
  }

  /// Removes the oldest files until so much more fits.
  private func makeRoom(for bytes: Int) {
    guard var known = segments else { return }
    var total = known.reduce(0) { $0 + $1.size }
    while known.count > 1, total + bytes > bound {
      let oldest = known.removeFirst()
      unlink(path(oldest))
      total -= oldest.size
    }
    segments = known
  }

  private func closeFile() {
    if file >= 0 { close(file) }
    file = -1
  }

  // MARK: Requests

  public func carryOut(_ request: LogRequest) -> LogReply {
    do throws(LogError) {
      switch request {
      case .bound(let bytes):
        bound = bytes
        // A log that was never written is not made for this.
        guard segments != nil || LogFiles.size(directory) != nil || access(directory, F_OK) == 0 else { return .done }
        var known = try known()
        if let last = known.last, last.size > segmentLimit {
          closeFile()
          known.append(Segment(number: last.number + 1, size: 0))
          segments = known
        }
        makeRoom(for: 0)
        return .done
      case .prepare(let name, let contents):
        return try prepare(name, contents)
      case .customer(let identifiers, let clear, let limit):
        return try customer(CustomerIdentifiers(identifiers), clear: clear, limit: limit)
      case .erase: return .failed("this is not the ledger")
      }
    } catch {
      return .failed(error.description)
    }
  }

  private func transferPath(_ name: String) -> String? {
    guard !name.isEmpty, name.utf8.count <= 200, !name.utf8.contains(UInt8(ascii: "/")), !name.hasPrefix(".") else {
      return nil
    }
    return "\(transfers)/\(name)"
  }

  private func prepare(_ name: String, _ contents: LogContents) throws(LogError) -> LogReply {
    guard let path = transferPath(name) else { return .failed("\(name) is no name of a file to upload") }
    try LogFiles.makeDirectory(transfers)
    var bytes = 0
    try LogFiles.replace(path, in: transfers) { (put) throws(LogError) in
      switch contents {
      case .lines(let lines):
        var text: [UInt8] = []
        for line in lines { text += line + [0x0A] }
        bytes += text.count
        try put(text[...])
      case .diagnostics(let oldest, let latest):
        for segment in try known() {
          let text = try LogFiles.read(self.path(segment))
          var kept: [UInt8] = []
          for line in Self.lines(of: text) where Self.isIn(line, oldest, latest) {
            kept += line
            kept.append(0x0A)
          }
          bytes += kept.count
          try put(kept[...])
        }
      }
    }
    guard bytes > 0 else {
      unlink(path)
      return .nothing
    }
    return .prepared(bytes: bytes)
  }

  private func customer(_ identifiers: CustomerIdentifiers, clear: Bool, limit: Int) throws(LogError) -> LogReply {
    guard !identifiers.isEmpty else { return .customer(lines: [], count: 0, problems: []) }
    var lines: [String] = []
    var count = 0
    var room = limit
    var problems: [String] = []
    for (index, segment) in try known().enumerated() {
      let text = try LogFiles.read(path(segment))
      var cleaned: [UInt8] = []
      var isHit = false
      for line in Self.lines(of: text) {
        var line = line
        if let value = try? JSONValue.parse(Array(line)), identifiers.isIn(value) {
          isHit = true
          count += 1
          room -= line.count
          if room >= 0 { lines.append(String(decoding: line, as: UTF8.self)) }
          line = identifiers.blotted(value).bytes[...]
        }
        cleaned += line
        cleaned.append(0x0A)
      }
      guard clear, isHit || !Self.isWhole(text) else { continue }
      do throws(LogError) {
        closeFile()
        try LogFiles.replace(path(segment), in: directory) { (put) throws(LogError) in try put(cleaned[...]) }
        segments?[index].size = cleaned.count
        if index == (segments?.count ?? 0) - 1 { isTorn = false }
      } catch {
        problems.append(error.description)
      }
    }
    return .customer(lines: lines, count: count, problems: problems)
  }

  /// The whole lines of a file; torn ones are left out, and go when the file is cleaned.
  private static func lines(of text: [UInt8]) -> [ArraySlice<UInt8>] {
    text.split(separator: 0x0A).filter { $0.starts(with: start) && $0.last == UInt8(ascii: "}") }
  }

  private static func isWhole(_ text: [UInt8]) -> Bool {
    text.split(separator: 0x0A).allSatisfy { $0.starts(with: start) && $0.last == UInt8(ascii: "}") }
  }

  /// How a line begins; the time follows, 24 characters.
  private static let start = Array(#"{"ts":""#.utf8)

  private static func isIn(_ line: ArraySlice<UInt8>, _ oldest: Int64?, _ latest: Int64?) -> Bool {
    guard oldest != nil || latest != nil else { return true }
    let text = line.dropFirst(start.count).prefix { $0 != UInt8(ascii: "\"") }
    guard let time = DateTime(String(decoding: text, as: UTF8.self))?.unixMilliseconds else { return false }
    return time >= oldest ?? .min && time <= latest ?? .max
  }
}
