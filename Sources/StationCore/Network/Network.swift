import DeviceModel
import OCPP

/// The network profiles, and what must not be forgotten of passwords, certificates and roots until the new one has
/// worked.
struct Network: Sendable {
  /// As stored; what SetNetworkProfile and NetworkConfigurationPriority change applies at the next start (B09, B10).
  var profiles: [NetworkProfile]
  /// What this process runs on: the entries of NetworkConfigurationPriority, as they were at the start.
  var order: [NetworkProfile] = []
  /// NetworkConfigurationPriority at the start.
  var priorityAtStart: [Int] = []
  /// The profile of the last connection that came about, as it was then (B10.FR.07).
  var proven: NetworkProfile?
  /// Another password than BasicAuthPassword that may be the right one.
  var otherPassword: OtherPassword?
  /// The station's certificate was renewed, and the new one has not worked yet (A02.FR.28).
  var certificate: Renewal?
  /// The CSMS root was replaced, and the new one has not worked yet (M05.FR.12).
  var root: Renewal?

  struct OtherPassword: Hashable, Sendable {
    var password: String
    /// It is the one that the CSMS set and then refused; else the one that worked before the CSMS set another.
    var isNewer: Bool
  }

  /// Fingerprints of the one that has to prove itself, empty while it is being installed, and of the one that did.
  struct Renewal: Hashable, Sendable {
    var new: String
    var old: String
  }

  /// - Parameters:
  ///   - stored: the ledger's record of NetworkConnectionProfiles.
  ///   - factory: the value of the component files.
  init(stored: [UInt8]?, factory: String, records: [String: [UInt8]]) {
    profiles = NetworkProfile.list(stored.map { String(decoding: $0, as: UTF8.self) } ?? factory)
    func record(_ name: StationRecord) -> JSONValue? {
      records[name.rawValue].flatMap { try? JSONValue.parse($0, maxDepth: 16) }
    }
    proven = record(.provenProfile).flatMap { NetworkProfile($0) }
    if let value = record(.otherPassword), let password = value["password"]?.stringValue {
      otherPassword = OtherPassword(password: password, isNewer: value["isNewer"] == true)
    }
    certificate = record(.certificateRenewal).flatMap { Renewal($0) }
    root = record(.rootRenewal).flatMap { Renewal($0) }
  }

  /// What is still kept besides the present credentials: attempts with it make sense.
  var hasOld: Bool { otherPassword != nil || certificate != nil || root != nil }
}

extension Network.OtherPassword {
  var json: JSONValue { ["password": .string(password), "isNewer": .bool(isNewer)] }
}

extension Network.Renewal {
  init?(_ json: JSONValue) {
    guard let new = json["new"]?.stringValue, let old = json["old"]?.stringValue else { return nil }
    self.init(new: new, old: old)
  }

  var json: JSONValue { ["new": .string(new), "old": .string(old)] }
}

/// One attempt to connect.
struct NetworkAttempt: Hashable, Sendable {
  /// With `--csms-url` applied.
  var profile: NetworkProfile
  /// As it is stored.
  var stored: NetworkProfile
  /// `Network.otherPassword` was used.
  var usesOtherPassword = false
  var clientCertificate: String?
  /// The old root counts too.
  var usesOldRoot = false
  /// The clock may be behind: a certificate that has not begun by it is taken.
  var doubtsClock = false
}

extension Station {
  /// Takes over what the component files and the ledger (`stored`: its record of the profiles) say; once, before the
  /// first input.
  mutating func prepareNetwork(stored: [UInt8]?) {
    let address = Setting.networkConnectionProfiles
    if let stored { provisioning.changedVariables[address.persistentKey] = String(decoding: stored, as: UTF8.self) }
    if let text = model.value(address.component, address.variable) {
      setByStation(NetworkProfile.disclosable(text), address)
    }
    network.priorityAtStart = list(Setting.networkConfigurationPriority).compactMap { Int($0) }
    let ordered = network.priorityAtStart.compactMap { slot in network.profiles.first { $0.slot == slot } }
    network.order = ordered.isEmpty ? network.profiles : ordered
    dropLowerProfiles()
    if network.order.isEmpty, let url = connection.urlOverride {
      network.order = [NetworkProfile(slot: 0, url: url, securityProfile: url.hasPrefix("wss:") ? 2 : 1)]
    }
  }

  /// The lowest security profile to connect with (A05.FR.08-10): an attacker who blocks the way to the higher one must not
  /// get the lower one. Where the station's own files have nothing else, they count, and it stays as it is.
  private mutating func dropLowerProfiles() {
    let floor = lowestSecurityProfile
    func isLower(_ profile: NetworkProfile) -> Bool {
      profile.securityProfile < floor && withOverride(profile) == profile
    }
    guard network.order.contains(where: { !isLower($0) }) else { return }
    for profile in network.order where isLower(profile) {
      log(.warning, "slot \(profile.slot) is not used: its security profile is below \(floor), which is in force")
    }
    network.order = network.order.filter { !isLower($0) }
    if let proven = network.proven, isLower(proven) { network.proven = nil }
  }

  private var lowestSecurityProfile: Int {
    let active = activeSecurityProfile
    return active == 3 && flag(Setting.allowSecurityProfileDowngrade, default: false) ? 2 : active
  }

  /// `--csms-url` replaces the URL of what the CSMS has not set; `ws` is security profile 1, `wss` at least 2, and 3 only
  /// with a client certificate.
  func withOverride(_ profile: NetworkProfile) -> NetworkProfile {
    guard let url = connection.urlOverride, !profile.isFromCSMS else { return profile }
    var security = max(2, profile.securityProfile)
    if url.lowercased().hasPrefix("ws:") { security = 1 }
    if security == 3, certificates.newest(.chargingStation) == nil { security = 2 }
    guard url != profile.url || security != profile.securityProfile else { return profile }
    return profile.with("ocppCsmsUrl", .string(url)).with("securityProfile", .int(security))
  }

  /// What to try now; `nil` when there is no profile at all.
  var nextAttempt: NetworkAttempt? {
    let entry = connection.plan.entry(of: network.order.count)
    guard let stored = entry.map({ network.order[$0] }) ?? network.proven ?? network.order.first else { return nil }
    let isOldStage = connection.plan.usesOld
    var attempt = NetworkAttempt(profile: withOverride(stored), stored: stored)
    if stored.basicAuthPassword == nil, network.otherPassword != nil {
      attempt.usesOtherPassword = isOldStage != connection.isPasswordSwapped
    }
    if let renewal = network.certificate {
      attempt.clientCertificate = isOldStage || renewal.new.isEmpty ? renewal.old : renewal.new
    }
    attempt.usesOldRoot = isOldStage || (connection.newRootFailed && stored == network.proven)  // M05.FR.14-16
    attempt.doubtsClock = doubtsClock(for: attempt)
    return attempt
  }

  func request(for attempt: NetworkAttempt) -> ConnectionRequest {
    let profile = attempt.profile
    var password: String?
    if profile.securityProfile <= 2 {
      password =
        profile.basicAuthPassword
        ?? (attempt.usesOtherPassword ? network.otherPassword?.password : text(Setting.basicAuthPassword))
    }
    var tls = TLSOptions(allowWildcards: flag(Setting.allowCSMSTLSWildcards, default: false))
    if profile.securityProfile >= 2 {
      tls.time = attempt.doubtsClock ? .atLeast(max(wallTime, clock.recorded)) : verificationTime
      if !attempt.usesOldRoot, let root = network.root, !root.new.isEmpty { tls.withoutRoot = root.old }
      let length = number(Setting.maxFragmentLength, default: 0)
      if [512, 1024, 2048, 4096].contains(length) { tls.maxFragmentLength = length }
    }
    if profile.securityProfile == 3 {
      // Named by a renewal only: else the link takes the newest that is valid and whose key opens, or one that has expired
      // (A00.FR.430).
      tls.clientCertificate = attempt.clientCertificate
    }
    return ConnectionRequest(
      url: profile.url, identity: profile.identity ?? connection.identity, basicAuthPassword: password,
      subprotocols: ["ocpp2.0.1"], securityProfile: profile.securityProfile, timeout: Connection.attemptTimeout,
      maxMessageSize: Connection.maxMessageSize, tls: tls)
  }

  /// An attempt failed: what to try next follows.
  mutating func attemptFailed(_ reason: LinkDownReason) {
    noticeCertificateFailure(reason)
    switch reason {
    case .httpStatus(401) where network.otherPassword != nil: connection.isPasswordSwapped.toggle()
    case .tls(.serverCertificate, _) where network.root != nil: connection.newRootFailed = true
    default: break
    }
    let stage = connection.plan.stage
    let entry = connection.plan.entry(of: network.order.count)
    let isJustProven = network.order.count == 1 && network.order.first == network.proven && !network.hasOld
    connection.plan.failed(
      attempts: max(1, number(Setting.networkProfileConnectionAttempts, default: 3)), entries: network.order.count,
      NetworkPlan.Fallbacks(
        hasOld: network.hasOld, hasProven: network.proven != nil && !isJustProven,
        provenIsOther: network.proven.map { !network.order.contains($0) } ?? false))
    if connection.plan.entry(of: network.order.count) != entry {
      connection.isPasswordSwapped = false
      if let entry, network.order.indices.contains(entry) { noteFailure(of: network.order[entry], reason) }
    }
    guard connection.plan.stage != stage else { return }
    connection.isPasswordSwapped = false
    switch connection.plan.stage {
    case .priority: break
    case .provenWithOld: log(.notice, "trying the last profile that worked with the old password or certificate")
    case .proven: log(.notice, "no profile of NetworkConfigurationPriority worked, back to the last one that did")
    case .priorityWithOld: log(.notice, "trying the old password or certificate with all profiles")
    }
  }

  /// A profile had all its attempts.
  private mutating func noteFailure(of profile: NetworkProfile, _ reason: LinkDownReason) {
    guard profile != network.proven, !connection.toldFailures.contains(profile.slot) else { return }
    connection.failedProfiles.removeAll { $0.profile.slot == profile.slot }
    connection.failedProfiles.append((profile, reason.text))
  }

  /// Connected, but not as NetworkConfigurationPriority wishes: the CSMS hears, once per slot and boot, which profile before
  /// this one never worked, and why, since a migration or a higher security profile has failed (A05, B10.FR.07). The
  /// appendix names no such event: nothing was changed.
  private mutating func tellFailedProfiles(connectedWith stored: NetworkProfile) {
    connection.failedProfiles.removeAll { $0.profile == stored }
    connection.toldFailures.insert(stored.slot)
    let own = network.order.firstIndex(of: stored) ?? network.order.endIndex
    for (profile, why) in connection.failedProfiles where network.order[..<own].contains(profile) {
      connection.toldFailures.insert(profile.slot)
      let security = withOverride(profile).securityProfile
      securityEvent(
        "NetworkProfileFailed",
        "slot \(profile.slot), security profile \(security): \(why); back to slot \(stored.slot), \(stored.securityProfile)",
        isTold: true)
    }
    connection.failedProfiles = []
  }

  /// A connection came about: what it was made with is proven, and what it replaces goes (A01, A02.FR.10, A05.FR.06,
  /// M05.FR.13).
  mutating func connectionProven(_ attempt: NetworkAttempt, _ session: TLSSession?) {
    let stored = attempt.stored
    let isMoved = connection.connected.map { $0.slot != stored.slot || $0.url != attempt.profile.url } ?? false
    connection.connected = attempt.profile
    setByStation(String(stored.slot), Setting.activeNetworkProfile)
    if stored.isFromCSMS, stored.messageTimeout > 0 {
      setByStation(String(min(stored.messageTimeout, 600)), Setting.messageTimeout)
    }
    if network.proven != stored {
      network.proven = stored
      persistStation(.provenProfile)
    }
    if attempt.profile.securityProfile <= 2, stored.basicAuthPassword == nil {
      passwordProven(isOther: attempt.usesOtherPassword)
    }
    tellFailedProfiles(connectedWith: stored)
    securityProfileProven(attempt)
    certificatesProven(attempt, session)
    noticeClockBehind(attempt, session)
    connection.isPasswordSwapped = false
    connection.newRootFailed = false
    if isMoved {
      // B10.FR.10: whoever this is may never have heard of the station.
      provisioning.registration = .none
      provisioning.wasAccepted = false
      stopTimer(.boot)
    }
  }

  /// A05.FR.06: the profile rises with the connection, and what is lower goes. What `--csms-url` made of a profile says
  /// nothing of the station that is left to itself.
  private mutating func securityProfileProven(_ attempt: NetworkAttempt) {
    let reached = attempt.profile.securityProfile
    let before = activeSecurityProfile
    let isOwn = attempt.profile == attempt.stored
    let floor = reached > before ? reached : lowestSecurityProfile
    guard reached >= floor || !isOwn else { return }
    setByStation(String(reached), Setting.securityProfile, persistent: isOwn)
    guard isOwn, reached >= before else { return }
    if reached > before { securityEvent("ReconfigurationOfSecurityParameters", "security profile \(reached)") }
    let lower = network.profiles.filter { $0.securityProfile < floor }
    network.order.removeAll { $0.securityProfile < floor }
    guard !lower.isEmpty else { return }
    network.profiles.removeAll { $0.securityProfile < floor }
    storeProfiles()
    let gone = Set(lower.map(\.slot))
    let priority = list(Setting.networkConfigurationPriority).filter { !gone.contains(Int($0) ?? -1) }
    setByStation(priority.joined(separator: ","), Setting.networkConfigurationPriority, persistent: true)
    log(.notice, "network profiles below security profile \(floor) removed: slots \(gone.sorted())")
  }

  /// A change could not be stored: everything is as it was.
  mutating func restoreNetwork(_ before: Network, password: String?, stored: String?, storedProfiles: String?) {
    network = before
    setByStation(password ?? "", Setting.basicAuthPassword)
    setByStation(
      NetworkProfile.disclosable(NetworkProfile.text(before.profiles)), Setting.networkConnectionProfiles)
    provisioning.changedVariables[Setting.basicAuthPassword.persistentKey] = stored
    provisioning.changedVariables[Setting.networkConnectionProfiles.persistentKey] = storedProfiles
  }

  /// Before a change that an answer to the CSMS depends on.
  mutating func rememberNetwork(_ call: IncomingCall) {
    rememberUndo(
      call,
      .network(
        network, password: text(Setting.basicAuthPassword),
        stored: provisioning.changedVariables[Setting.basicAuthPassword.persistentKey],
        storedProfiles: provisioning.changedVariables[Setting.networkConnectionProfiles.persistentKey]))
  }

  /// Where in the order the attempt comes from; `nil` for the profile that last worked.
  func orderIndex(of attempt: NetworkAttempt) -> Int? {
    network.order.firstIndex { $0.slot == attempt.stored.slot && $0.url == attempt.stored.url }
  }

  var activeSecurityProfile: Int { number(Setting.securityProfile, default: 1) }

  /// Writes the profiles: all of it into the ledger, without what is secret into the device model.
  mutating func storeProfiles() {
    let address = Setting.networkConnectionProfiles
    let text = NetworkProfile.text(network.profiles)
    setByStation(NetworkProfile.disclosable(text), address)
    provisioning.changedVariables[address.persistentKey] = text
    persist(.put(.variable, key: address.persistentKey, value: Array(text.utf8)))
  }
}

extension CertificateInventory {
  func newest(_ kind: InstalledCertificate.Kind) -> InstalledCertificate? {
    certificates.filter { $0.kind == kind }.max { $0.notBefore < $1.notBefore }
  }

  func newestValid(_ kind: InstalledCertificate.Kind, at time: Int64) -> InstalledCertificate? {
    certificates.filter { $0.kind == kind && $0.isValid(at: time) }.max { $0.notBefore < $1.notBefore }
  }
}

extension InstalledCertificate {
  func isValid(at time: Int64) -> Bool { notBefore <= time && time <= notAfter }
}
