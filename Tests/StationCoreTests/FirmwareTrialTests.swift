import OCPP
import StationCore
import Testing

@Suite("Firmware updates: what runs, trials, what is taken back") struct FirmwareTrialTests {
  /// A station that was started again to put the new one in force. The installer does not say what runs.
  private func restartedInTheDark() -> StationBench {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    let again = bench.firmwareRestarted(running: StationBench.new)
    again.running = nil
    again.input(.start)
    again.installerSays(.failed("busy"))
    again.linkUp()
    return again
  }

  private func newOneRuns(_ settings: [String: String] = [:]) -> StationBench {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    return bench.firmwareRestarted(settings, running: StationBench.new)
  }

  private func installs(_ bench: StationBench) -> Int {
    bench.installerRequests.filter { if case .install = $0.request { true } else { false } }.count
  }

  private func count(_ request: InstallerRequest, _ bench: StationBench) -> Int {
    bench.installerRequests.filter { $0.request == request }.count
  }

  // MARK: What runs

  /// Without it nobody could tell afterwards whether the new one runs.
  // Proves: L01.FR.28
  @Test func nothingIsInstalledBeforeItIsKnown() {
    let bench = StationBench.firmware()
    bench.running = nil
    bench.input(.start)
    bench.installerSays(.failed("busy"))
    bench.linkUp()
    bench.update()
    bench.downloadEnds()
    #expect(bench.firmwareStatuses.last == "SignatureVerified" && installs(bench) == 0)
    bench.running = StationBench.old
    bench.wait(seconds: 60)
    #expect(installs(bench) == 1)
    bench.linkUp()
    #expect(bench.firmwareStatuses.last == "Installing")
    #expect(bench.calls("BootNotification").last?.text("chargingStation.firmwareVersion") == "1.0.0")
  }

  // Proves: L01.FR.28
  @Test func theOldOneRunsAndIsNotCalledInstalled() {
    let bench = restartedInTheDark()
    bench.wait(seconds: 59)
    #expect(bench.firmwareTold.isEmpty && bench.update(8) == "Rejected")
    bench.running = StationBench.old
    bench.wait(seconds: 1)
    bench.linkUp()
    #expect(bench.firmwareTold == ["InstallationFailed 7"])
    #expect(count(.markGood, bench) == 0 && bench.update(8) == "Accepted")
  }

  /// BootNotification told another version: the new one is confirmed when the CSMS has accepted its own.
  // Proves: L01.FR.28
  @Test func theNewOneIsConfirmedOnceItIsKnown() throws {
    let bench = restartedInTheDark()
    bench.running = StationBench.new
    bench.wait(seconds: 60)
    #expect(count(.markGood, bench) == 0)
    bench.linkUp()
    #expect(bench.calls("BootNotification").last?.text("chargingStation.firmwareVersion") == "2.0.0")
    #expect(bench.lastInstallerRequest == .markGood)
    bench.installerSays(.done)
    #expect(bench.firmwareTold == ["Installed 7"])
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// It never says: a quarter of an hour, then the CSMS learns it, and may try again.
  @Test func anInstallerThatNeverSaysWhatRuns() {
    let bench = restartedInTheDark()
    for _ in 2..<15 {
      bench.wait(seconds: 60)
      bench.installerSays(.failed("busy"))
    }
    #expect(bench.firmwareTold.isEmpty && count(.state, bench) == 14)
    bench.wait(seconds: 60)
    bench.installerSays(.failed("busy"))
    #expect(bench.firmwareTold == ["InstallationFailed 7"])
    #expect(bench.update(8) == "Accepted")
    // What cannot be told apart is not installed either.
    bench.downloadEnds()
    #expect(bench.firmwareTold.last == "InstallationFailed 8" && installs(bench) == 0)
  }

  /// It is in force already, says the installer, and then not what runs.
  @Test func inForceAndNobodySaysWhat() {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    bench.running = nil
    bench.installerSays(.done)
    #expect(bench.lastInstallerRequest == .state)
    bench.installerSays(.failed("busy"))
    #expect(bench.firmwareStatuses.last == "Installing")
    bench.running = RunningFirmware(version: "2.0.0", slot: "A")
    bench.wait(seconds: 60)
    #expect(bench.lastInstallerRequest == .state)
    bench.linkUp()
    #expect(bench.calls("BootNotification").last?.text("chargingStation.firmwareVersion") == "2.0.0")
    #expect(bench.lastInstallerRequest == .markGood)
  }

  /// It is in force already, says the installer, and then that the old one runs: as after a power cut at this moment.
  // Proves: L01.FR.28
  @Test func inForceAndTheOldOneRuns() {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    bench.installerSays(.done)
    #expect(bench.lastInstallerRequest == .keep && count(.markGood, bench) == 0)
    #expect(bench.firmwareTold.last == "InstallationFailed 7")
  }

  // MARK: A machine that goes down by itself

  // Proves: L01.FR.32
  @Test(arguments: [true, false]) func theStationWaitsToBeEnded(goesDown: Bool) {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    bench.installerSays(.restartNeeded)
    #expect(bench.lastInstallerRequest == .activate)
    bench.installerSays(.done)
    bench.wait(seconds: 599)
    #expect(!bench.actions.contains(.restart(.firmwareUpdate)))
    #expect(bench.call("Reset", ["type": "Immediate"])?.text("statusInfo.reasonCode") == "FwUpdateInProgress")
    if goesDown {
      bench.input(.shutdown)
      #expect(bench.actions.contains(.stopped))
      let again = bench.firmwareRestarted(running: StationBench.new).boot()
      again.installerSays(.done)
      #expect(again.firmwareTold == ["Installed 7"])
    } else {
      bench.wait(seconds: 1)
      #expect(bench.actions.contains(.restart(.firmwareUpdate)))
      let again = bench.firmwareRestarted(running: StationBench.old).boot()
      #expect(again.firmwareTold == ["InstallationFailed 7"] && count(.keep, again) == 1)
    }
  }

  @Test func theStationWaitsToBeEndedOnTheWayBackToo() {
    let bench = newOneRuns(["InternalCtrlr/FirmwareTrialTime": "100"])
    bench.input(.start)
    bench.wait(seconds: 100)
    #expect(bench.lastInstallerRequest == .rollBack)
    bench.installerSays(.done)
    // Too late: it goes down.
    bench.linkUp()
    bench.wait(seconds: 500)
    #expect(bench.lastInstallerRequest == .rollBack && !bench.actions.contains(.restart(.firmwareUpdate)))
    bench.wait(seconds: 100)
    #expect(bench.actions.contains(.restart(.firmwareUpdate)))
  }

  // MARK: What was installed is taken back

  /// The reboot fails, and the installer has made the new one the next that boots.
  @Test func aFailedActivationIsTakenBackBeforeItIsTold() throws {
    let bench = StationBench.firmware().boot()
    bench.keeps = nil
    bench.untilInstalling()
    bench.installerSays(.restartNeeded)
    bench.installerSays(.failed("no reboot"))
    #expect(bench.lastInstallerRequest == .keep)
    #expect(bench.firmwareTold.last == "InstallRebooting 7" && bench.update(8) == "Rejected")
    // The power is cut: the new one has booted, and nobody was told that it has failed.
    let new = bench.firmwareRestarted(running: StationBench.new).boot()
    new.installerSays(.done)
    #expect(new.firmwareTold == ["Installed 7"])
    // Or the old one.
    let old = bench.firmwareRestarted(running: StationBench.old).boot()
    #expect(old.firmwareTold == ["InstallationFailed 7"] && count(.keep, old) == 1)

    bench.installerSays(.done)
    #expect(bench.firmwareTold.last == "InstallationFailed 7" && bench.update(8) == "Accepted")
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  @Test(arguments: [InstallerReply.failed("no space"), .invalid("another machine")])
  func whatIsHalfInstalledIsTakenBack(_ reply: InstallerReply) {
    let bench = StationBench.firmware().boot()
    bench.keeps = nil
    bench.untilInstalling()
    bench.installerSays(reply)
    #expect(bench.lastInstallerRequest == .keep && bench.firmwareStatuses.last == "Installing")
    bench.installerSays(.done)
    let isInvalid = reply == .invalid("another machine")
    #expect(bench.firmwareStatuses.last == (isInvalid ? "InstallVerificationFailed" : "InstallationFailed"))
  }

  /// An installer that cannot does not keep the CSMS waiting for ever.
  @Test func whatIsNotTakenBack() {
    let bench = StationBench.firmware().boot()
    bench.keeps = .failed("busy")
    bench.untilInstalling()
    bench.installerSays(.failed("no space"))
    bench.wait(seconds: 119)
    #expect(count(.keep, bench) == 2 && bench.firmwareStatuses.last == "Installing")
    bench.wait(seconds: 1)
    #expect(count(.keep, bench) == 3 && bench.firmwareStatuses.last == "InstallationFailed")
  }

  /// The station dies in every installation. What the first left may boot.
  @Test func interruptedTooOften() {
    var bench = StationBench.firmware().boot()
    bench.untilInstalling()
    for _ in 2...3 {
      bench = bench.firmwareRestarted(running: StationBench.old)
      bench.holdsCertificates = true
      bench.boot()
      // Begun is begun, also while it is verified once more.
      #expect(bench.update(8) == "Rejected")
      bench.holdsCertificates = false
      bench.carryOutHeldCertificates()
      #expect(bench.lastInstallerRequest == .install(file: "firmware-7"))
    }
    bench = bench.firmwareRestarted(running: StationBench.old).boot()
    #expect(bench.lastInstallerRequest == .keep)
    #expect(bench.firmwareTold.last == "InstallationFailed 7")
  }

  /// So may what was begun to be installed from a file that is gone or another one after the power cut.
  // Proves: L01.FR.03
  @Test(arguments: [
    CertificateReply.rejected(reasonCode: "InvalidSignature", "bad"), .failed("no such file"), .notFound,
  ])
  func theFileIsNoLongerTheSame(_ reply: CertificateReply) throws {
    let bench = StationBench.firmware().boot()
    bench.untilInstalling()
    let again = bench.firmwareRestarted(running: StationBench.old)
    again.holdsCertificates = true
    again.keeps = nil
    again.boot()
    let asked = try #require(
      again.heldCertificates.last { if case .verifyFirmware = $0.request { true } else { false } })
    again.input(.certificates(id: asked.id, reply, again.folder.inventory))
    #expect(again.lastInstallerRequest == .keep && again.firmwareTold.isEmpty)
    again.installerSays(.done)
    guard case .rejected = reply else {
      #expect(again.firmwareTold == ["InstallationFailed 7"])
      return
    }
    #expect(again.firmwareTold == ["InvalidSignature 7"])
    #expect(again.securityEvents.last == "InvalidFirmwareSignature")
  }

  // MARK: Trials

  /// It does not disturb a session, and lets none begin.
  // Proves: L01.FR.33
  @Test func aRollBackWaitsForTransactions() {
    let bench = newOneRuns([
      "InternalCtrlr/FirmwareTrialTime": "100", "TxCtrlr/TxStartPoint": "Authorized",
      "TxCtrlr/TxStopPoint": "Authorized", "AuthCtrlr/OfflineTxForUnknownIdEnabled": "true",
    ])
    bench.input(.start)
    bench.wait(seconds: 50)
    bench.plugIn()
    bench.swipe(evses: [1])
    bench.pilot(.c)
    #expect(bench.station.snapshot.evses[0].transaction != nil)
    #expect(bench.station.snapshot.evses[1].status == "Available")
    bench.wait(seconds: 1000)
    #expect(count(.rollBack, bench) == 0 && bench.station.snapshot.evses[0].transaction != nil)
    #expect(bench.station.snapshot.evses[1].status == "Unavailable")
    bench.plugIn(2)
    bench.swipe("CAFEBABE", evses: [2])
    #expect(bench.station.snapshot.evses[1].transaction == nil)
    bench.plugOut(2)
    bench.swipe(evses: [1])
    bench.plugOut()
    bench.wait(seconds: 10)
    #expect(bench.lastInstallerRequest == .rollBack)
  }

  /// While it waits for them the CSMS comes.
  @Test func theCSMSComesInTheEnd() {
    let bench = newOneRuns([
      "InternalCtrlr/FirmwareTrialTime": "100", "TxCtrlr/TxStartPoint": "Authorized",
      "AuthCtrlr/OfflineTxForUnknownIdEnabled": "true",
    ])
    bench.input(.start)
    bench.plugIn()
    bench.swipe(evses: [1])
    bench.wait(seconds: 200)
    #expect(count(.rollBack, bench) == 0)
    bench.linkUp()
    #expect(bench.lastInstallerRequest == .markGood)
    bench.installerSays(.done)
    #expect(bench.firmwareTold == ["Installed 7"])
    #expect(bench.station.snapshot.evses[1].status == "Available")
  }

  /// Each start begins the trial anew: one that crashes would stay for ever.
  @Test func oneThatCrashesIsRolledBack() {
    var bench = newOneRuns()
    for start in 1...5 {
      bench.input(.start)
      bench.wait(seconds: 10)
      #expect(count(.rollBack, bench) == 0, "start \(start)")
      bench = bench.firmwareRestarted(running: StationBench.new)
    }
    // It may crash before the installer has done that; but not for ever.
    for start in 6...10 {
      bench.input(.start)
      #expect(bench.lastInstallerRequest == .rollBack, "start \(start)")
      bench = bench.firmwareRestarted(running: StationBench.new)
    }
    let stays = bench.boot()
    #expect(stays.lastInstallerRequest == .markGood)
    let old = bench.firmwareRestarted(running: StationBench.old).boot()
    #expect(old.firmwareTold == ["InstallationFailed 7"])
    stays.keeps = nil
    stays.installerSays(.done)
    // It was marked bad, and is the next one again before the CSMS hears of it.
    #expect(stays.lastInstallerRequest == .keep && stays.firmwareTold.isEmpty)
    stays.installerSays(.failed("read-only"))
    stays.wait(seconds: 60)
    #expect(stays.lastInstallerRequest == .markGood && stays.firmwareTold.isEmpty)
    stays.installerSays(.done)
    stays.installerSays(.done)
    #expect(stays.firmwareTold == ["Installed 7"])
  }

  /// Five attempts in a quarter of an hour, then the way back; where that fails too, the CSMS learns it.
  @Test(arguments: [true, false]) func oneThatCannotBeMarkedGood(goesBack: Bool) {
    let bench = newOneRuns().boot()
    for wait: Int64 in [60, 120, 240, 480] {
      #expect(bench.lastInstallerRequest == .markGood)
      bench.installerSays(.failed("read-only"))
      bench.wait(seconds: wait - 1)
      let before = count(.markGood, bench)
      bench.wait(seconds: 1)
      #expect(count(.markGood, bench) == before + 1)
    }
    bench.installerSays(.failed("read-only"))
    #expect(bench.lastInstallerRequest == .rollBack && bench.firmwareTold.isEmpty)
    if goesBack {
      bench.installerSays(.restartNeeded)
      #expect(bench.actions.contains(.restart(.firmwareUpdate)))
    } else {
      bench.installerSays(.failed("read-only"))
      #expect(bench.firmwareTold == ["InstallationFailed 7"] && count(.rollBack, bench) == 1)
      // It is asked on, now and then.
      bench.wait(seconds: 959)
      #expect(count(.markGood, bench) == 5)
      bench.wait(seconds: 1)
      #expect(count(.markGood, bench) == 6)
    }
  }

  // MARK: Starts after that

  /// A boot loader counts the starts of what was confirmed too: it is marked good again, although the CSMS is away.
  @Test func whatWasConfirmedIsMarkedGoodAtEachStart() throws {
    let bench = StationBench.firmware(running: StationBench.new).boot()
    #expect(bench.lastInstallerRequest == .markGood)
    bench.installerSays(.done)
    let again = bench.firmwareRestarted(running: StationBench.new)
    again.input(.start)
    #expect(again.lastInstallerRequest == .markGood)
    again.installerSays(.done)
    again.linkUp()
    #expect(count(.markGood, again) == 1)
    #expect(try Replay.run(again.journal).difference == nil)
    // One that came otherwise waits for the CSMS.
    let other = again.firmwareRestarted(running: RunningFirmware(version: "2.0.0", slot: "C", isGood: false))
    other.input(.start)
    #expect(count(.markGood, other) == 0)
  }

  /// Confirmed once and installed again, it is on trial as any other.
  // Proves: L01.FR.28
  @Test func whatWasConfirmedAndIsInstalledAgain() {
    let bench = StationBench.firmware(running: StationBench.new).boot()
    bench.installerSays(.done)
    let old = bench.firmwareRestarted(running: StationBench.old).boot()
    old.untilRestart()
    let new = old.firmwareRestarted(running: StationBench.new)
    new.input(.start)
    #expect(count(.markGood, new) == 0)
    new.linkUp()
    #expect(new.lastInstallerRequest == .markGood)
  }
}
