import OCPP
import StationCore
import Testing

@Suite("Firmware updates: installation, restarts, power cuts")
struct FirmwareInstallationTests {
  private func charging(_ settings: [String: String]) -> StationBench {
    let settings = ["TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "Authorized"].merging(settings) { $1 }
    let bench = StationBench.firmware(settings).boot()
    bench.plugIn()
    bench.swipe(evses: [1])
    bench.pilot(.c)
    bench.forgetCalls()
    return bench
  }

  private func leave(_ bench: StationBench) {
    bench.swipe(evses: [1])
    bench.plugOut()
    bench.wait(seconds: 3)
  }

  private func statuses(_ bench: StationBench, evse: Int) -> [String] {
    bench.calls("StatusNotification").filter { $0["evseId"] == .int(evse) }.compactMap { $0.text("connectorStatus") }
  }

  // Proves: L01.FR.06, L01.FR.07, L01.FR.34, L02.FR.03, L02.FR.04, L02.FR.23, TC_L_15_CS
  @Test func waitsForTransactionsAndWithholdsTheOthers() {
    let bench = charging([:])
    bench.update()
    bench.downloadEnds()
    #expect(bench.firmwareStatuses == ["Downloading", "Downloaded", "SignatureVerified", "InstallScheduled"])
    #expect(statuses(bench, evse: 2) == ["Unavailable"])
    bench.plugIn(2)
    bench.swipe("CAFEBABE", evses: [2])
    #expect(bench.station.snapshot.evses[1].transaction == nil)
    bench.plugOut(2)
    leave(bench)
    #expect(statuses(bench, evse: 1) == ["Unavailable"])
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    bench.installerSays(.failed("no space"))
    #expect(statuses(bench, evse: 1).last == "Available" && statuses(bench, evse: 2).last == "Available")
  }

  // Proves: L01.FR.07, L02.FR.04, TC_L_14_CS
  @Test func allowsNewSessionsMeanwhile() {
    let bench = charging(["ChargingStation/AllowNewSessionsPendingFirmwareUpdate": "true"])
    bench.update()
    bench.downloadEnds()
    #expect(statuses(bench, evse: 2).isEmpty)
    bench.plugIn(2)
    bench.swipe("CAFEBABE", evses: [2])
    #expect(bench.station.snapshot.evses[1].transaction != nil)
    leave(bench)
    #expect(bench.lastInstallerRequest == .state)
    bench.swipe("CAFEBABE", evses: [2])
    bench.plugOut(2)
    bench.wait(seconds: 3)
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    // While it is being installed nobody begins.
    #expect(statuses(bench, evse: 2).last == "Unavailable")
  }

  // Proves: L01.FR.13, L02.FR.07, TC_L_12_CS, TC_L_13_CS
  @Test func downloadsAfterTransactionsWhereItHasTo() {
    let bench = charging(["InternalCtrlr/DownloadDuringTransactions": "false"])
    bench.update()
    #expect(bench.firmwareStatuses == ["DownloadScheduled"] && bench.downloads.isEmpty)
    #expect(statuses(bench, evse: 2) == ["Unavailable"])
    leave(bench)
    #expect(bench.downloads.count == 1)
    // Until it is installed.
    #expect(statuses(bench, evse: 2) == ["Unavailable"] && statuses(bench, evse: 1).last == "Unavailable")
  }

  // Proves: L01.FR.10, L01.FR.14, L02.FR.08
  @Test(arguments: [true, false]) func aDownloadPausesWhereItHasTo(allowsNew: Bool) {
    let bench = StationBench.firmware([
      "TxCtrlr/TxStartPoint": "Authorized", "TxCtrlr/TxStopPoint": "Authorized",
      "InternalCtrlr/DownloadDuringTransactions": "false",
      "ChargingStation/AllowNewSessionsPendingFirmwareUpdate": String(allowsNew),
    ]).boot()
    bench.update(retries: 0)
    // Else nobody new comes once it has paused.
    let pauses = allowsNew ? 2 : 1
    for pause in 1...pauses {
      #expect(bench.downloads.count == pause && bench.firmwareStatuses.last == "Downloading")
      let transfer = bench.transferRequests.last
      bench.plugIn()
      bench.swipe(evses: [1])
      bench.pilot(.c)
      #expect(bench.firmwareStatuses.last == "DownloadPaused")
      #expect(bench.transferRequests.last?.request == .cancel && bench.transferRequests.last?.id == transfer?.id)
      // The end of what was cancelled is no failure: no retry is left.
      if let transfer { bench.input(.transfer(id: transfer.id, .ended(.failed(.cancelled, "cancelled")))) }
      bench.wait(seconds: 100)
      #expect(bench.downloads.count == pause)
      leave(bench)
      #expect(bench.downloads.last?.resumes == true)
    }
    #expect(statuses(bench, evse: 2).contains("Unavailable") == !allowsNew)
    let told = Array(repeating: ["Downloading", "DownloadPaused"], count: pauses).flatMap(\.self) + ["Downloading"]
    #expect(bench.firmwareStatuses == told)
    bench.downloadEnds()
    #expect(bench.firmwareStatuses.suffix(3) == ["Downloaded", "SignatureVerified", "Installing"])
  }

  /// The power is cut while it pauses: it goes on, and that is told.
  // Proves: L01.FR.14
  @Test func aPauseIsOverAfterARestart() {
    let settings = [
      "InternalCtrlr/DownloadDuringTransactions": "false", "TxCtrlr/TxStartPoint": "PowerPathClosed",
    ]
    let bench = StationBench.firmware(settings).boot()
    bench.update()
    bench.swipe(evses: [1])
    #expect(bench.firmwareStatuses == ["Downloading", "DownloadPaused"])
    let again = bench.firmwareRestarted(settings, running: StationBench.old).boot()
    #expect(again.firmwareStatuses == ["Downloading"] && again.downloads.last?.resumes == true)
  }

  // Proves: L01.FR.33, L02.FR.22, TC_L_16_CS
  @Test func installsDuringTransactionsAndActivatesAfterThem() {
    let bench = charging(["InternalCtrlr/InstallDuringTransactions": "true"])
    bench.update()
    bench.downloadEnds()
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    bench.installerSays(.restartNeeded)
    #expect(bench.firmwareStatuses.last == "InstallRebooting")
    bench.wait(seconds: 100)
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    leave(bench)
    #expect(bench.lastInstallerRequest == .activate)
  }

  /// A reset that waits for the session does not come in between; the restart that puts it in force is one.
  // Proves: B12.FR.01, L01.FR.33
  @Test(arguments: [true, false]) func aResetWaitsForTheInstallation(works: Bool) {
    let bench = charging(["InternalCtrlr/InstallDuringTransactions": "true"])
    bench.update()
    #expect(bench.call("Reset", ["type": "OnIdle"])?.text("status") == "Scheduled")
    bench.downloadEnds()
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    leave(bench)
    #expect(!bench.actions.contains(.restart(.scheduledReset)))
    guard works else {
      bench.installerSays(.failed("no space"))
      #expect(bench.actions.last == .restart(.scheduledReset))
      return
    }
    bench.installerSays(.restartNeeded)
    #expect(bench.lastInstallerRequest == .activate)
    bench.installerSays(.restartNeeded)
    #expect(bench.actions.contains(.restart(.firmwareUpdate)) && !bench.actions.contains(.restart(.scheduledReset)))
    let again = bench.firmwareRestarted(running: StationBench.new).boot()
    again.installerSays(.done)
    again.wait(seconds: 1000)
    #expect(again.firmwareTold == ["Installed 7"])
    #expect(!again.actions.contains { if case .restart = $0 { true } else { false } })
  }

  /// The reset of an EVSE restarts nothing.
  // Proves: B12.FR.01
  @Test func aResetOfAnEVSEDoesNotWait() {
    let bench = charging(["InternalCtrlr/InstallDuringTransactions": "true", "EVSE@1/AllowReset": "true"])
    bench.update()
    #expect(bench.call("Reset", ["type": "OnIdle", "evseId": 1])?.text("status") == "Scheduled")
    bench.downloadEnds()
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    leave(bench)
    #expect(bench.actions.contains(.log(.notice, "EVSE 1 is reset")))
  }

  // Proves: L01.FR.29, TC_L_08_CS
  @Test func anImageThatIsNone() {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    bench.installerSays(.invalid("another machine"))
    #expect(bench.firmwareTold.last == "InstallVerificationFailed 7")
    #expect(bench.transferRequests.last?.request == .remove(file: "firmware-7"))
  }

  /// The CSMS does not answer: the restart waits ten seconds and no longer.
  // Proves: L01.FR.32
  @Test func theRestartDoesNotWaitForEver() {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    bench.responder = { _ in nil }
    bench.installerSays(.restartNeeded)
    bench.wait(seconds: 9)
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    bench.wait(seconds: 1)
    #expect(bench.lastInstallerRequest == .activate)
  }

  /// The machine came up with the old one: it was tried, and does not boot.
  @Test func theOldOneRunsAgain() {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    let again = bench.firmwareRestarted(running: StationBench.old).boot()
    #expect(again.firmwareTold == ["InstallationFailed 7"])
    #expect(again.calls("BootNotification").last?.text("chargingStation.firmwareVersion") == "1.0.0")
  }

  /// The CSMS does not accept the new one in time; also where the boot loader calls it good already.
  @Test(arguments: [false, true]) func rolledBack(isCalledGood: Bool) {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    var new = StationBench.new
    new.isGood = isCalledGood
    let again = bench.firmwareRestarted(["InternalCtrlr/FirmwareTrialTime": "100"], running: new)
    again.responder = StationBench.rejecting
    again.boot()
    again.wait(seconds: 99)
    #expect(again.lastInstallerRequest == .state)
    again.wait(seconds: 1)
    #expect(again.lastInstallerRequest == .rollBack)
    again.installerSays(.restartNeeded)
    #expect(again.actions.contains(.restart(.firmwareUpdate)))
    // It did not go: no second attempt, and it is confirmed when the CSMS comes.
    let stays = again.firmwareRestarted(["InternalCtrlr/FirmwareTrialTime": "100"], running: new)
    stays.input(.start)
    stays.wait(seconds: 1000)
    #expect(stays.lastInstallerRequest == .state)
    stays.linkUp()
    #expect(stays.lastInstallerRequest == .markGood)

    let last = again.firmwareRestarted(running: StationBench.old).boot()
    #expect(last.firmwareTold == ["InstallationFailed 7"])
    #expect(last.calls("BootNotification").last?.text("reason") == "FirmwareUpdate")
  }

  /// Marking it good fails: asked again, and not told before it has worked.
  @Test func markingGoodIsRepeated() {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    let again = bench.firmwareRestarted(running: StationBench.new).boot()
    again.installerSays(.failed("busy"))
    #expect(again.firmwareTold.isEmpty)
    again.wait(seconds: 60)
    #expect(again.installerRequests.filter { $0.request == .markGood }.count == 2)
    again.installerSays(.done)
    #expect(again.firmwareTold == ["Installed 7"])
  }

  /// An unconfirmed firmware of which the ledger knows nothing is confirmed all the same.
  @Test func aTrialThatNobodyRemembers() {
    let bench = StationBench.firmware(running: StationBench.new).boot()
    #expect(bench.lastInstallerRequest == .markGood)
    bench.installerSays(.done)
    #expect(bench.firmwareTold.isEmpty)
  }

  /// An installer that hangs or fails at the start does not keep the station offline.
  @Test(arguments: [true, false]) func theStationConnectsWithoutTheInstaller(hangs: Bool) {
    let bench = StationBench(hasInstaller: true)
    bench.input(.start)
    #expect(bench.connectRequests.isEmpty)
    if hangs { bench.wait(seconds: 15) } else { bench.installerSays(.failed("no such file")) }
    #expect(bench.connectRequests.count == 1)
  }

  /// Files that nobody needs go at the start, the one of the update stays.
  @Test func filesAtTheStart() {
    let bench = StationBench.firmware().boot()
    #expect(bench.transferRequests.first?.request == .keepOnly([]))
    bench.update()
    let again = bench.firmwareRestarted(running: StationBench.old).boot()
    #expect(again.transferRequests.first?.request == .keepOnly(["firmware-7"]))
    #expect(again.downloads.last?.resumes == true)
    // Told before the cut.
    #expect(again.firmwareTold.isEmpty)
  }
}
