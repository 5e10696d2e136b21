import DeviceModel
import OCPP

/// The authorization cache (C10-C12): what the CSMS last said of each token, whatever it said. It survives restarts.
///
/// Bounded by Entries' maxLimit (else `defaultCapacity`); AuthCacheCtrlr/Policy says which entry goes for a new one.
struct AuthorizationCache: Sendable {
  struct Entry: Sendable {
    var data: AuthorizationData
    /// UTC milliseconds of the CSMS' word, and of the last use.
    var updatedAt: Int64
    var usedAt: Int64
    var uses: Int
    /// Counts the entries in the order in which they came.
    var number: Int64
  }

  private(set) var entries: [String: Entry] = [:]
  private(set) var bytes = 0
  private var nextNumber: Int64 = 1

  static let defaultCapacity = 1000

  init(restoring records: [String: [UInt8]]) {
    for (key, record) in records {
      guard let value = try? JSONValue.parse(record, maxDepth: 16), let data = value["data"],
        let data = try? AuthorizationData.decode(data.bytes, version: .v201)
      else { continue }
      func number(_ name: String) -> Int64 { Int64(value[name]?.intValue ?? 0) }
      let entry = Entry(
        data: data, updatedAt: number("updatedAt"), usedAt: number("usedAt"), uses: Int(number("uses")),
        number: number("number"))
      entries[key] = entry
      bytes += record.count
      nextNumber = max(nextNumber, entry.number + 1)
    }
  }

  func record(_ key: String) -> [UInt8]? {
    guard let entry = entries[key] else { return nil }
    return Self.record(of: entry)
  }

  private static func record(of entry: Entry) -> [UInt8] {
    func number(_ value: Int64) -> JSONValue { .number(DecimalNumber(mantissa: value, exponent: 0)) }
    return JSONValue.object([
      JSONMember(name: "data", value: (try? JSONValue.parse(entry.data.encode(version: .v201))) ?? .null),
      JSONMember(name: "updatedAt", value: number(entry.updatedAt)),
      JSONMember(name: "usedAt", value: number(entry.usedAt)), JSONMember(name: "uses", value: .int(entry.uses)),
      JSONMember(name: "number", value: number(entry.number)),
    ]).bytes
  }

  /// Takes what the CSMS says of a token. Returns the keys that changed, those that had to go included.
  mutating func update(
    _ token: IdTokenType, _ info: IdTokenInfoType, at wall: Int64, capacity: Int, policy: String
  ) -> [String] {
    var info = info
    info.personalMessage = nil  // it may hold a tariff, which is not to be kept (C10.FR.09)
    let key = token.storageKey
    let before = entries[key]
    var changed = [key]
    while before == nil, entries.count >= capacity, let victim = victim(policy) {
      remove(victim)
      changed.append(victim)
    }
    let entry = Entry(
      data: AuthorizationData(idToken: token, idTokenInfo: info), updatedAt: wall, usedAt: wall,
      uses: (before?.uses ?? 0) + 1, number: before?.number ?? nextNumber)
    if before == nil { nextNumber += 1 }
    if let before { bytes -= Self.record(of: before).count }
    entries[key] = entry
    bytes += Self.record(of: entry).count
    return changed
  }

  private func victim(_ policy: String) -> String? {
    entries.min { a, b in
      switch policy {
      case "FIFO": return a.value.number < b.value.number
      case "LFU": return (a.value.uses, a.value.usedAt, a.value.number) < (b.value.uses, b.value.usedAt, b.value.number)
      default: return (a.value.usedAt, a.value.number) < (b.value.usedAt, b.value.number)
      }
    }?.key
  }

  mutating func remove(_ key: String) {
    guard let entry = entries.removeValue(forKey: key) else { return }
    bytes -= Self.record(of: entry).count
  }
}

extension IdTokenType {
  /// One key for all tokens that are the same (C01.FR.25, identifiers do not regard case).
  var storageKey: String { "\(type.rawValue) \(idToken.lowercased())" }
}

extension Station {
  var cacheIsEnabled: Bool {
    flag(Setting.authCacheAvailable, default: false) && flag(Setting.authCacheEnabled, default: true)
  }

  /// What the cache says of a token; `nil` when it does not know it, or not any more.
  mutating func cached(_ token: IdTokenType) -> IdTokenInfoType? {
    let key = token.storageKey
    guard cacheIsEnabled, let entry = authorizationCache.entries[key] else { return nil }
    if isExpired(entry) {
      authorizationCache.remove(key)
      cacheChanged([key])
      return nil
    }
    return entry.data.idTokenInfo
  }

  /// C10.FR.08, C10.FR.10, C10.FR.13. With an unset clock nothing counts as expired: the time of day decides, and a
  /// known driver is not turned away because the clock has no battery.
  private func isExpired(_ entry: AuthorizationCache.Entry) -> Bool {
    guard clock.source != .unset else { return false }
    if let expiry = entry.data.idTokenInfo?.cacheExpiryDateTime { return wallTime > expiry.unixMilliseconds }
    let lifeTime = milliseconds(Setting.authCacheLifeTime, default: 0)
    return lifeTime > 0 && wallTime - entry.updatedAt > lifeTime
  }

  /// The CSMS has said what it thinks of a token (C10.FR.01, C10.FR.04-05).
  mutating func remember(_ token: IdTokenType, _ info: IdTokenInfoType) {
    // C02.FR.03, C03.FR.02: nobody can present these.
    guard cacheIsEnabled, token.type != .noAuthorization, token.type != .central else { return }
    let entries = VariableAddress("AuthCacheCtrlr", "Entries")
    let limit = model.variable(entries.component, entries.variable)?.characteristics.maxLimit?.double
    let capacity = limit.map { Int(min(max($0, 1), 100_000)) } ?? AuthorizationCache.defaultCapacity
    let changed = authorizationCache.update(
      token, info, at: wallTime, capacity: capacity, policy: text(Setting.authCachePolicy) ?? "LRU")
    cacheChanged(changed)
  }

  mutating func cacheChanged(_ keys: [String]) {
    for key in keys {
      if let record = authorizationCache.record(key) {
        persist(.put(.authorizationCache, key: key, value: record))
      } else {
        persist(.delete(.authorizationCache, key: key))
      }
    }
    setByStation(String(authorizationCache.entries.count), VariableAddress("AuthCacheCtrlr", "Entries"))
    setByStation(String(authorizationCache.bytes), VariableAddress("AuthCacheCtrlr", "Storage"))
  }

  mutating func initializeCacheVariables() { cacheChanged([]) }

  /// ClearCache (C11).
  mutating func clearCache(_ request: ClearCacheRequest, _ call: IncomingCall) {
    guard flag(Setting.authCacheAvailable, default: false) else {
      refuse(call, .notSupported, "there is no authorization cache")
      return
    }
    guard cacheIsEnabled, !storage.isFailing else {
      answer(call, ClearCacheResponse(status: .rejected))  // C11.FR.04-05
      return
    }
    rememberUndo(call, .cache(authorizationCache))
    let keys = authorizationCache.entries.keys.sorted()
    for key in keys { authorizationCache.remove(key) }
    cacheChanged(keys)
    answer(call, ClearCacheResponse(status: .accepted))
  }
}
