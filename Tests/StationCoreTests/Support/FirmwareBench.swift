import OCPP
import StationCore
import Testing

/// A station that can install firmware; the test plays the file server and the installer.
extension StationBench {
  static let old = RunningFirmware(version: "1.0.0", slot: "A", isGood: true)
  static let new = RunningFirmware(version: "2.0.0", slot: "B", isGood: false)
  static let location = "https://user:s3cret-Word@files.example/fw.tar?sig=s1gnature"

  /// A CSMS that does not accept the station.
  static func rejecting(_ call: Call) -> JSONValue? {
    call.action == "BootNotification"
      ? ["currentTime": "2026-01-01T00:00:00Z", "interval": 30, "status": "Rejected"] : accepting(call)
  }

  static func firmware(
    _ settings: [String: String] = [:], ledger: LedgerSnapshot = LedgerSnapshot(), running: RunningFirmware = old,
    wall: Int64? = nil
  ) -> StationBench {
    let bench = StationBench(settings, ledger: ledger, wall: wall, hasInstaller: true)
    bench.running = running
    return bench
  }

  /// The same station after a restart, with what runs then.
  func firmwareRestarted(
    _ settings: [String: String] = [:], running: RunningFirmware, from ledger: LedgerSnapshot? = nil
  ) -> StationBench {
    .firmware(settings, ledger: ledger ?? self.ledger, running: running, wall: now.wall)
  }

  /// UpdateFirmware; its status.
  @discardableResult
  func update(
    _ requestId: Int = 7, location: String = StationBench.location, retrieveIn: Int64 = -3600, installIn: Int64? = nil,
    certificate: String? = "signer", signature: String? = "fits", retries: Int? = nil, retryInterval: Int? = nil
  ) -> String? {
    func time(_ seconds: Int64) -> JSONValue {
      .string(DateTime(unixMilliseconds: now.wall + seconds * 1000).description)
    }
    var firmware: [JSONMember] = [
      JSONMember(name: "location", value: .string(location)),
      JSONMember(name: "retrieveDateTime", value: time(retrieveIn)),
    ]
    if let installIn { firmware.append(JSONMember(name: "installDateTime", value: time(installIn))) }
    if let certificate { firmware.append(JSONMember(name: "signingCertificate", value: .string(certificate))) }
    if let signature { firmware.append(JSONMember(name: "signature", value: .string(signature))) }
    var members = [
      JSONMember(name: "requestId", value: .int(requestId)), JSONMember(name: "firmware", value: .object(firmware)),
    ]
    if let retries { members.append(JSONMember(name: "retries", value: .int(retries))) }
    if let retryInterval { members.append(JSONMember(name: "retryInterval", value: .int(retryInterval))) }
    let answer = call("UpdateFirmware", .object(members))
    if case .error(let code) = answer { return code }
    return answer?.text("status")
  }

  /// What the CSMS was told, as `status requestId`.
  var firmwareTold: [String] {
    calls("FirmwareStatusNotification").map { call in
      [call.text("status"), call["requestId"]?.intValue.map(String.init)].compactMap { $0 }.joined(separator: " ")
    }
  }

  /// The statuses alone.
  var firmwareStatuses: [String] { calls("FirmwareStatusNotification").compactMap { $0.text("status") } }

  var securityEvents: [String] { calls("SecurityEventNotification").compactMap { $0.text("type") } }

  /// Transfers that were started.
  var downloads: [Transfer] {
    transferRequests.compactMap { if case .start(let transfer) = $0.request { transfer } else { nil } }
  }

  /// The last download ends.
  func downloadEnds(_ result: TransferResult = .done(bytes: 1000)) {
    guard let last = transferRequests.last(where: { if case .start = $0.request { true } else { false } }) else {
      Issue.record("nothing is downloaded")
      return
    }
    input(.transfer(id: last.id, .ended(result)))
  }

  var lastInstallerRequest: InstallerRequest? { installerRequests.last?.request }

  /// The installer answers the last request.
  func installerSays(_ reply: InstallerReply) {
    guard let last = installerRequests.last else {
      Issue.record("the installer was not asked")
      return
    }
    input(.installer(id: last.id, reply))
  }

  /// From the request to the installation that is under way.
  func untilInstalling() {
    update()
    downloadEnds()
    #expect(lastInstallerRequest == .install(file: "firmware-7"))
  }

  /// From the request to the restart that puts it in force.
  func untilRestart() {
    untilInstalling()
    installerSays(.restartNeeded)
    #expect(lastInstallerRequest == .activate)
    installerSays(.restartNeeded)
    #expect(actions.contains(.restart(.firmwareUpdate)))
  }
}
