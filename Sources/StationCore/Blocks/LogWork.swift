import OCPP

/// What the core has to do with logs: work that was asked of them, and the upload that is under way (N01).
struct Logs: Sendable {
  /// A call of the CSMS that is answered when the logs have answered.
  struct Caller: Hashable, Sendable {
    var call: IncomingCall
    var generation: Int
  }

  enum Work: Hashable, Sendable {
    case bound
    /// What a power cut or a failure has left.
    case clearAgain([CustomerIdentifier])
    /// The last step of clearing; the request that is to be answered then, with what the logs have said.
    case erase(CustomerRequest?, LogReply)
    case prepare(Caller, LogUpload)
    case customer(CustomerRequest)
  }

  private(set) var work: [Int64: Work] = [:]
  private var nextID: Int64 = 1
  var upload: LogUpload?
  /// Identifiers that were cleared in the ledger, and of which it is not known yet that the logs are rid of them, or that are
  /// in what is kept until the CSMS has it. In the ledger, so that a power cut leaves nothing half cleared.
  private(set) var unfinishedClears: [CustomerIdentifier] = []
  /// Some of them are in what is kept: they are cleared again when it is gone.
  var clearsWait = false
  /// What was deleted, the identifiers above at the last, is not yet overwritten on the medium.
  var owesErasure = false

  /// Bound of the diagnostics log in bytes, where the device model gives none, and the least.
  static let defaultBytes = 4 << 20
  static let leastBytes = 64 << 10

  /// More are not remembered: the oldest goes, with what was found of it then.
  static let clearsLimit = 16

  init(restoring records: [String: [UInt8]]) {
    upload = records[StationRecord.logUpload.rawValue].flatMap { LogUpload(record: $0) }
    let clears = records[StationRecord.customerClear.rawValue].flatMap { try? JSONValue.parse($0) }
    unfinishedClears = clears?.arrayValue?.compactMap { CustomerIdentifier(json: $0) } ?? []
    owesErasure = clears != nil
  }

  var clearRecord: [UInt8]? {
    !owesErasure ? nil : JSONValue.array(unfinishedClears.map(\.json)).bytes
  }

  mutating func clearBegins(_ identifiers: [CustomerIdentifier]) {
    unfinishedClears.removeAll { identifiers.contains($0) }
    unfinishedClears += identifiers
    owesErasure = true
    unfinishedClears.removeFirst(max(0, unfinishedClears.count - Self.clearsLimit))
  }

  mutating func clearEnded(_ identifiers: [CustomerIdentifier]) {
    unfinishedClears.removeAll { identifiers.contains($0) }
  }

  /// What has begun since was not stored.
  mutating func clearRefused(_ before: Logs) {
    unfinishedClears = before.unfinishedClears
    owesErasure = before.owesErasure
  }

  mutating func begin(_ work: Work) -> Int64 {
    defer { nextID += 1 }
    self.work[nextID] = work
    return nextID
  }

  mutating func end(_ id: Int64) -> Work? { work.removeValue(forKey: id) }

  var isPreparing: Bool { work.values.contains { if case .prepare = $0 { true } else { false } } }
  var isWorkingForCustomers: Bool { work.values.contains { if case .customer = $0 { true } else { false } } }
}

extension Station {
  mutating func ask(_ request: LogRequest, _ work: Logs.Work) { emit(.logs(id: logs.begin(work), request)) }

  mutating func tellLogBound() {
    let bytes = max(Logs.leastBytes, number(Setting.diagnosticsLogMaxBytes, default: Logs.defaultBytes))
    ask(.bound(bytes: bytes), .bound)
  }

  mutating func logsAnswered(_ id: Int64, _ reply: LogReply) {
    switch logs.end(id) {
    case .prepare(let caller, let upload): logPrepared(caller, upload, reply)
    case .customer(let request) where request.isClear: clearEnded(request.identifiers, reply, for: request)
    case .customer(let request): report(request, reply)
    case .clearAgain(let identifiers): clearEnded(identifiers, reply, for: nil)
    case .erase(let request, let cleared): erased(reply, request, cleared)
    case .bound, nil:
      if case .failed(let why) = reply { log(.warning, "logs: \(why)") }
    }
  }

  /// The commit before it failed: the logs were not asked.
  mutating func logWorkRefused(_ id: Int64) {
    switch logs.end(id) {
    case .prepare(let caller, let upload): logPrepared(caller, upload, .failed("the ledger could not be written"))
    case .clearAgain: logs.clearsWait = true
    // Its call is refused, and what it cleared is taken back.
    case .customer, .bound, nil: break
    case .erase(let request, let cleared): erased(.failed("the ledger could not be written"), request, cleared)
    }
  }
}
