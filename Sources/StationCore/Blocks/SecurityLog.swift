import OCPP

/// The security log (A04.FR.04): what happened to the security of the station, in the ledger, entry by entry.
///
/// An entry is one line of JSON: `n` counts, `ts` and `clock` tell the time and where it comes from, `type` and `info` the
/// event, `previous` is the hash of the entry before, and the last member, `hash`, the SHA-256 of the line's bytes before
/// `,"hash":`. So no entry can be changed, left out or put in without breaking the chain from there on. What breaks
/// no chain is to compute it anew to its end: who may have done that is found by an entry or upload that is elsewhere.
///
/// Bounded in bytes (InternalCtrlr/SecurityLogMaxBytes): the oldest entries go, and `anchor` keeps the number and the
/// hash of the last one that went, so that what is left still verifies. No identifier of a customer gets in.
public struct SecurityLog: Sendable {
  /// An entry of the chain, or the place before the first one: number 0 and a hash of zeros.
  public struct Link: Hashable, Sendable {
    public var number: Int64
    /// SHA-256, lower-case hexadecimal.
    public var hash: String

    public static let beginning = Link(number: 0, hash: String(repeating: "0", count: 64))

    public var json: JSONValue {
      .object([JSONMember(name: "n", value: .integer(number)), JSONMember(name: "hash", value: .string(hash))])
    }

    public init(number: Int64, hash: String) {
      self.number = number
      self.hash = hash
    }

    /// Reads what `json` gives.
    public init?(_ json: JSONValue?) {
      guard let number = json?["n"]?.intValue, number == 0 || SecurityLog.numbers.contains(Int64(number)),
        let hash = json?["hash"]?.stringValue
      else { return nil }
      self.init(number: Int64(number), hash: hash)
    }
  }

  /// Bound in bytes where the device model gives none, and the least that there is.
  static let defaultBytes = 128 << 10
  static let leastBytes = 4 << 10
  /// An entry's number. Somebody else may write anything.
  static let numbers: ClosedRange<Int64> = 1...(1 << 53)
  /// Characters of an entry's info.
  static let infoLimit = 255

  /// The last entry that had to go; what the first one of `lines` follows.
  public private(set) var anchor = Link.beginning
  /// The newest entry.
  public private(set) var last = Link.beginning
  /// Oldest first, with their numbers.
  private var entries: [(number: Int64, line: [UInt8])] = []
  private(set) var bytes = 0
  /// Hash of all entries (`digest`) while something is wrong with them that the CSMS was told: as long as they are these, there
  /// is nothing new to tell. `nil` while the chain holds.
  private(set) var toldBreak: String?

  public init() {}

  init(restoring records: [String: [UInt8]], state: JSONValue?) {
    for (key, line) in records.sorted(by: { $0.key < $1.key }) {
      guard let number = Int64(key), Self.numbers.contains(number), Self.key(number) == key else { continue }
      entries.append((number, line))
      bytes += line.count
    }
    let first = entries.first.map { Link(number: $0.number - 1, hash: Self.previous(of: $0.line) ?? "") }
    anchor = Link(state?["anchor"]) ?? first ?? .beginning
    last =
      Link(state?["last"]) ?? entries.last.map { Link(number: $0.number, hash: Self.hash(of: $0.line) ?? "") } ?? anchor
    // A number is never used twice, whatever became of the record beside.
    if let newest = entries.last, newest.number > last.number {
      last = Link(number: newest.number, hash: Self.hash(of: newest.line) ?? "")
    }
    toldBreak = state?["toldBreak"]?.stringValue
  }

  /// The lines of the entries, oldest first, without line feeds.
  public var lines: [[UInt8]] { entries.map(\.line) }

  /// What is kept beside the entries.
  var state: JSONValue {
    .members(["anchor": anchor.json, "last": last.json, "toldBreak": toldBreak.map { .string($0) }])
  }

  /// Of all entries as they are.
  private var digest: String { SHA256.hexadecimal(Array(lines.joined(separator: [0x0A]))) }

  /// What is wrong now is told, or nothing is wrong any more. False when that was known.
  mutating func noticeBreak(_ isBroken: Bool) -> Bool {
    let digest = isBroken ? self.digest : nil
    defer { toldBreak = digest }
    return toldBreak != digest
  }

  static func key(_ number: Int64) -> String { LedgerCollection.key(number) }

  func record(_ key: String) -> [UInt8]? {
    guard let number = Int64(key) else { return nil }
    return entries.first { $0.number == number }?.line
  }

  /// Adds an entry. Returns its key, and those of the entries that had to go for it.
  mutating func add(
    _ type: String, _ info: String?, at time: DateTime, clock: ClockSource, bound: Int
  ) -> (key: String, gone: [String]) {
    let number = last.number + 1
    var members = [
      JSONMember(name: "n", value: .integer(number)), JSONMember(name: "ts", value: .string(time.description)),
      JSONMember(name: "clock", value: .string(clock.rawValue)), JSONMember(name: "type", value: .string(type)),
    ]
    if let info {
      members.append(JSONMember(name: "info", value: .string(String(info.unicodeScalars.prefix(Self.infoLimit)))))
    }
    members.append(JSONMember(name: "previous", value: .string(last.hash)))
    let body = Array(JSONValue.object(members).bytes.dropLast())
    let hash = SHA256.hexadecimal(body)
    let line = body + Array(#","hash":"\#(hash)"}"#.utf8)
    last = Link(number: number, hash: hash)
    entries.append((number, line))
    bytes += line.count
    var gone: [String] = []
    var count = 0
    while bytes > bound, count < entries.count - 1 {
      let oldest = entries[count]
      anchor = Link(number: oldest.number, hash: Self.hash(of: oldest.line) ?? "")
      bytes -= oldest.line.count
      gone.append(Self.key(oldest.number))
      count += 1
    }
    entries.removeFirst(count)
    if toldBreak != nil { toldBreak = digest }
    return (Self.key(number), gone)
  }

  // MARK: Verifying

  /// Checks lines that follow `anchor`; `last`, where it is known, is what they must end with.
  /// - Returns: what is wrong, one line each, at most ten; empty when the chain holds.
  public static func problems(_ lines: [[UInt8]], after anchor: Link, last: Link? = nil) -> [String] {
    var problems: [String] = []
    var before = anchor
    for (index, line) in lines.enumerated() where problems.count < problemsLimit {
      guard let (body, hash) = parts(of: line), let json = try? JSONValue.parse(line, maxDepth: 4),
        let number = json["n"]?.intValue, numbers.contains(Int64(number))
      else {
        problems.append("line \(index + 1) is no entry of a security log")
        continue
      }
      if number != before.number + 1 {
        problems.append("entry \(number) follows entry \(before.number): something in between is missing or was put in")
      } else if json["previous"]?.stringValue != before.hash {
        problems.append(
          "entry \(number) does not follow entry \(before.number) as it is now: one of the two was changed")
      }
      if SHA256.hexadecimal(Array(body)) != hash { problems.append("entry \(number) was changed") }
      before = Link(number: Int64(number), hash: hash)
    }
    if problems.isEmpty, let last, before != last {
      problems.append(
        before.number == last.number
          ? "entry \(last.number) is another than the station wrote"
          : "it ends with entry \(before.number), the station wrote \(last.number)")
    }
    return Array(problems.prefix(problemsLimit))
  }

  private static let problemsLimit = 10

  /// What is wrong with it.
  public var problems: [String] { Self.problems(lines, after: anchor, last: last) }

  private static let hashLength = #","hash":""}"#.utf8.count + 64

  private static func parts(of line: [UInt8]) -> (body: ArraySlice<UInt8>, hash: String)? {
    guard line.count > hashLength else { return nil }
    let tail = line.suffix(hashLength)
    guard tail.starts(with: #","hash":""#.utf8), tail.last == UInt8(ascii: "}") else { return nil }
    return (line.dropLast(hashLength), String(decoding: tail.dropFirst(9).prefix(64), as: UTF8.self))
  }

  private static func hash(of line: [UInt8]) -> String? { parts(of: line)?.hash }

  private static func previous(of line: [UInt8]) -> String? {
    (try? JSONValue.parse(line, maxDepth: 4))?["previous"]?.stringValue
  }

  /// When it was written, UTC milliseconds.
  static func time(of line: [UInt8]) -> Int64? {
    (try? JSONValue.parse(line, maxDepth: 4))?["ts"]?.stringValue.flatMap { DateTime($0)?.unixMilliseconds }
  }
}

extension Station {
  /// Writes the event down, in the commit of what it comes with; or after it, when nothing is to wait for it.
  mutating func recordSecurityEvent(_ type: String, _ info: String?, isLate: Bool = false) {
    let bound = max(
      SecurityLog.leastBytes, number(Setting.securityLogMaxBytes, default: SecurityLog.defaultBytes))
    let (key, gone) = securityLog.add(type, info, at: timestamp, clock: clock.source, bound: bound)
    var changes = gone.map { LedgerWrite.delete(.securityLog, key: $0) }
    if let line = securityLog.record(key) { changes.append(.put(.securityLog, key: key, value: line)) }
    changes.append(.put(.station, key: StationRecord.securityLog.rawValue, value: securityLog.state.bytes))
    if isLate { lateWrites += changes } else { writes += changes }
  }

  /// Looked at when the station starts: somebody may have had the medium in his hands, or it was damaged.
  mutating func verifySecurityLog() {
    let problems = securityLog.problems
    for problem in problems { log(.error, "security log: \(problem)") }
    guard securityLog.noticeBreak(!problems.isEmpty) else { return }
    if let first = problems.first {
      securityEvent("SecurityLogWasCleared", first)
    } else {
      persistStation(.securityLog)
    }
  }
}
