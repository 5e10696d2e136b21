import OCPP
import StationCore
import Testing

@Suite("Firmware updates: requests, downloads, signatures")
struct FirmwareTests {
  // Proves: L01.FR.01, L01.FR.05, L01.FR.10, L01.FR.20, L01.FR.28, L01.FR.31, L01.FR.32, TC_L_01_CS
  @Test func fromTheRequestToTheNewVersion() throws {
    let bench = StationBench.firmware().boot()
    #expect(bench.calls("BootNotification").last?.text("chargingStation.firmwareVersion") == "1.0.0")
    #expect(bench.update() == "Accepted")
    let download = try #require(bench.downloads.last)
    #expect(download.location == StationBench.location && download.direction == .download && !download.resumes)
    bench.downloadEnds()
    #expect(bench.firmwareTold == ["Downloading 7", "Downloaded 7", "SignatureVerified 7", "Installing 7"])
    bench.installerSays(.progress(50))
    bench.installerSays(.restartNeeded)
    bench.installerSays(.restartNeeded)
    #expect(bench.firmwareTold.last == "InstallRebooting 7")
    #expect(bench.actions.contains(.restart(.firmwareUpdate)))

    let again = bench.firmwareRestarted(running: StationBench.new).boot()
    let boot = again.calls("BootNotification").last
    #expect(boot?.text("reason") == "FirmwareUpdate")
    #expect(boot?.text("chargingStation.firmwareVersion") == "2.0.0")
    #expect(again.lastInstallerRequest == .markGood && again.firmwareTold.isEmpty)
    again.installerSays(.done)
    #expect(again.firmwareTold == ["Installed 7"])
    #expect(again.securityEvents.last == "FirmwareUpdated")
    #expect(again.transferRequests.contains { $0.request == .remove(file: "firmware-7") })
    for bench in [bench, again] {
      #expect(try Replay.run(bench.journal).difference == nil)
      let text = String(decoding: bench.journal, as: UTF8.self)
      #expect(!text.contains("s3cret-Word") && !text.contains("s1gnature"))
    }
  }

  /// An installer that needs no restart: the CSMS has accepted the BootNotification of another version, which proves nothing.
  // Proves: L01.FR.28
  @Test(arguments: [true, false]) func inForceAtOnce(isAccepted: Bool) {
    let bench = StationBench.firmware(["InternalCtrlr/FirmwareTrialTime": "100"]).boot()
    bench.untilInstalling()
    bench.running = RunningFirmware(version: "2.0.0", slot: "A")
    bench.installerSays(.done)
    #expect(bench.lastInstallerRequest == .state)
    #expect(bench.actions.contains(.disconnect(code: 1001, reason: "another firmware runs than was told")))
    if !isAccepted { bench.responder = StationBench.rejecting }
    bench.linkUp()
    #expect(bench.calls("BootNotification").last?.text("chargingStation.firmwareVersion") == "2.0.0")
    guard isAccepted else {
      bench.wait(seconds: 100)
      #expect(bench.lastInstallerRequest == .rollBack && !bench.firmwareStatuses.contains("Installed"))
      return
    }
    #expect(bench.lastInstallerRequest == .markGood)
    bench.installerSays(.done)
    #expect(bench.firmwareStatuses.last == "Installed" && bench.securityEvents.last == "FirmwareUpdated")
    #expect(bench.variable("InternalCtrlr", "FirmwareVersion") == "2.0.0")
  }

  // Proves: L01.FR.13, L01.FR.16, L02.FR.07, L02.FR.10, TC_L_02_CS, TC_L_03_CS
  @Test func retrieveAndInstallDates() {
    let bench = StationBench.firmware().boot()
    #expect(bench.update(retrieveIn: 7200, installIn: 10_000) == "Accepted")
    #expect(bench.firmwareStatuses == ["DownloadScheduled"] && bench.downloads.isEmpty)
    bench.wait(seconds: 7199)
    #expect(bench.downloads.isEmpty)
    bench.wait(seconds: 1)
    #expect(bench.firmwareStatuses == ["DownloadScheduled", "Downloading"])
    bench.downloadEnds()
    #expect(bench.firmwareStatuses.suffix(3) == ["Downloaded", "SignatureVerified", "InstallScheduled"])
    bench.wait(seconds: 2799)
    #expect(bench.lastInstallerRequest == .state)
    bench.wait(seconds: 1)
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    #expect(bench.firmwareStatuses.last == "Installing")
  }

  // Proves: L01.FR.30, L02.FR.19, TC_L_07_CS
  @Test func retriesAndTheirInterval() {
    let bench = StationBench.firmware().boot()
    bench.update(retries: 2, retryInterval: 100)
    for attempt in 1...3 {
      #expect(bench.downloads.count == attempt)
      #expect(bench.downloads.last?.resumes == (attempt > 1))
      bench.downloadEnds(.failed(.network, "cut"))
      bench.wait(seconds: 99)
      #expect(bench.downloads.count == attempt)
      bench.wait(seconds: 1)
    }
    #expect(bench.firmwareStatuses == ["Downloading", "DownloadFailed"])
    bench.wait(seconds: 10_000)
    #expect(bench.downloads.count == 3)
    #expect(bench.update(8) == "Accepted")
  }

  /// Until the next attempt, which may be a day later, the room on the medium is others'.
  @Test func whatFailsForWantOfRoomIsRemoved() {
    let bench = StationBench.firmware().boot()
    bench.update(retries: 1, retryInterval: 100)
    bench.downloadEnds(.failed(.storage, "no space"))
    #expect(bench.transferRequests.last?.request == .remove(file: "firmware-7"))
    bench.wait(seconds: 100)
    #expect(bench.downloads.count == 2 && bench.downloads.last?.resumes == false)
  }

  // Proves: L01.FR.30
  @Test func whatIsTooLargeIsNotTriedAgain() {
    let bench = StationBench.firmware().boot()
    bench.update(retries: 5)
    bench.downloadEnds(.failed(.tooLarge, "more"))
    #expect(bench.firmwareStatuses == ["Downloading", "DownloadFailed"])
    #expect(bench.transferRequests.last?.request == .remove(file: "firmware-7"))
  }

  /// Where there is no network no attempt is lost: it begins with the connection, or after ten minutes all the same.
  @Test(arguments: [true, false]) func attemptsWaitForANetwork(comes: Bool) {
    let bench = StationBench.firmware().boot()
    bench.update(retries: 0)
    #expect(bench.downloads.count == 1)
    let again = bench.firmwareRestarted(running: StationBench.old)
    again.input(.start)
    again.wait(seconds: 599)
    #expect(again.downloads.isEmpty)
    if comes { again.linkUp() } else { again.wait(seconds: 1) }
    #expect(again.downloads.count == 1 && again.downloads.last?.resumes == true)
    again.downloadEnds(.failed(.network, "no route"))
    again.linkUp()
    #expect(again.firmwareStatuses == ["DownloadFailed"])
  }

  // Proves: L01.FR.13, L02.FR.07
  @Test func theFirstAttemptWaitsForANetworkToo() {
    let bench = StationBench.firmware().boot()
    bench.update(retrieveIn: 100)
    bench.linkDown()
    bench.wait(seconds: 300)
    #expect(bench.downloads.isEmpty)
    bench.linkUp()
    #expect(bench.downloads.count == 1)
    #expect(bench.firmwareStatuses == ["DownloadScheduled", "Downloading"])
  }

  @Test(arguments: [(Int?.none, 4), (0, 1), (-5, 1)])
  func howManyRetries(_ retries: Int?, attempts: Int) {
    let bench = StationBench.firmware().boot()
    bench.update(retries: retries, retryInterval: 0)
    while bench.firmwareStatuses.last == "Downloading", bench.downloads.count < 10 {
      bench.downloadEnds(.failed(.server, "500"))
      bench.wait(seconds: 1)
    }
    #expect(bench.downloads.count == attempts)
  }

  // Proves: L01.FR.24, L01.FR.10, L02.FR.15, TC_L_10_CS
  @Test(arguments: ["DownloadScheduled", "Downloading", "InstallScheduled"])
  func aNewRequestTakesItsPlace(_ state: String) {
    let bench = StationBench.firmware().boot()
    bench.update(retrieveIn: state == "DownloadScheduled" ? 1000 : -1, installIn: 5000)
    if state == "InstallScheduled" { bench.downloadEnds() }
    #expect(bench.firmwareStatuses.last == state)
    let first = bench.transferRequests.last
    bench.forgetCalls()
    #expect(bench.update(8) == "AcceptedCanceled")
    #expect(bench.transferRequests.contains { $0.request == .remove(file: "firmware-7") })
    if state == "Downloading", let first {
      #expect(bench.transferRequests.contains { $0.id == first.id && $0.request == .cancel })
      bench.input(.transfer(id: first.id, .ended(.failed(.cancelled, "cancelled"))))
    }
    bench.downloadEnds()
    #expect(bench.firmwareTold == ["Downloading 8", "Downloaded 8", "SignatureVerified 8", "Installing 8"])
  }

  // Proves: L01.FR.27, L02.FR.18
  @Test func whatIsBeingInstalledIsNotCancelled() {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    #expect(bench.update(8) == "Rejected")
    #expect(bench.call("Reset", ["type": "Immediate"])?.text("statusInfo.reasonCode") == "FwUpdateInProgress")
    bench.installerSays(.failed("no space"))
    #expect(bench.firmwareTold.last == "InstallationFailed 7")
    #expect(bench.update(8) == "Accepted")
  }

  // Proves: L01.FR.02, L01.FR.21, L01.FR.22, TC_L_05_CS
  @Test func invalidCertificate() {
    let bench = StationBench.firmware().boot()
    #expect(bench.update(certificate: "bad") == "InvalidCertificate")
    #expect(bench.securityEvents.last == "InvalidFirmwareSigningCertificate")
    #expect(bench.firmwareTold.isEmpty && bench.downloads.isEmpty)
  }

  // Proves: L01.FR.03, L01.FR.04, L01.FR.12, TC_L_06_CS
  @Test func invalidSignature() {
    let bench = StationBench.firmware().boot()
    bench.update(signature: "bad")
    bench.downloadEnds()
    #expect(bench.firmwareTold.last == "InvalidSignature 7")
    #expect(bench.securityEvents.last == "InvalidFirmwareSignature")
    #expect(bench.transferRequests.last?.request == .remove(file: "firmware-7"))
    #expect(bench.lastInstallerRequest == .state)
  }

  @Test func aFileThatIsLostIsNoInvalidSignature() {
    let bench = StationBench.firmware().boot()
    bench.update(signature: "lost")
    bench.downloadEnds()
    #expect(bench.firmwareTold.last == "InstallationFailed 7")
  }

  // Proves: L01.FR.09, TC_L_18_CS
  @Test(arguments: [(String?.none, String?.none), ("signer", nil), (nil, "fits")])
  func withoutCertificateOrSignature(certificate: String?, signature: String?) {
    let bench = StationBench.firmware().boot()
    #expect(bench.update(certificate: certificate, signature: signature) == "Rejected")
    #expect(bench.downloads.isEmpty)
  }

  // Proves: L02.FR.01, L02.FR.02, L02.FR.06, L02.FR.14
  @Test func unsignedWhereItIsAllowed() {
    let bench = StationBench.firmware(["InternalCtrlr/AllowUnsignedFirmware": "true"]).boot()
    #expect(bench.update(certificate: nil, signature: nil) == "Accepted")
    bench.downloadEnds()
    #expect(bench.firmwareTold == ["Downloading 7", "Downloaded 7", "Installing 7"])
  }

  @Test(arguments: ["fw.tar", "file:///etc/passwd", "gopher://x/"])
  func locationsThatAreNone(_ location: String) {
    #expect(StationBench.firmware().boot().update(location: location) == "Rejected")
  }

  @Test func protocolsThatAreNotAdvertised() {
    let bench = StationBench.firmware(["OCPPCommCtrlr/FileTransferProtocols": "HTTPS,SFTP"]).boot()
    #expect(bench.update(location: "ftp://files.example/fw") == "Rejected")
    #expect(bench.update(location: "sftp://files.example/fw") == "Accepted")
  }

  @Test func withoutInstaller() {
    #expect(StationBench().boot().update() == "Rejected")
  }

  // Proves: L01.FR.25, L01.FR.26, L02.FR.16, L02.FR.17, F06.FR.16, TC_F_18_CS, TC_F_19_CS
  @Test func triggered() {
    let bench = StationBench.firmware().boot()
    func trigger(_ bench: StationBench) -> String? {
      bench.call("TriggerMessage", ["requestedMessage": "FirmwareStatusNotification"])
      return bench.firmwareTold.last
    }
    #expect(trigger(bench) == "Idle")
    bench.update()
    #expect(trigger(bench) == "Downloading 7")
    bench.downloadEnds()
    bench.installerSays(.invalid("another machine"))
    #expect(bench.firmwareTold.last == "InstallVerificationFailed 7")
    #expect(trigger(bench) == "InstallVerificationFailed 7")
    let again = bench.firmwareRestarted(running: StationBench.old).boot()
    #expect(trigger(again) == "InstallVerificationFailed 7")
  }

  /// The answer is given once the ledger has it, or not at all.
  @Test func aLedgerThatFails() {
    let bench = StationBench.firmware().boot()
    bench.ledgerFails = .full
    #expect(bench.update() == "InternalError")
    #expect(bench.downloads.isEmpty && bench.firmwareTold.isEmpty)
    #expect(bench.update(8) == "Rejected")
    bench.ledgerFails = nil
    bench.wait(seconds: 11)
    #expect(bench.update(9) == "Accepted")
    #expect(bench.downloads.count == 1)
  }
}
