import DeviceModel
import OCPP

/// Functional block C: who may charge. What the local list or the cache knows may be enough (C12-C14); what they do not
/// know is asked of the CSMS, or offline left to OfflineTxForUnknownIdEnabled (C15.FR.08).
struct Authorization: Sendable {
  /// A token on its way to the CSMS.
  struct Request: Sendable {
    var ticket: Int
    var idToken: IdTokenType
    /// EVSEs that the token may be meant for.
    var evses: [Int]
    /// The EVSE that it is meant for; `nil` until the answer says whether it starts or stops something.
    var remoteStart: RemoteStart?
    /// Groups of the sessions that it may have been shown to stop.
    var groups: [IdTokenType]
  }

  struct RemoteStart: Hashable, Sendable {
    var evse: Int
    var remoteStartId: Int
    var groupIdToken: IdTokenType?
  }

  /// An accepted token whose EVSE is about to become free: the vehicle has left, the last reading is still to come.
  struct Waiting: Hashable, Sendable {
    var idToken: IdTokenType
    var group: IdTokenType?
    var info: IdTokenInfoType?
    var evses: [Int]
    /// Monotonic.
    var until: Int64
  }

  var requests: [Request] = []
  var waiting: [Waiting] = []
  /// A master pass waits for a selection at the UI.
  var masterPass: MasterPass?
  var nextTicket = 1

  /// Tokens that may be on their way at one time; a further presentation is ignored.
  static let limit = 8
  /// Longest wait of a token for an EVSE whose transaction ends, milliseconds: the vehicle may take 6 s to end its current, the
  /// contactor and the meter follow.
  static let longestWait: Int64 = 10_000
}

extension Station {
  /// A token was presented at a reader.
  mutating func tokenPresented(_ presentation: TokenPresentation) {
    let token = presentation.idToken
    let served = (presentation.evses ?? evses.map(\.id)).filter { $0 >= 1 && $0 <= evses.count }
    guard !served.isEmpty, stopping == nil else { return }

    // The token that was authorized ends its own authorization, without asking (C01.FR.03, E07.FR.01).
    if let id = served.first(where: { evses[$0 - 1].authorization?.matches(token) == true }) {
      log(.info, "EVSE \(id): stop by the token that started")
      return stopLocally(at: id - 1, token)
    }
    // The owner fetches the cable that was kept locked (E05.FR.11, E09.FR.03).
    if let id = served.first(where: { evses[$0 - 1].heldFor?.matches(token) == true }) {
      log(.info, "EVSE \(id): cable released to its owner")
      evses[id - 1].heldFor = nil
      return
    }
    guard mayStartBeforeAccepted else {
      log(.info, "token ignored: the CSMS has not accepted the station")
      return
    }
    if !flag(Setting.authEnabled, default: true) || token.type == .noAuthorization {
      grant(token, group: nil, info: nil, served: served, remoteStart: nil)
      return
    }
    // Another token of the group ends the session without asking, when it is known here (C01.FR.03, C09.FR.07).
    if let known = known(token)?.info, known.status == .accepted, let group = known.groupIdToken,
      let id = served.first(where: { evses[$0 - 1].authorization?.groupIdToken?.isSame(as: group) == true }),
      !served.contains(where: { isFree(at: $0 - 1) && evses[$0 - 1].isConnected })
    {
      log(.info, "EVSE \(id): stop by a known token of the group")
      return stopLocally(at: id - 1, token)
    }
    check(token, served: served, remoteStart: nil)
  }

  /// What is known of a token here, and where it is known: the list comes before the cache (C13.FR.01, C14.FR.01).
  private mutating func known(_ token: IdTokenType) -> (info: IdTokenInfoType, isListed: Bool)? {
    if let info = listed(token) { return (info, true) }
    // An entry of the list that has expired does not make way for the cache.
    if listIsEnabled, localList.entries[token.storageKey] != nil { return nil }
    return cached(token).map { ($0, false) }
  }

  /// Finds out whether a token may charge: here when that is allowed and enough, else by the CSMS.
  /// - Parameter groupsBefore: of the sessions that were there when it was shown.
  mutating func check(
    _ token: IdTokenType, served: [Int], remoteStart: Authorization.RemoteStart?, groupsBefore: [IdTokenType] = []
  ) {
    let known = known(token)
    let isLocalEnough = flag(
      isOnline ? Setting.localPreAuthorize : Setting.localAuthorizeOffline, default: !isOnline)
    if let known, known.info.status == .accepted,
      isLocalEnough || flag(Setting.disableRemoteAuthorization, default: false)
    {
      log(.info, "token known in the \(known.isListed ? "local list" : "cache")")
      let group = known.info.groupIdToken ?? remoteStart?.groupIdToken
      return grant(
        token, group: group, info: known.info, served: served, remoteStart: remoteStart, groupsBefore: groupsBefore)
    }
    if flag(Setting.disableRemoteAuthorization, default: false) {
      log(.info, "token refused: not accepted here, and DisableRemoteAuthorization is set")
      return
    }
    guard isOnline else {
      if let known { return log(.info, "token refused offline: known here as \(known.info.status.rawValue)") }
      // C13.FR.06: unknown is who is in neither; an entry that has expired is in the list.
      if listIsEnabled, localList.entries[token.storageKey] != nil {
        return log(.info, "token refused offline: its entry in the local list has expired")
      }
      return authorizeOffline(token, served: served, remoteStart: remoteStart)
    }
    if let known, known.info.status != .accepted, isLocalEnough,
      flag(
        known.isListed ? Setting.localListDisablePostAuthorize : Setting.authCacheDisablePostAuthorize, default: false)
    {
      log(.info, "token refused: known here as \(known.info.status.rawValue), DisablePostAuthorize is set")
      return
    }
    askCSMS(token, served: served, remoteStart: remoteStart)
  }

  /// Before the first Accepted a session needs TxBeforeAcceptedEnabled (B02.FR.03, B03.FR.01). A station that was
  /// accepted once keeps working offline.
  var mayStartBeforeAccepted: Bool {
    provisioning.wasAccepted || provisioning.registration == .none && !isOnline
      || flag(Setting.txBeforeAcceptedEnabled, default: false)
  }

  private mutating func askCSMS(_ token: IdTokenType, served: [Int], remoteStart: Authorization.RemoteStart?) {
    let isRepeated = authorization.requests.contains { $0.idToken.isSame(as: token) && $0.remoteStart == remoteStart }
    guard !isRepeated, authorization.requests.count < Authorization.limit else {
      log(.info, "token ignored: \(isRepeated ? "it is being authorized already" : "too many are being authorized")")
      return
    }
    let ticket = authorization.nextTicket
    authorization.nextTicket += 1
    authorization.requests.append(
      Authorization.Request(
        ticket: ticket, idToken: token, evses: served, remoteStart: remoteStart,
        groups: served.compactMap { evses[$0 - 1].authorization?.groupIdToken }))
    call(AuthorizeRequest(idToken: token), for: .authorize(ticket))
  }

  private mutating func takeRequest(_ ticket: Int) -> Authorization.Request? {
    guard let index = authorization.requests.firstIndex(where: { $0.ticket == ticket }) else { return nil }
    return authorization.requests.remove(at: index)
  }

  mutating func authorizeAnswered(_ ticket: Int, _ response: AuthorizeResponse) {
    guard let request = takeRequest(ticket) else { return }
    let info = response.idTokenInfo
    remember(request.idToken, info)
    guard info.status == .accepted else {
      log(.info, "token not accepted: \(info.status.rawValue)")
      return
    }
    grant(
      request.idToken, group: info.groupIdToken ?? request.remoteStart?.groupIdToken, info: info,
      served: request.evses, remoteStart: request.remoteStart, groupsBefore: request.groups)
  }

  /// No answer that counts: when the link was lost meanwhile the offline rules hold, otherwise it is a no.
  mutating func authorizeFailed(_ ticket: Int) {
    guard let request = takeRequest(ticket) else { return }
    if isOnline {
      log(.info, "token not accepted: the CSMS gave no answer")
    } else {
      check(
        request.idToken, served: request.evses, remoteStart: request.remoteStart, groupsBefore: request.groups)
    }
  }

  private mutating func authorizeOffline(
    _ token: IdTokenType, served: [Int], remoteStart: Authorization.RemoteStart?
  ) {
    guard flag(Setting.offlineTxForUnknownIdEnabled, default: false) else {
      log(.info, "token refused: offline and OfflineTxForUnknownIdEnabled is false")
      return
    }
    grant(token, group: nil, info: nil, served: served, remoteStart: remoteStart)
  }

  /// An accepted token stops a session of its group, or gets an EVSE.
  /// - Parameter groupsBefore: of the sessions that were there when it was shown.
  private mutating func grant(
    _ token: IdTokenType, group: IdTokenType?, info: IdTokenInfoType?, served: [Int],
    remoteStart: Authorization.RemoteStart?, groupsBefore: [IdTokenType] = []
  ) {
    if let remoteStart {
      // The EVSE may have been taken while the CSMS was asked.
      guard isFree(at: remoteStart.evse - 1) else {
        log(.info, "EVSE \(remoteStart.evse): remote start comes too late, the EVSE is in use")
        return
      }
      authorize(
        at: remoteStart.evse - 1, token, group: group, evses: [remoteStart.evse],
        remoteStartId: remoteStart.remoteStartId)
      return
    }
    if isMasterPass(group) { return masterPassAccepted(token) }  // C16.FR.03: it starts nothing
    // C01.FR.21: only at the EVSEs that the CSMS names.
    let allowed = info?.evseId.map { names in served.filter(names.contains) } ?? served
    let free = allowed.filter { isFree(at: $0 - 1) }
    let waiting =
      free.first { evses[$0 - 1].isConnected } ?? free.first { evses[$0 - 1].bayIsOccupied == true }
    if waiting == nil, let group {
      // C09.FR.03: another token of the group ends the session.
      if let id = served.first(where: { evses[$0 - 1].authorization?.groupIdToken?.isSame(as: group) == true }) {
        return stopLocally(at: id - 1, token)
      }
      if let id = served.first(where: { evses[$0 - 1].heldFor?.groupIdToken?.isSame(as: group) == true }) {
        evses[id - 1].heldFor = nil
        return
      }
      guard !groupsBefore.contains(where: { $0.isSame(as: group) }) else {
        return log(.info, "token accepted, but the session of its group has ended meanwhile")
      }
    }
    guard let id = waiting ?? free.first else {
      return waitForEVSE(
        Authorization.Waiting(
          idToken: token, group: group, info: info, evses: allowed, until: now.monotonic + Authorization.longestWait))
    }
    authorize(at: id - 1, token, group: group, evses: waiting == nil ? allowed : [id], remoteStartId: nil)
  }

  // MARK: A token that comes between two transactions

  /// The vehicle has left, which the CSMS has been told, but the transaction has not ended yet.
  private func isAboutToBeFree(at index: Int) -> Bool {
    let evse = evses[index]
    return evse.ending != nil && evse.authorization == nil && evse.heldFor == nil && isUsable(at: index)
      && (!evse.isConnected || evse.arrivedWhileEnding != nil)
  }

  /// Whoever ends a session does not begin one: the same token means the next only with a vehicle that has arrived, another
  /// one of the group was shown to stop it.
  private func mayWait(_ token: Authorization.Waiting, at index: Int) -> Bool {
    guard isAboutToBeFree(at: index), let last = evses[index].transaction else { return false }
    if last.idToken?.isSame(as: token.idToken) == true { return evses[index].arrivedWhileEnding != nil }
    guard let group = token.group else { return true }
    return last.groupIdToken?.isSame(as: group) != true
  }

  private mutating func waitForEVSE(_ token: Authorization.Waiting) {
    guard token.evses.contains(where: { mayWait(token, at: $0 - 1) }),
      !authorization.waiting.contains(where: { $0.idToken.isSame(as: token.idToken) }),
      authorization.waiting.count < Authorization.limit
    else { return log(.info, "token accepted, but no EVSE is free for it") }
    log(.info, "token accepted, it waits for the last transaction to end")
    authorization.waiting.append(token)
    scheduleWaitingTokens()
  }

  /// The timer is of the one whose time is over first.
  private mutating func scheduleWaitingTokens() {
    guard let next = authorization.waiting.map(\.until).min() else { return stopTimer(.waitingTokens) }
    startTimer(.waitingTokens, after: next - now.monotonic)
  }

  /// Gives tokens that wait what has become free. True when one of them got something.
  mutating func settleWaitingTokens() -> Bool {
    guard !authorization.waiting.isEmpty else { return false }
    let before = authorization.waiting.count
    var granted = false
    for token in authorization.waiting {
      let isFree = token.evses.contains { self.isFree(at: $0 - 1) }
      let mayStay = now.monotonic < token.until && token.evses.contains { mayWait(token, at: $0 - 1) }
      guard isFree || !mayStay else { continue }
      authorization.waiting.removeAll { $0 == token }
      if isFree {
        grant(token.idToken, group: token.group, info: token.info, served: token.evses, remoteStart: nil)
        granted = true
      } else {
        log(.info, "token accepted, but no EVSE has become free for it")
      }
    }
    if authorization.waiting.count != before { scheduleWaitingTokens() }
    return granted
  }

  private mutating func stopLocally(at index: Int, _ token: IdTokenType) {
    deauthorize(at: index, trigger: .stopAuthorized, reason: .local, idToken: token)
  }

  /// Nobody is authorized here, it may be used, and no transaction of somebody else is still open (C01.FR.23).
  func isFree(at index: Int) -> Bool {
    let evse = evses[index]
    guard evse.authorization == nil, evse.ending == nil, !evse.isResuming, evse.heldFor == nil, isUsable(at: index)
    else { return false }
    return evse.transaction == nil || evse.transaction?.idToken == nil
  }

  /// Operative, without a fault (a connector is; with a vehicle, its connector), and the ledger can take a transaction if there
  /// is none yet.
  ///
  /// A pending reset lets nothing new begin; what has begun, or what somebody is authorized for here or where `isPromised`,
  /// goes on.
  func isUsable(at index: Int, isPromised: Bool = false) -> Bool {
    let id = evses[index].id
    let mayBegin = provisioning.reset == nil && evses[index].reset == nil && !firmwareWithholdsEVSEs
    let hasBegun = evses[index].authorization != nil || evses[index].transaction != nil
    guard stopping == nil, mayBegin || isPromised || hasBegun, isOperative(evse: id),
      evses[index].transaction != nil || mayRecordTransaction
    else { return false }
    // Before a transaction, what counts is the connector that it would begin at.
    let connected = evses[index].transaction == nil ? evses[index].connectedIndex.map { $0 + 1 } : nil
    return evses[index].connectors.map(\.id).contains { connector in
      (connected == nil || connected == connector) && isOperative(evse: id, connector: connector)
        && !hasBlockingFault(evse: id, connector: connector)
    }
  }

  mutating func authorize(
    at index: Int, _ token: IdTokenType, group: IdTokenType?, evses served: [Int], remoteStartId: Int?
  ) {
    log(.info, "EVSE \(evses[index].id): authorized")
    evses[index].claimedIndex = nil
    evses[index].authorization = Grant(
      idToken: token, groupIdToken: group, remoteStartId: remoteStartId, evses: served, since: now.monotonic)
    for connector in evses[index].connectors.indices { evses[index].connectors[connector].lockHasFailed = false }
    // What an earlier driver's or CSMS' word to stop left behind is not this one's.
    if evses[index].ending == nil { evses[index].transaction?.stopReason = nil }
    startTimer(.evse(TimerID.evReadyName, evses[index].id), after: Self.evReadyTime)
    transactionAuthorized(at: index, trigger: remoteStartId == nil ? .authorized : .remoteStart)
    if !evses[index].isConnected { startConnectionTimer(at: index) }
  }

  /// A driver authorized at a reader of several EVSEs plugs in at this one: the grant, and a transaction that began
  /// with it, move here.
  mutating func adoptWaitingGrant(at index: Int) {
    let id = evses[index].id
    // A transaction may have begun here when the vehicle came into the bay.
    let begun = evses[index].transaction
    guard evses[index].authorization == nil, begun == nil || begun?.idToken == nil, evses[index].ending == nil,
      isUsable(at: index, isPromised: evses[index].reset == nil),
      let other = evses.indices.first(where: {
        $0 != index && !evses[$0].isConnected && evses[$0].ending == nil
          && evses[$0].authorization?.evses.contains(id) == true
          && (evses[$0].transaction == nil || (begun == nil && evses[$0].transaction?.owesBeginValues == true))
      })
    else { return }
    evses[index].authorization = evses[other].authorization
    evses[other].authorization = nil
    stopTimer(.evse(TimerID.evConnectionName, evses[other].id))
    if let transaction = evses[other].transaction {
      evses[index].transaction = transaction
      evses[other].transaction = nil
      persist(.delete(.transaction, key: String(evses[other].id)))
      for name in [TimerID.sampledName, TimerID.txEndedName] { stopTimer(.evse(name, evses[other].id)) }
      startSampling(at: index)
    }
  }

  /// AuthCtrlr.Enabled false: a vehicle is all it takes (C02).
  mutating func authorizeWithoutToken(at index: Int) {
    guard !flag(Setting.authEnabled, default: true), isFree(at: index) else { return }
    authorize(
      at: index, IdTokenType(idToken: "", type: .noAuthorization), group: nil, evses: [evses[index].id],
      remoteStartId: nil)
  }
}

extension TimerID {
  static let waitingTokens = TimerID("waitingTokens")
}
