import OCPP
import StationCore
import Testing

/// The ledger cannot be written: nothing is asked of the installer that a power cut would let the station forget, and nothing is
/// lost that only waits.
@Suite("Firmware updates: a ledger that fails") struct FirmwareLedgerTests {
  private func count(_ request: InstallerRequest, _ bench: StationBench) -> Int {
    bench.installerRequests.filter { $0.request == request }.count
  }

  /// The phase that the ledger has.
  private func phase(_ bench: StationBench) -> String? {
    let record = bench.ledger.records[.station]?["firmware"].flatMap { try? JSONValue.parse($0) }
    return record?["update"]?["phase"]?.stringValue
  }

  private func recovers(_ bench: StationBench) {
    bench.ledgerFails = nil
    bench.wait(seconds: 20)
    #expect(bench.station.snapshot.storageIsHealthy)
  }

  private func newOneRuns(_ settings: [String: String] = [:]) -> StationBench {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    return bench.firmwareRestarted(settings, running: StationBench.new)
  }

  /// Where nothing is written and nothing runs yet.
  private func starts(_ bench: StationBench) {
    bench.input(.start)
    // The installer is asked behind a commit, which fails: the station connects without its answer.
    bench.wait(seconds: 15)
    bench.linkUp()
  }

  // MARK: The installer

  // Proves: L01.FR.01, L01.FR.16
  @Test func nothingIsInstalled() throws {
    let bench = StationBench.firmware().boot()
    bench.update(installIn: 1000)
    bench.downloadEnds()
    bench.ledgerFails = .readOnly
    bench.wait(seconds: 5000)
    #expect(bench.lastInstallerRequest == .state && bench.firmwareStatuses.last == "InstallScheduled")
    #expect(phase(bench) == "waiting")
    recovers(bench)
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7") && phase(bench) == "installing")
    #expect(bench.firmwareStatuses.filter { $0 == "Installing" }.count == 1)
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  // Proves: L01.FR.33, B11.FR.06
  @Test func nothingIsPutInForce() {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    bench.ledgerFails = .readOnly
    bench.installerSays(.restartNeeded)
    bench.wait(seconds: 1000)
    #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    #expect(!bench.actions.contains(.restart(.firmwareUpdate)))
    #expect(bench.station.snapshot.evses[0].status == "Available")
    recovers(bench)
    #expect(bench.station.snapshot.evses[0].status == "Unavailable")
    #expect(bench.lastInstallerRequest == .activate && phase(bench) == "activating")
  }

  // Proves: L01.FR.28
  @Test func nothingIsMarkedGood() {
    let bench = newOneRuns()
    bench.input(.start)
    bench.ledgerFails = .medium
    bench.input(.storageLow(true))
    bench.linkUp()
    bench.wait(seconds: 1000)
    #expect(count(.markGood, bench) == 0 && bench.firmwareTold.isEmpty)
    recovers(bench)
    #expect(bench.lastInstallerRequest == .markGood)
    bench.installerSays(.done)
    #expect(bench.firmwareTold == ["Installed 7"])
  }

  /// Nobody is turned away for what is not done yet.
  @Test func nothingIsRolledBack() {
    let bench = newOneRuns(["InternalCtrlr/FirmwareTrialTime": "100"])
    bench.input(.start)
    bench.ledgerFails = .readOnly
    bench.wait(seconds: 1000)
    #expect(count(.rollBack, bench) == 0 && bench.station.snapshot.evses[0].status == "Available")
    recovers(bench)
    #expect(bench.lastInstallerRequest == .rollBack && phase(bench) == "rollingBack")
  }

  /// At the sixth start of one that crashes neither: that it was rolled back once must not be forgotten. It is on trial.
  @Test func nothingIsRolledBackAtAStart() {
    var bench = newOneRuns()
    for _ in 1...5 {
      bench.input(.start)
      bench = bench.firmwareRestarted(running: StationBench.new)
    }
    bench.ledgerFails = .readOnly
    bench.input(.start)
    bench.wait(seconds: 500)
    #expect(count(.rollBack, bench) == 0)
    recovers(bench)
    bench.wait(seconds: 600)
    #expect(bench.lastInstallerRequest == .rollBack && phase(bench) == "rollingBack")
  }

  /// Told unstored, it might be Installed after a power cut.
  @Test func noFailureIsTold() {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    bench.ledgerFails = .full
    bench.installerSays(.failed("no space"))
    bench.wait(seconds: 1000)
    #expect(count(.keep, bench) == 0 && bench.firmwareStatuses.last == "Installing")
    recovers(bench)
    #expect(count(.keep, bench) == 1 && bench.firmwareTold.last == "InstallationFailed 7" && phase(bench) == nil)
  }

  /// The medium takes nothing any more, whatever the moment: however often it is started, the machine stays as it is.
  @Test(arguments: [false, true]) func aLedgerThatStaysAsItIs(hasSwitched: Bool) {
    // The boot loader calls it good, or it would be confirmed where no installation was begun.
    let running = hasSwitched ? RunningFirmware(version: "2.0.0", slot: "B", isGood: true) : StationBench.old
    let bench = StationBench.firmware().boot()
    let begun = bench.ledgerHistory.count
    bench.untilRestart()
    let new = bench.firmwareRestarted(["InternalCtrlr/FirmwareTrialTime": "100"], running: StationBench.new)
    new.input(.start)
    new.wait(seconds: 100)
    #expect(new.lastInstallerRequest == .rollBack)
    for (number, ledger) in (bench.ledgerHistory.dropFirst(begun) + new.ledgerHistory).enumerated() {
      let again = bench.firmwareRestarted(running: running, from: ledger)
      again.ledgerFails = .readOnly
      starts(again)
      again.wait(seconds: 2000)
      #expect(again.installerRequests.allSatisfy { $0.request == .state }, "ledger \(number)")
      #expect(!again.actions.contains(.restart(.firmwareUpdate)), "ledger \(number)")
    }
  }

  // MARK: Files

  /// The file is there and good: it is verified when the ledger takes that again.
  // Proves: L01.FR.04
  @Test func aDownloadIsKept() {
    let bench = StationBench.firmware().boot()
    bench.update()
    bench.ledgerFails = .full
    bench.downloadEnds()
    bench.wait(seconds: 1000)
    #expect(["Downloading", "Downloaded"].contains(bench.firmwareStatuses.last))
    #expect(!bench.transferRequests.contains { $0.request == .remove(file: "firmware-7") })
    recovers(bench)
    #expect(bench.firmwareStatuses == ["Downloading", "Downloaded", "SignatureVerified", "Installing"])
    #expect(bench.downloads.count == 1)
  }

  /// An attempt that was not made is none.
  // Proves: L01.FR.30
  @Test func noAttemptIsLost() {
    let bench = StationBench.firmware().boot()
    bench.update(retrieveIn: 100, retries: 0)
    bench.ledgerFails = .full
    bench.wait(seconds: 100)
    #expect(bench.downloads.isEmpty && !bench.firmwareStatuses.contains("DownloadFailed"))
    recovers(bench)
    #expect(bench.downloads.count == 1 && bench.firmwareStatuses == ["DownloadScheduled", "Downloading"])
  }

  /// What was fetched before stays.
  // Proves: L01.FR.14, L01.FR.30
  @Test func aPausedDownloadGoesOn() {
    let settings = ["InternalCtrlr/DownloadDuringTransactions": "false", "TxCtrlr/TxStartPoint": "PowerPathClosed"]
    let bench = StationBench.firmware(settings).boot()
    bench.update(retries: 0)
    bench.swipe(evses: [1])
    #expect(bench.firmwareStatuses == ["Downloading", "DownloadPaused"])
    let again = bench.firmwareRestarted(settings, running: StationBench.old)
    again.input(.start)
    again.ledgerFails = .full
    again.linkUp()
    #expect(again.downloads.isEmpty && !again.firmwareStatuses.contains("DownloadFailed"))
    #expect(!again.transferRequests.contains { $0.request == .remove(file: "firmware-7") })
    recovers(again)
    #expect(again.downloads.count == 1 && again.downloads.last?.resumes == true)
  }
}
