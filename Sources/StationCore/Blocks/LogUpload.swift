import OCPP

/// The upload of a log (N01), from GetLog to its last LogStatusNotification.
///
/// GetLog is answered when the file is on the medium, or it is known that there is nothing to upload. The upload is in the ledger before the answer
/// leaves, and every attempt before it begins: after a power cut the next attempt is made, or, where none is left, the CSMS
/// hears UploadFailure. All status messages go through the outbox, so that none is lost or overtakes another.
struct LogUpload: Hashable, Sendable {
  var requestId: Int
  var type: LogEnumType
  var location: String
  /// Name of the file, here and there.
  var file: String
  var bytes = 0
  /// Attempts that may still begin.
  var attemptsLeft: Int
  /// From the beginning of an attempt to that of the next, milliseconds.
  var interval: Int64
  /// The last status that was told.
  var status = UploadLogStatusEnumType.uploading
  /// An attempt is under way.
  var isUploading = false
  /// No attempt was made before.
  var isFirst = true
  /// When the last attempt began, monotonic.
  var startedAt: Int64 = 0
  /// While the CSMS is away the next attempt waits for it until then, monotonic; `nil`: it does not wait.
  var waitsUntil: Int64?

  /// Attempts and interval are limited, so that no upload goes on for ever.
  static let attemptsLimit = 100
  static let bytesLimit: Int64 = 64 << 20
  static let intervalLimit = 86_400
  /// Where the CSMS leaves the interval to the station, seconds.
  static let ownInterval = 60
  /// How long an attempt waits for the CSMS, milliseconds; then it is made anyway.
  static let offlineWait: Int64 = 600_000

  var json: JSONValue {
    .members([
      "requestId": .int(requestId), "type": .string(type.rawValue), "location": .string(location),
      "file": .string(file), "bytes": .int(bytes), "attemptsLeft": .int(attemptsLeft),
      "interval": .integer(interval), "isFirst": .bool(isFirst),
    ])
  }

  init(
    requestId: Int, type: LogEnumType, location: String, file: String, attempts: Int, interval: Int64
  ) {
    self.requestId = requestId
    self.type = type
    self.location = location
    self.file = file
    attemptsLeft = attempts
    self.interval = interval
  }

  init?(record: [UInt8]) {
    guard let json = try? JSONValue.parse(record), let requestId = json["requestId"]?.intValue,
      let type = json["type"]?.stringValue.flatMap(LogEnumType.init(rawValue:)),
      let location = json["location"]?.stringValue, let file = json["file"]?.stringValue,
      let attempts = json["attemptsLeft"]?.intValue, let interval = json["interval"]?.intValue
    else { return nil }
    self.init(
      requestId: requestId, type: type, location: location, file: file, attempts: attempts, interval: Int64(interval))
    bytes = json["bytes"]?.intValue ?? 0
    isFirst = json["isFirst"] == true
  }
}

extension Station {
  mutating func getLog(_ request: GetLogRequest, _ call: IncomingCall) {
    func reject(_ reason: String, _ detail: String) {
      log(.notice, "GetLog \(request.requestId) rejected: \(detail)")
      answer(
        call,
        GetLogResponse(status: .rejected, statusInfo: StatusInfoType(reasonCode: reason, additionalInfo: detail)))
    }
    let location = request.log.remoteLocation
    if let why = transferRefusal(location) { return reject("InvalidURL", why) }
    guard !logs.isPreparing else { return reject("InternalError", "a log is being put together already") }
    let oldest = request.log.oldestTimestamp?.unixMilliseconds
    let latest = request.log.latestTimestamp?.unixMilliseconds
    if let oldest, let latest, oldest > latest {
      return reject("InvalidValue", "oldestTimestamp is after latestTimestamp")
    }
    let attempts = 1 + min(max(request.retries ?? 0, 0), LogUpload.attemptsLimit)
    let interval = Int64(min(max(request.retryInterval ?? LogUpload.ownInterval, 0), LogUpload.intervalLimit)) * 1000
    let upload = LogUpload(
      requestId: request.requestId, type: request.logType, location: location,
      file: logFileName(request.logType, request.requestId), attempts: attempts, interval: interval)
    let contents: LogContents
    if request.logType == .securityLog {
      let lines = securityLog.lines.filter { line in
        guard oldest != nil || latest != nil else { return true }
        guard let time = SecurityLog.time(of: line) else { return true }
        return time >= oldest ?? .min && time <= latest ?? .max
      }
      guard !lines.isEmpty else { return reject("NotFound", "nothing is from that time") }  // N01.FR.05
      contents = .lines(lines)
    } else {
      contents = .diagnostics(oldest: oldest, latest: latest)
    }
    let caller = Logs.Caller(call: call, generation: connection.generation)
    ask(.prepare(file: upload.file, contents), .prepare(caller, upload))
  }

  /// Unique among the uploads that can be there at one time, and for people.
  private func logFileName(_ type: LogEnumType, _ requestId: Int) -> String {
    let identity = String(
      String.UnicodeScalarView(
        connection.identity.unicodeScalars.prefix(40).map { scalar in
          scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)) ? scalar : "-"
        }))
    let time = timestamp.description.filter { $0.isNumber || $0 == "T" }
    return "\(identity)-\(type.rawValue)-\(time)-\(requestId).jsonl"
  }

  mutating func logPrepared(_ caller: Logs.Caller, _ upload: LogUpload, _ reply: LogReply) {
    let isConnected = isOnline && caller.generation == connection.generation
    func reject(_ reason: String, _ detail: String) {
      log(.notice, "GetLog \(upload.requestId) rejected: \(detail)")
      guard isConnected else { return }
      answer(
        caller.call,
        GetLogResponse(status: .rejected, statusInfo: StatusInfoType(reasonCode: reason, additionalInfo: detail)))
    }
    switch reply {
    case .prepared(let bytes):
      guard isConnected else {
        // Nobody knows that it was accepted.
        log(.notice, "GetLog \(upload.requestId): the connection it came on is gone")
        return removeTransferFile(upload.file)
      }
      let isReplacing = logs.upload != nil
      rememberLogUpload(caller.call)
      answer(
        caller.call, GetLogResponse(status: isReplacing ? .acceptedCanceled : .accepted, filename: upload.file))
      if isReplacing { finishLogUpload(.acceptedCanceled) }  // N01.FR.12, N01.FR.20
      logs.upload = upload
      logs.upload?.bytes = bytes
      startLogUpload()
    case .failed(let why): reject("InternalError", why)
    default: reject("NotFound", "nothing is from that time")  // N01.FR.05
    }
  }

  /// The CSMS is there again: an attempt that waits for it begins.
  mutating func resumeLogUpload() {
    if logs.upload?.waitsUntil != nil { startLogUpload() }
  }

  /// Begins the next attempt, or says that there is none. Attempts are few: one that would be made while the CSMS is away, and
  /// with it most likely the way to the file server, waits for it, but not for ever.
  mutating func startLogUpload() {
    guard var upload = logs.upload, !upload.isUploading else { return }
    guard upload.attemptsLeft > 0 else { return finishLogUpload(.uploadFailure) }
    if !isOnline, now.monotonic < upload.waitsUntil ?? .max {
      let until = upload.waitsUntil ?? now.monotonic + LogUpload.offlineWait
      logs.upload?.waitsUntil = until
      return emit(.setTimer(.logUpload, at: until))
    }
    if upload.waitsUntil != nil { stopTimer(.logUpload) }
    upload.waitsUntil = nil
    startTransfer(
      Transfer(
        kind: .log, direction: .upload, location: upload.location, file: upload.file, resumes: !upload.isFirst,
        maxBytes: LogUpload.bytesLimit, trustsSystemRoots: flag(Setting.fileTransferSystemRoots, default: true)))
    upload.attemptsLeft -= 1
    upload.startedAt = now.monotonic
    upload.isUploading = true
    upload.isFirst = false
    logs.upload = upload
    persistStation(.logUpload)
    tellLogStatus(.uploading)  // N01.FR.08
  }

  /// An attempt has ended.
  mutating func logUploadEnded(_ result: TransferResult) {
    logs.upload?.isUploading = false
    guard let upload = logs.upload else { return }
    guard case .failed(let reason, let why) = result else {
      log(.info, "log \(upload.file) uploaded")
      return finishLogUpload(.uploaded)  // N01.FR.09
    }
    log(.warning, "log \(upload.file) not uploaded: \(why)")
    let failure: UploadLogStatusEnumType =
      switch reason {
      case .refused: .permissionDenied
      case .unsupported: .notSupportedOperation
      case .badMessage: .badMessage
      default: .uploadFailure
      }
    guard upload.attemptsLeft > 0 else { return finishLogUpload(failure) }
    tellLogStatus(failure)  // N01.FR.10
    scheduleLogUpload(upload)
  }

  private mutating func scheduleLogUpload(_ upload: LogUpload) {
    emit(.setTimer(.logUpload, at: max(now.monotonic + 1000, upload.startedAt + upload.interval)))
  }

  /// What is being uploaded may hold what is to be cleared: it ends, and its file goes. The security log never holds any.
  mutating func endUploadForClearing(_ call: IncomingCall) {
    guard let upload = logs.upload, upload.type != .securityLog else { return }
    rememberLogUpload(call)
    log(.notice, "log \(upload.file) not uploaded: a customer is cleared, who may be in it")
    finishLogUpload(.uploadFailure)
  }

  private mutating func rememberLogUpload(_ call: IncomingCall) {
    rememberUndo(call, .logUpload(logs.upload, transfers.active[.log], firstMessage: outbox.nextID))
  }

  /// The answer did not leave: nothing was begun or ended, and nothing of it is told. The transfer that was to be cancelled
  /// goes on, or has ended since.
  mutating func undoLogUpload(_ before: LogUpload?, _ transfer: Transfers.Active?, firstMessage: Int64) {
    let told = outbox.messages.map(\.queued).filter { message in
      message.id >= firstMessage && message.action == LogStatusNotificationRequest.action
    }
    for message in told { drop(message.id) }
    stopTimer(.logUpload)
    logs.upload = before
    transfers.active[.log] = transfer
    if let transfer, let ended = transfers.unheard, ended.id == transfer.id {
      transferTold(transfer.id, .ended(ended.result))
    } else if let before, !before.isUploading {
      logs.upload?.waitsUntil = nil
      scheduleLogUpload(before)
    }
  }

  /// The last status of the upload; nothing of it is left.
  private mutating func finishLogUpload(_ status: UploadLogStatusEnumType) {
    guard let upload = logs.upload else { return }
    cancelTransfer(.log)
    stopTimer(.logUpload)
    tellLogStatus(status)
    removeTransferFile(upload.file)
    logs.upload = nil
    persistStation(.logUpload)
  }

  /// N01.FR.07: always with the request's id.
  private mutating func tellLogStatus(_ status: UploadLogStatusEnumType) {
    logs.upload?.status = status
    enqueue(LogStatusNotificationRequest(status: status, requestId: logs.upload?.requestId), transactionID: nil)
  }

  /// Why nothing can be transferred to or from this place; `nil` when it can.
  func transferRefusal(_ location: String) -> String? {
    guard let parts = FileLocation(location) else { return "remoteLocation is no URL that the station can use" }
    let name = parts.scheme.protocolName
    return list(Setting.fileTransferProtocols).contains(name) ? nil : "FileTransferProtocols does not have \(name)"
  }
}
