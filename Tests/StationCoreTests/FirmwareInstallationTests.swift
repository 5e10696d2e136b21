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

  /// The CSMS does not accept the new one in time.
  @Test func rolledBack() {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    let again = bench.firmwareRestarted(["InternalCtrlr/FirmwareTrialTime": "100"], running: StationBench.new)
    again.responder = { call in
      call.action == "BootNotification"
        ? ["currentTime": "2026-01-01T00:00:00Z", "interval": 30, "status": "Rejected"] : StationBench.accepting(call)
    }
    again.boot()
    again.wait(seconds: 99)
    #expect(again.lastInstallerRequest == .state)
    again.wait(seconds: 1)
    #expect(again.lastInstallerRequest == .rollBack)
    again.installerSays(.restartNeeded)
    #expect(again.actions.contains(.restart(.firmwareUpdate)))
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

  /// The power is cut after every commit of a whole update; what runs then is what the installer had in force. Whatever the
  /// moment, the update comes to an end that the CSMS learns, it says Installed only while the new version runs and is good,
  /// no status comes twice, and another update is accepted after it.
  @Test(arguments: [false, true]) func powerCutsInEveryPhase(hasSwitched: Bool) {
    let bench = StationBench.firmware().boot()
    let begun = bench.ledgerHistory.count
    bench.untilRestart()
    for (number, ledger) in bench.ledgerHistory.enumerated() where number >= begun {
      let told = ledger.outbox.filter { $0.action == "FirmwareStatusNotification" }.count
      let running = hasSwitched ? StationBench.new : StationBench.old
      let again = bench.firmwareRestarted(running: running, from: ledger).boot()
      finish(again)
      let statuses = again.firmwareStatuses
      #expect(Set(statuses).count == statuses.count, "cut \(number): \(statuses)")
      #expect(statuses.count >= told)
      #expect(["Installed", "InstallationFailed"].contains(statuses.last), "cut \(number): \(statuses)")
      if statuses.last == "Installed" { #expect(again.running?.version == "2.0.0") }
      #expect(again.update(8) == "Accepted")
      #expect((try? Replay.run(again.journal).difference) == .some(nil))
    }
  }

  /// Plays file server and installer until nothing is asked any more; a restart is not played: the new one runs after it.
  private func finish(_ bench: StationBench) {
    for _ in 0..<20 {
      if let last = bench.transferRequests.last(where: { if case .start = $0.request { true } else { false } }),
        bench.firmwareStatuses.last == nil || bench.firmwareStatuses.last == "Downloading"
      {
        bench.input(.transfer(id: last.id, .ended(.done(bytes: 1))))
      }
      switch bench.lastInstallerRequest {
      case .install:
        bench.running = StationBench.new
        bench.installerSays(.done)
      case .activate:
        bench.running = StationBench.old
        bench.installerSays(.failed("does not boot"))
      case .markGood: bench.installerSays(.done)
      default: break
      }
      bench.linkUp()
      if ["Installed", "InstallationFailed"].contains(bench.firmwareStatuses.last) { return }
    }
  }
}
