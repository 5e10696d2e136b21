import OCPP

/// What is secret in messages and in the device model, by name. The one list of it: for the journal, the log of messages,
/// and what the device model tells.
public enum Secrets {
  /// Members that hold a secret, whatever they are in: those of NetworkConnectionProfileType, APNType and VPNType. `key` occurs
  /// nowhere else in OCPP.
  private static let fields: Set<String> = [
    "basicauthpassword", "apnpassword", "simpin", "password", "key", "networkconnectionprofiles",
  ]

  /// Variables that hold one, besides all whose name ends in `password`.
  private static let variables: Set<String> = ["networkconnectionprofiles", "vpnkey", "apnsimpin", "simpin"]

  /// Where messages carry the value of a variable: GetVariables and SetVariables, NotifyReport, NotifyEvent.
  private static let valueFields: Set<String> = ["attributevalue", "value", "actualvalue"]

  static func isField(_ name: String) -> Bool { fields.contains(name.lowercased()) }

  /// A variable of this name holds a secret, whatever component has it: SecurityCtrlr, InternalCtrlr and, from OCPP 2.1 on,
  /// NetworkConfiguration.
  static func isVariable(_ name: String) -> Bool {
    let name = name.lowercased()
    return name.hasSuffix("password") || variables.contains(name)
  }

  /// Text that cannot be read, or is no proper message, may hold a secret: it names one, or may do so in escapes, or is what is
  /// left of a message that sets something, or names a token, which may be a key code (C04.FR.04).
  public static func mayBe(in text: String) -> Bool {
    let text = text.lowercased()
    return [
      "password", "simpin", "networkconnectionprofiles", "vpnkey", "\"key\"", "\\u", "setvar", "attributeval",
      "setnetwork", "connectiondata", "location\"", "://", "keycode", "\"idtoken\"",
    ].contains { text.contains($0) }
  }

  /// It has a member that holds a secret, at whatever depth.
  static func areMembers(of value: JSONValue) -> Bool {
    switch value {
    case .array(let items): return items.contains(where: areMembers)
    case .object(let members): return members.contains { isField($0.name) || areMembers(of: $0.value) }
    default: return false
    }
  }

  /// The value with each secret replaced, or with `nil` left out: the members that hold one, and the values of variables that
  /// do.
  public static func replacing(in value: JSONValue, by replace: (JSONValue) -> JSONValue?) -> JSONValue {
    replacing(in: value, isOfSecretVariable: false, by: replace)
  }

  private static func replacing(
    in value: JSONValue, isOfSecretVariable: Bool, by replace: (JSONValue) -> JSONValue?
  ) -> JSONValue {
    switch value {
    case .array(let items):
      return .array(items.map { replacing(in: $0, isOfSecretVariable: isOfSecretVariable, by: replace) })
    case .object(let members):
      let hides = isOfSecretVariable || value["variable"]?["name"]?.stringValue.map(isVariable) ?? false
      return .object(
        members.compactMap { member in
          guard isField(member.name) || (hides && valueFields.contains(member.name.lowercased())) else {
            let inner = replacing(in: member.value, isOfSecretVariable: hides, by: replace)
            return JSONMember(name: member.name, value: inner)
          }
          return replace(member.value).map { JSONMember(name: member.name, value: $0) }
        })
    default: return value
    }
  }
}
