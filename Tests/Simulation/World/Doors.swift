import OCPP
import StationCore

/// Where the CSMS can be reached and with which password, and how it changes both: rightly, wrongly, late, or only by half.
///
/// Whatever it does, one door stays open to the station: the password that worked, or the one that the station has accepted;
/// the address that worked, or another one. So a station that stays away for ever is the station's fault.
struct Doors {
  static let addresses = ["ws://csms.invalid/ocpp", "ws://moved.invalid/ocpp"]

  /// Passwords that are let in; none: anything is, before the first change.
  private(set) var passwords: Set<String> = []
  private var lastUsed = ""
  /// Numbers the changes of the password; a late one gives way to the next.
  private(set) var change = 0

  enum Verdict { case open, nobody, wrongPassword }

  func verdict(on request: ConnectionRequest) -> Verdict {
    guard Self.addresses.contains(request.url) else { return .nobody }
    return passwords.isEmpty || passwords.contains(request.basicAuthPassword ?? "") ? .open : .wrongPassword
  }

  mutating func entered(_ request: ConnectionRequest) {
    lastUsed = request.basicAuthPassword ?? ""
    if !passwords.isEmpty { passwords = [lastUsed] }
  }

  /// - Parameter takesBoth: the new one is let in before the station has answered.
  mutating func asked(takesBoth: Bool) -> String {
    change += 1
    let new = "simulated-password-\(change)"
    passwords = takesBoth ? [lastUsed, new] : [lastUsed]
    return new
  }

  /// Which change made this password; 0: none of these.
  static func number(of password: String) -> Int { password.split(separator: "-").last.flatMap { Int($0) } ?? 0 }

  /// From now on only this one is let in (A01.FR.03); `nil`: the one that was used last.
  mutating func settle(on password: String?) { passwords = [password ?? lastUsed] }
}

extension CSMS {
  func changeDoors() {
    if world.dice.chance(0.5) { changePassword() } else { changeAddress() }
  }

  private func changePassword() {
    guard connection != nil else { return }
    world.coverage.count("passwordChanges")
    let new = doors.asked(takesBoth: world.dice.chance(0.3))
    call(
      "SetVariables",
      [
        "setVariableData": [
          [
            "component": ["name": "SecurityCtrlr"], "variable": ["name": "BasicAuthPassword"],
            "attributeValue": .string(new),
          ]
        ]
      ], .password(new, change: doors.change))
  }

  func passwordAnswered(_ new: String, change: Int, _ payload: JSONValue) {
    guard change == doors.change else { return }
    let status = payload["setVariableResult"]?.arrayValue?.first?["attributeStatus"]?.stringValue
    guard status == "Accepted" else { return doors.settle(on: nil) }
    switch world.dice.within(0...9) {
    case 0...5: doors.settle(on: new)
    case 6, 7:
      // It says so and does not do it: what the CSMS has pushed is a wrong password.
      world.coverage.count("wrongPasswords")
      doors.settle(on: nil)
    default:
      doors.settle(on: nil)
      world.after(world.dice.spread(.second...3 * .hour)) { [unowned self] in
        if change == self.doors.change { self.doors.settle(on: new) }
      }
    }
  }

  /// A profile, an order and a reset, each of which may get lost.
  private func changeAddress() {
    world.coverage.count("migrations")
    let isGood = world.dice.chance(0.5)
    if !isGood { world.coverage.count("wrongAddresses") }
    let url = isGood ? world.dice.pick(Doors.addresses) : "ws://nobody.invalid/ocpp"
    let data: JSONValue = [
      "ocppCsmsUrl": .string(url), "securityProfile": 1, "messageTimeout": 30, "ocppInterface": "Wired0",
      "ocppTransport": "JSON", "ocppVersion": "OCPP20",
    ]
    call(
      "SetNetworkProfile", ["configurationSlot": .int(Int(world.dice.within(1...2))), "connectionData": data])
    let order = world.dice.pick(["2,1", "2,1", "1,2", "2", "1"])
    world.after(world.dice.within(1000...5000)) { [unowned self] in
      self.call(
        "SetVariables",
        [
          "setVariableData": [
            [
              "component": ["name": "OCPPCommCtrlr"], "variable": ["name": "NetworkConfigurationPriority"],
              "attributeValue": .string(order),
            ]
          ]
        ])
    }
    let reset = world.dice.pick(["Immediate", "Immediate", "OnIdle"])
    world.after(world.dice.within(6000...20_000)) { [unowned self] in
      self.call("Reset", ["type": .string(reset)])
    }
  }
}
