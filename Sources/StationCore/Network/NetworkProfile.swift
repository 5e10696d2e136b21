import OCPP

/// One network profile: a configuration slot and what SetNetworkProfile calls connectionData.
struct NetworkProfile: Hashable, Sendable {
  var slot: Int
  /// As it was given, an object.
  var data: JSONValue
  /// Set by SetNetworkProfile, and so over `--csms-url`, like every value changed at run time.
  var isFromCSMS = false

  var url: String { data["ocppCsmsUrl"]?.stringValue ?? "" }
  var securityProfile: Int { data["securityProfile"]?.intValue ?? 1 }
  var basicAuthPassword: String? { data["basicAuthPassword"]?.stringValue }
  var identity: String? { data["identity"]?.stringValue }
  /// Seconds; 0 when it says nothing.
  var messageTimeout: Int { data["messageTimeout"]?.intValue ?? 0 }

  init(slot: Int, data: JSONValue, isFromCSMS: Bool = false) {
    self.slot = slot
    self.data = data
    self.isFromCSMS = isFromCSMS
  }

  init(slot: Int, url: String, securityProfile: Int) {
    self.init(slot: slot, data: ["ocppCsmsUrl": .string(url), "securityProfile": .int(securityProfile)])
  }

  /// With another value of a member; `nil` removes it.
  func with(_ name: String, _ value: JSONValue?) -> NetworkProfile {
    var members = (data.objectValue ?? []).filter { $0.name != name }
    if let value { members.append(JSONMember(name: name, value: value)) }
    var copy = self
    copy.data = .object(members)
    return copy
  }

  // MARK: JSON

  /// An element of NetworkConnectionProfiles.
  init?(_ json: JSONValue) {
    guard let slot = json["configurationSlot"]?.intValue, let data = json["connectionData"],
      data["ocppCsmsUrl"]?.stringValue != nil
    else { return nil }
    self.init(slot: slot, data: data, isFromCSMS: json["setBy"] == "CSMS")
  }

  var json: JSONValue {
    var members = [
      JSONMember(name: "configurationSlot", value: .int(slot)), JSONMember(name: "connectionData", value: data),
    ]
    if isFromCSMS { members.append(JSONMember(name: "setBy", value: "CSMS")) }
    return .object(members)
  }

  /// The profiles in the text of NetworkConnectionProfiles; of two for one slot the first counts, and what is none is
  /// left out.
  static func list(_ text: String) -> [NetworkProfile] {
    guard case .array(let items)? = try? JSONValue.parse(Array(text.utf8), maxDepth: 16) else { return [] }
    var result: [NetworkProfile] = []
    for profile in items.compactMap({ NetworkProfile($0) }) where !result.contains(where: { $0.slot == profile.slot }) {
      result.append(profile)
    }
    return result
  }

  static func text(_ profiles: [NetworkProfile]) -> String { JSONValue.array(profiles.map(\.json)).text }

  /// The same text without what is secret, for reports and GetVariables; empty when it cannot be read and may hold a
  /// secret.
  static func disclosable(_ text: String) -> String {
    guard let value = try? JSONValue.parse(Array(text.utf8), maxDepth: 16) else {
      return Secrets.mayBe(in: text) ? "" : text
    }
    return Secrets.areMembers(of: value) ? Secrets.replacing(in: value) { _ in nil }.text : text
  }
}
