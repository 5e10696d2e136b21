import DeviceModel
import OCPP

/// Setting network profiles and their order (B09, B10, A05).
extension Station {
  mutating func setNetworkProfile(_ request: SetNetworkProfileRequest, _ call: IncomingCall) {
    if let refusal = refusal(of: request) {
      log(.notice, "network profile for slot \(request.configurationSlot) rejected: \(refusal.text)")
      answer(call, SetNetworkProfileResponse(status: .rejected, statusInfo: refusal.statusInfo))
      return
    }
    var data = request.connectionData
    data.customData = nil
    guard !storage.isFailing, let json = try? JSONValue.parse(data.encode(version: .v201)) else {
      let info = StatusInfoType(reasonCode: "InternalError", additionalInfo: "it could not be stored")
      answer(call, SetNetworkProfileResponse(status: .failed, statusInfo: info))  // B09.FR.03
      return
    }
    let profile = NetworkProfile(slot: request.configurationSlot, data: json, isFromCSMS: true)
    if !network.profiles.contains(profile) {
      rememberNetwork(call)
      network.profiles.removeAll { $0.slot == profile.slot }
      network.profiles.append(profile)
      network.profiles.sort { $0.slot < $1.slot }
      storeProfiles()
    }
    log(
      .notice,
      "network profile for slot \(profile.slot) stored: \(profile.url), security profile \(profile.securityProfile)")
    answer(call, SetNetworkProfileResponse(status: .accepted))
  }

  private func refusal(of request: SetNetworkProfileRequest) -> NetworkRefusal? {
    let slots = networkSlots
    guard slots.contains(request.configurationSlot) else {
      // B09.FR.05, TC_B_43_CS
      let known = slots.sorted().map(String.init).joined(separator: ",")
      return NetworkRefusal("InvalidValue", "configurationSlot: \(request.configurationSlot), expected one of \(known)")
    }
    if let refusal = NetworkCheck.content(request.connectionData, interfaces: list(Setting.networkInterfaces)) {
      return refusal
    }
    return securityRefusal(request.connectionData.securityProfile)
  }

  /// The slots that there are: valuesList of NetworkConfigurationPriority, or without one those that are set and two
  /// more (B09.FR.06).
  private var networkSlots: [Int] {
    let address = Setting.networkConfigurationPriority
    let allowed = model.variable(address.component, address.variable)?.allowedValues.compactMap { Int($0) } ?? []
    return allowed.isEmpty ? Array(Set(network.profiles.map(\.slot) + [0, 1, 2])) : allowed
  }

  /// A lower security profile than the present one only from 3 to 2, and only with AllowSecurityProfileDowngrade
  /// (B09.FR.04, FR.31, A05.FR.08-10).
  private func securityRefusal(_ securityProfile: Int) -> NetworkRefusal? {
    let active = activeSecurityProfile
    if securityProfile >= active { return nil }
    if securityProfile == 2, active == 3, flag(Setting.allowSecurityProfileDowngrade, default: false) { return nil }
    return NetworkRefusal("NoSecurityDowngrade", "securityProfile: \(securityProfile), \(active) is active")
  }

  /// What speaks against this order of slots (B10.FR.02, A05.FR.02-03, FR.08-10).
  func priorityRefusal(_ value: String) -> NetworkRefusal? {
    let slots = value.split(separator: ",", omittingEmptySubsequences: false).map { item in
      Int(String(item.filter { $0 != " " }))
    }
    var seen: Set<Int> = []
    let active = activeSecurityProfile
    for slot in slots {
      // What `--csms-url` makes of it counts.
      guard let slot, let profile = network.profiles.first(where: { $0.slot == slot }).map(withOverride) else {
        return NetworkRefusal("InvalidValue", "\"\(value.prefix(64))\": expected slots that hold a network profile")
      }
      guard seen.insert(slot).inserted else { return NetworkRefusal("InvalidValue", "slot \(slot) occurs twice") }
      if let refusal = NetworkCheck.url(profile.url, securityProfile: profile.securityProfile) { return refusal }
      if let refusal = securityRefusal(profile.securityProfile) { return refusal }
      guard profile.securityProfile > active, profile.securityProfile >= 2 else { continue }
      guard certificates.newestValid(.csmsRoot, at: wallTime) != nil else {
        return NetworkRefusal("InvalidCertificate", "slot \(slot): no valid CSMS root certificate is installed")
      }
      if profile.securityProfile == 3, certificates.newestValid(.chargingStation, at: wallTime) == nil {
        return NetworkRefusal("InvalidCertificate", "slot \(slot): no valid charging station certificate is installed")
      }
    }
    return nil
  }
}
