/// What a run, or many, has gone through: a run that exercised nothing proves nothing.
public struct Coverage: Sendable {
  public static let names = [
    "inputs", "commits", "commitsFailed", "powerCuts", "crashes", "groupsLost", "restarts", "shutdowns", "offlineHours",
    "linkLosses",
    "halfOpenLinks", "connectFailures", "transactions", "events", "eventsOffline", "resends", "wrongAnswers",
    "silentAnswers", "duplicateAnswers", "undelivered", "thinned", "powerLossEnded", "resumed", "refusedTokens",
    "csmsCalls", "setVariables", "changeAvailability", "remoteStarts", "resets", "garbageFrames", "meterFaults",
    "clockJumps", "unsetClocks", "hardwareFaults", "storageFailures", "registrationsRefused", "deliveredKWh",
    "billsChecked", "energyChecksSkipped", "realLedgers", "contactorClosings", "storageLow",
    "passwordChanges", "passwordsRefused", "wrongPasswords", "migrations", "wrongAddresses", "bootsChecked",
    "eventsWhileFailing", "eventsLostWithPower", "rebased",
  ]

  public private(set) var counts: [String: Int64] = [:]

  public init() {}

  mutating func count(_ name: String, _ amount: Int64 = 1) { counts[name, default: 0] += amount }

  public subscript(name: String) -> Int64 { counts[name] ?? 0 }

  public mutating func add(_ other: Coverage) {
    for (name, amount) in other.counts { counts[name, default: 0] += amount }
  }

  /// Counters in the order of `names`.
  public var table: [(name: String, count: Int64)] { Self.names.map { ($0, self[$0]) } }
}
