extension OCPPAction {
  /// Whether that version has this action: an action that it has not is answered by `NotImplemented`, one that it has
  /// but the station does not support by `NotSupported`.
  public static func isKnown(_ action: String, version: OCPPVersion) -> Bool {
    known.older.contains(action) || version == .v21 && known.newer.contains(action)
  }

  /// All actions of a version, in alphabetical order.
  public static func all(in version: OCPPVersion) -> [String] {
    version == .v201 ? inBoth : (inBoth + onlyIn21).sorted()
  }

  /// The type of a message by its name in the schemas, e.g. `BootNotificationRequest`; `nil` when that version has none.
  public static func payloadType(_ name: String, version: OCPPVersion) -> (any OCPPPayload.Type)? {
    guard let type = types[name], type.firstVersion <= version else { return nil }
    return type
  }

  private static let known = (older: Set(inBoth), newer: Set(onlyIn21))

  private static let types: [String: any OCPPPayload.Type] = {
    var types: [String: any OCPPPayload.Type] = [:]
    for payload in payloads { types[payload.name.description] = payload.type }
    return types
  }()
}
