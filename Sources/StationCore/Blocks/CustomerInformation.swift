import DequeModule
import OCPP

/// Functional block N: what the station knows of a customer, told and cleared (N09, N10).
///
/// Looked through are the authorization cache, the local list, open transactions, messages that wait for the CSMS, those
/// that were given up, and the diagnostics log. Cleared is all of it but the local list, which is the CSMS' own (N10.FR.02), and
/// transactions that are open or not yet delivered: they are kept until the CSMS has them, as the report says, and then all
/// is cleared again, since delivering them leaves traces in the cache and in the logs. Of a
/// message that was given up, what was charged stays, and the identifiers go. The security log never holds any.
struct CustomerRequest: Hashable, Sendable {
  var requestId: Int
  var isReport: Bool
  var isClear: Bool
  /// The connection that it came on: the report is for no other.
  var generation: Int
  var identifiers: [CustomerIdentifier]
  /// What the core found, one line each.
  var findings: [String]
  /// What is kept until it is delivered: one line, or empty.
  var kept: String

  /// Characters of a part's data (NotifyCustomerInformation).
  static let partLength = 512
  /// Bytes of what is told of the messages, and of the lines of the log; the rest is counted.
  static let limit = 32 << 10
}

extension Station {
  mutating func customerInformation(_ request: CustomerInformationRequest, _ call: IncomingCall) {
    func finish(_ status: CustomerInformationStatusEnumType, _ reason: String, _ detail: String) {
      answer(
        call,
        CustomerInformationResponse(
          status: status, statusInfo: StatusInfoType(reasonCode: reason, additionalInfo: detail)))
    }
    let references =
      (request.idToken == nil ? 0 : 1) + (request.customerCertificate == nil ? 0 : 1)
      + (request.customerIdentifier == nil ? 0 : 1)
    guard references == 1 else {
      // N09.FR.09
      return finish(
        .invalid, references == 0 ? "MissingParam" : "TooManyElements",
        "expected one of idToken, customerCertificate, customerIdentifier")
    }
    guard request.report || request.clear else {
      return finish(.rejected, "InvalidValue", "neither report nor clear")  // N09.FR.07, N10.FR.07
    }
    // N09.FR.03, N10.FR.05
    guard provisioning.reports.count < ReportInProgress.limit, !logs.isWorkingForCustomers else {
      return finish(.rejected, "InternalError", "too many reports are being sent")
    }
    if request.clear {
      guard !storage.isFailing else { return finish(.rejected, "InternalError", "nothing can be stored now") }
      guard !logs.isPreparing else {
        return finish(.rejected, "InternalError", "a log is being put together, which may hold what is to be cleared")
      }
    }
    // No contract certificate is ever stored, so nothing is known by one.
    let known =
      request.idToken.map { [CustomerIdentifier($0)] } ?? request.customerIdentifier.map { [CustomerIdentifier($0)] }
      ?? []
    let identifiers = CustomerIdentifiers(known)
    var work = CustomerRequest(
      requestId: request.requestId, isReport: request.report, isClear: request.clear,
      generation: connection.generation, identifiers: known, findings: findings(of: identifiers),
      kept: kept(of: identifiers))
    if !request.report { work.findings = [] }
    if request.clear {
      clear(identifiers, call)
      endUploadForClearing(call)
      logs.clearBegins(known)
      persistStation(.customerClear)
    }
    answer(call, CustomerInformationResponse(status: .accepted))
    ask(
      .customer(
        identifiers: known, clear: request.clear, limit: request.report ? CustomerRequest.limit : 0),
      .customer(work))
  }

  /// Cache, list and messages that were given up, as they are.
  private func findings(of identifiers: CustomerIdentifiers) -> [String] {
    var findings: [String] = []
    for key in authorizationCache.entries.keys.sorted() {
      guard let record = authorizationCache.record(key).flatMap({ try? JSONValue.parse($0) }), identifiers.isIn(record)
      else { continue }
      findings.append("Authorization cache: \(record.text)")
    }
    for key in localList.entries.keys.sorted() {
      guard let record = localList.record(key).flatMap({ try? JSONValue.parse($0) }), identifiers.isIn(record) else {
        continue
      }
      findings.append("Local authorization list, which SendLocalList changes: \(record.text)")
    }
    var room = CustomerRequest.limit
    var omitted = 0
    for entry in undelivered.entries where identifiers.isIn(entry.record) {
      room -= entry.size
      if room >= 0 { findings.append("Given up: \(entry.record.text)") } else { omitted += 1 }
    }
    if omitted > 0 { findings.append("Given up: \(omitted) more messages, see station ctl undelivered") }
    return findings
  }

  private func kept(of identifiers: CustomerIdentifiers) -> String {
    var transactions = evses.compactMap { evse -> String? in
      guard let transaction = evse.transaction else { return nil }
      let tokens = [transaction.idToken, transaction.groupIdToken].compactMap { $0?.idToken }
      return tokens.contains(where: identifiers.isIn) ? transaction.id : nil
    }
    var messages = 0
    for message in outbox.messages where !identifiers.isEmpty {
      guard let payload = try? JSONValue.parse(message.queued.payload, maxDepth: 32), identifiers.isIn(payload) else {
        continue
      }
      messages += 1
      if let id = message.queued.transactionID, !transactions.contains(id) { transactions.append(id) }
    }
    guard !transactions.isEmpty || messages > 0 else { return "" }
    let named = transactions.prefix(8).joined(separator: ", ") + (transactions.count > 8 ? ", ..." : "")
    return "Kept until the CSMS has it: \(messages) messages, transactions: \(named.isEmpty ? "none" : named)"
  }

  private mutating func clear(_ identifiers: CustomerIdentifiers, _ call: IncomingCall) {
    rememberUndo(call, .customer(authorizationCache, undelivered, logs))
    forget(identifiers)
  }

  private mutating func forget(_ identifiers: CustomerIdentifiers) {
    let keys = authorizationCache.entries.keys.sorted().filter { key in
      authorizationCache.record(key).flatMap { try? JSONValue.parse($0) }.map(identifiers.isIn) == true
    }
    for key in keys { authorizationCache.remove(key) }
    cacheChanged(keys)
    for key in undelivered.blot(identifiers) {
      if let record = undelivered.record(key) { persist(.put(.undelivered, key: key, value: record.bytes)) }
    }
  }

  /// The logs have been looked through, and what was to be cleared is.
  mutating func report(_ request: CustomerRequest, _ reply: LogReply) {
    var findings = request.findings
    var problems: [String] = []
    switch reply {
    case .customer(let lines, let count, let found):
      findings += lines.map { "Diagnostics log: \($0)" }
      if request.isReport, count > lines.count { findings.append("Diagnostics log: \(count - lines.count) more lines") }
      problems = found
    case .failed(let why): problems = [why]
    default: break
    }
    if !request.kept.isEmpty, request.isReport { findings.append(request.kept) }
    var text = findings.joined(separator: "\n")
    if !request.isReport {
      // N10.FR.06
      text = (["The customer's data were cleared."] + [request.kept].filter { !$0.isEmpty }).joined(separator: " ")
    }
    if request.isClear, !problems.isEmpty {
      text += (text.isEmpty ? "" : "\n") + "Not cleared: \(problems.joined(separator: "; "))"
    }
    guard isOnline, request.generation == connection.generation else {
      return log(.notice, "customer information \(request.requestId): the connection it was asked on is gone")
    }
    // N09.FR.06, N10.FR.04: no data is one part with an empty text.
    send(report: .customer(Self.parts(of: text)), requestId: request.requestId)
  }

  /// What was cleared in the ledger is gone from the logs too, or that will be tried again at the next start, or when nothing is
  /// kept of the customer any more. Last of all the ledger forgets of whom that was.
  mutating func clearEnded(_ identifiers: [CustomerIdentifier], _ reply: LogReply, for request: CustomerRequest?) {
    if case .customer(_, _, let problems) = reply, problems.isEmpty {
      if kept(of: CustomerIdentifiers(identifiers)).isEmpty {
        logs.clearEnded(identifiers)
        persistStation(.customerClear)
      } else {
        logs.clearsWait = true
      }
    }
    ask(.erase, .erase(request, reply))
  }

  mutating func erased(_ reply: LogReply, _ request: CustomerRequest?, _ cleared: LogReply) {
    var problems: [String] = []
    if case .customer(_, _, let found) = cleared { problems = found }
    if case .failed(let why) = cleared { problems = [why] }
    if case .failed(let why) = reply { problems.append(why) }
    if problems.isEmpty {
      log(.notice, "customer information is cleared")
      logs.owesErasure = !logs.unfinishedClears.isEmpty
      persistStation(.customerClear)
    } else {
      log(.error, "customer information is not cleared everywhere: \(problems.joined(separator: "; "))")
    }
    guard let request else { return }
    if case .customer(let lines, let count, _) = cleared {
      report(request, .customer(lines: lines, count: count, problems: problems))
    } else {
      report(request, .failed(problems.joined(separator: "; ")))
    }
  }

  /// Nothing is kept any more, of anybody.
  mutating func settleClears() {
    guard logs.clearsWait, outbox.messages.isEmpty, !storage.isFailing else { return }
    guard evses.allSatisfy({ $0.transaction == nil }) else { return }
    logs.clearsWait = false
    clearAgain()
  }

  /// What a power cut or a failure has left, and what was kept until now.
  mutating func clearAgain() {
    guard logs.owesErasure else { return }
    let identifiers = logs.unfinishedClears
    guard !identifiers.isEmpty else {
      return ask(.erase, .erase(nil, .customer(lines: [], count: 0, problems: [])))
    }
    forget(CustomerIdentifiers(identifiers))
    ask(.customer(identifiers: identifiers, clear: true, limit: 0), .clearAgain(identifiers))
  }

  static func parts(of text: String) -> [String] {
    let scalars = Array(text.unicodeScalars)
    guard !scalars.isEmpty else { return [""] }
    return stride(from: 0, to: scalars.count, by: CustomerRequest.partLength).map { start in
      var part = String.UnicodeScalarView()
      part.append(contentsOf: scalars[start..<min(start + CustomerRequest.partLength, scalars.count)])
      return String(part)
    }
  }
}
