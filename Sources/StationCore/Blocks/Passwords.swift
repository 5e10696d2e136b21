import DeviceModel
import OCPP

/// BasicAuthPassword (A01): the old one is kept until the new one has worked, so that no password locks the station out.
extension Station {
  /// SetVariables brings a new password; `nil` when it is stored.
  mutating func setPassword(_ password: String, _ call: IncomingCall) -> NetworkRefusal? {
    let address = Setting.basicAuthPassword
    guard let variable = model.variable(address.component, address.variable) else {
      return NetworkRefusal("NotFound", "no BasicAuthPassword")
    }
    let limit = variable.characteristics.maxLimit?.int ?? 40
    if let refusal = NetworkCheck.password(password, longest: min(max(limit, 40), 64)) { return refusal }
    let own = ownPasswordInUse
    let before = own ?? text(address)
    guard before != password || text(address) != password else { return nil }
    rememberNetwork(call)
    let shared = sharedPassword
    let verdict = model.set(password, address.component, address.variable, by: .station)
    guard verdict.status == .accepted else { return NetworkRefusal("InternalError", "it could not be stored") }
    rememberVariable(address)
    // The one that worked; not one that came and was never tried.
    let keepsOwn = provenKeepsOwnPassword(over: password, shared)
    let old = shared != nil && (own == nil || own == password || keepsOwn) ? shared : before
    network.otherPassword =
      old == password ? nil : old.map { Network.OtherPassword(password: $0, isNewer: false) }
    persistStation(.otherPassword)
    supersedeOwnPassword(provenKeepsIt: keepsOwn)
    securityEvent("ReconfigurationOfSecurityParameters", "BasicAuthPassword changed")  // A01.FR.11, FR.12
    return nil
  }

  /// The password that the profile of this connection brought along of its own, while it counts: what the connection was made
  /// with, whatever the slot holds by now.
  private var ownPasswordInUse: String? {
    guard isOnline, let used = connection.attempt?.stored, used.securityProfile <= 2, network.proven == used else {
      return nil
    }
    return used.basicAuthPassword
  }

  /// The password that worked, or may work, at slots without one of their own: the one that is kept; else BasicAuthPassword,
  /// where this connection was made without it and others are not.
  private var sharedPassword: String? {
    if let other = network.otherPassword, !other.isNewer { return other.password }
    let isUsed = (network.order + network.profiles).contains { $0.basicAuthPassword == nil && $0.securityProfile <= 2 }
    return isUsed && ownPasswordInUse != nil ? text(Setting.basicAuthPassword) : nil
  }

  /// Two passwords have worked, that of this connection and one that is kept for another slot, and the new one has not: the
  /// one of this connection stays with the profile that last worked, which is tried after the entries. Only where an entry
  /// tries the new one at the same place; elsewhere it takes the place of the other.
  private func provenKeepsOwnPassword(over password: String, _ shared: String?) -> Bool {
    guard let own = ownPasswordInUse, own != password, let used = network.proven, let shared, shared != password,
      shared != own
    else { return false }
    let bare = used.with("basicAuthPassword", nil)
    return [network.order, network.profiles].allSatisfy { $0.contains { $0 == used || $0 == bare } }
  }

  /// What the profile of this connection brought along of its own gives way to what the CSMS sets. The other slots keep
  /// theirs: they may lead to another CSMS.
  private mutating func supersedeOwnPassword(provenKeepsIt: Bool) {
    guard let own = ownPasswordInUse, let used = network.proven else { return }
    func without(_ profile: NetworkProfile) -> NetworkProfile {
      profile.slot == used.slot && profile.basicAuthPassword == own ? profile.with("basicAuthPassword", nil) : profile
    }
    network.profiles = network.profiles.map(without)
    network.order = network.order.map(without)
    if !provenKeepsIt {
      network.proven = without(used)
      persistStation(.provenProfile)
    }
    storeProfiles()
  }

  /// After the answer to SetVariables: the new password is tried at once where one is used.
  mutating func passwordChanged() {
    guard let profile = connection.connected, profile.securityProfile <= 2 else { return }
    renewConnection("a new password")
  }

  /// The CSMS took this password.
  mutating func passwordProven(isOther: Bool) {
    guard let other = network.otherPassword else { return }
    if !isOther {
      // The one that the CSMS set works, the old one is over. One that it refused before stays a possibility: a CSMS
      // may be late in taking over what it has set itself.
      guard !other.isNewer else { return }
      network.otherPassword = nil
      persistStation(.otherPassword)
      return
    }
    let refused = text(Setting.basicAuthPassword)
    setByStation(other.password, Setting.basicAuthPassword, persistent: true)
    network.otherPassword =
      other.isNewer ? nil : refused.map { Network.OtherPassword(password: $0, isNewer: true) }
    persistStation(.otherPassword)
    securityEvent(
      "ReconfigurationOfSecurityParameters",
      other.isNewer
        ? "BasicAuthPassword: the CSMS accepts the one that it had set"
        : "BasicAuthPassword rolled back: the new one did not work", isTold: true)
  }
}
