import DeviceModel
import OCPP

/// Functional block D: the list of tokens that the CSMS has sent (D01, D02). Only SendLocalList changes it; it survives
/// restarts. Bounded by LocalAuthListCtrlr/Entries' maxLimit.
struct LocalAuthorizationList: Sendable {
  private(set) var entries: [String: AuthorizationData] = [:]
  /// 0: the CSMS has sent none yet.
  var version: Int
  private(set) var bytes = 0

  static let defaultCapacity = 1000

  init(restoring records: [String: [UInt8]], version: Int64?) {
    self.version = Int(version ?? 0)
    for (key, record) in records {
      guard let data = try? AuthorizationData.decode(record, version: .v201) else { continue }
      entries[key] = data
      bytes += record.count
    }
  }

  func record(_ key: String) -> [UInt8]? { entries[key]?.encode(version: .v201) }

  mutating func set(_ data: AuthorizationData) {
    remove(data.idToken.storageKey)
    entries[data.idToken.storageKey] = data
    bytes += data.encode(version: .v201).count
  }

  mutating func remove(_ key: String) {
    guard let data = entries.removeValue(forKey: key) else { return }
    bytes -= data.encode(version: .v201).count
  }
}

extension Station {
  private var listIsAvailable: Bool { flag(Setting.localListAvailable, default: false) }
  var listIsEnabled: Bool { listIsAvailable && flag(Setting.localListEnabled, default: true) }

  /// What the list says of a token; `nil` when it does not have it, or its entry has expired where that counts.
  func listed(_ token: IdTokenType) -> IdTokenInfoType? {
    guard listIsEnabled, let info = localList.entries[token.storageKey]?.idTokenInfo else { return nil }
    // C13.FR.05-06, C14.FR.04-05; with an unset clock nothing counts as expired.
    if flag(Setting.localListSupportsExpiry, default: false), clock.source != .unset,
      let expiry = info.cacheExpiryDateTime, wallTime > expiry.unixMilliseconds
    {
      return nil
    }
    return info
  }

  /// SendLocalList (D01).
  mutating func sendLocalList(_ request: SendLocalListRequest, _ call: IncomingCall) {
    guard listIsAvailable else {
      refuse(call, .notSupported, "there is no local authorization list")
      return
    }
    func finish(_ status: SendLocalListStatusEnumType, _ reason: String? = nil, _ detail: String? = nil) {
      let info = reason.map { StatusInfoType(reasonCode: $0, additionalInfo: detail) }
      answer(call, SendLocalListResponse(status: status, statusInfo: info))
    }
    let items = request.localAuthorizationList ?? []
    guard items.count <= number(Setting.itemsPerSendLocalList, default: .max) else {
      refuse(call, .occurrenceConstraintViolation, "more items than ItemsPerMessage of SendLocalList")
      return
    }
    guard listIsEnabled else { return finish(.failed, "NotEnabled", "LocalAuthListCtrlr/Enabled is false") }
    guard !storage.isFailing else { return finish(.failed, "InternalError", "it could not be stored") }
    guard request.versionNumber > 0 else { return finish(.failed, "InvalidValue", "versionNumber") }  // D01.FR.18
    let keys = items.map(\.idToken.storageKey)
    guard Set(keys).count == keys.count else { return finish(.failed, "DuplicateValue", "idToken") }  // D01.FR.06
    var list = localList
    switch request.updateType {
    case .full:
      guard items.allSatisfy({ $0.idTokenInfo != nil }) else {
        return finish(.failed, "MissingParam", "idTokenInfo")
      }
      list = LocalAuthorizationList(restoring: [:], version: 0)
      for item in items { list.set(item) }
    case .differential:
      guard request.versionNumber > localList.version else { return finish(.versionMismatch) }  // D01.FR.19
      for item in items {
        if item.idTokenInfo == nil { list.remove(item.idToken.storageKey) } else { list.set(item) }
      }
    }
    guard list.entries.count <= listCapacity else {
      return finish(.failed, "TooManyElements", "Entries of LocalAuthListCtrlr")
    }
    list.version = request.versionNumber
    rememberUndo(call, .localList(localList))
    let changed = Set(localList.entries.keys).union(list.entries.keys).filter {
      localList.record($0) != list.record($0)
    }
    localList = list
    for key in changed.sorted() {
      if let record = list.record(key) {
        persist(.put(.localList, key: key, value: record))
      } else {
        persist(.delete(.localList, key: key))
      }
    }
    persistStation(.localListVersion)
    updateListVariables()
    finish(.accepted)
  }

  private var listCapacity: Int {
    let entries = VariableAddress("LocalAuthListCtrlr", "Entries")
    let limit = model.variable(entries.component, entries.variable)?.characteristics.maxLimit?.double
    return limit.map { Int(min(max($0, 0), 100_000)) } ?? LocalAuthorizationList.defaultCapacity
  }

  mutating func updateListVariables() {
    setByStation(String(localList.entries.count), VariableAddress("LocalAuthListCtrlr", "Entries"))
    setByStation(String(localList.bytes), VariableAddress("LocalAuthListCtrlr", "Storage"))
  }

  /// GetLocalListVersion (D02): 0 when the list is switched off or was never sent.
  mutating func getLocalListVersion(_ request: GetLocalListVersionRequest, _ call: IncomingCall) {
    guard listIsAvailable else {
      refuse(call, .notSupported, "there is no local authorization list")
      return
    }
    answer(call, GetLocalListVersionResponse(versionNumber: listIsEnabled ? localList.version : 0))
  }
}
