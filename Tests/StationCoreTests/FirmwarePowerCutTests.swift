import OCPP
import StationCore
import Testing

/// The power is cut after every commit of a whole update; what runs then is what the installer had in force. Whatever the moment,
/// the update comes to an end that the CSMS learns, it says Installed only while the new version runs and is good, and
/// InstallationFailed only while the old one runs or what was installed is taken back; no status comes twice, and another update is
/// accepted after it.
@Suite("Firmware updates: power cuts") struct FirmwarePowerCutTests {
  /// Up to the restart.
  // Proves: L01.FR.01, L01.FR.28
  @Test(arguments: [false, true], [false, true]) func powerCutsInEveryPhase(hasSwitched: Bool, stateFails: Bool) {
    let bench = StationBench.firmware().boot()
    let begun = bench.ledgerHistory.count
    bench.untilRestart()
    for (number, ledger) in bench.ledgerHistory.enumerated() where number >= begun {
      cut(bench, ledger, "cut \(number)", hasSwitched: hasSwitched, stateFails: stateFails)
    }
  }

  /// From the start of the new one until it is good. The machine that falls back has the old one.
  // Proves: L01.FR.28, L01.FR.32
  @Test(arguments: [false, true], [false, true]) func powerCutsOfTheNewOne(staysNew: Bool, stateFails: Bool) {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    let new = bench.firmwareRestarted(running: StationBench.new).boot()
    #expect(new.lastInstallerRequest == .markGood)
    let confirming = new.ledgerHistory
    #expect(!confirming.isEmpty)
    for (number, ledger) in confirming.enumerated() {
      cut(new, ledger, "confirming, cut \(number)", hasSwitched: staysNew, stateFails: stateFails)
    }
    new.installerSays(.done)
    #expect(new.firmwareStatuses == ["Installed"])
    // It was marked good, and the commit that says so was lost, or not: it is told, and not told twice.
    for ledger in new.ledgerHistory.dropFirst(confirming.count) {
      let again = new.firmwareRestarted(running: StationBench.new, from: ledger).boot()
      #expect(again.firmwareStatuses == ["Installed"] || again.firmwareStatuses.isEmpty)
      if again.lastInstallerRequest == .markGood { again.installerSays(.done) }
      #expect(again.update(8) == "Accepted")
    }
  }

  /// From the refusal of the CSMS until the old one is to boot again.
  @Test(arguments: [false, true], [false, true]) func powerCutsOfTheWayBack(staysNew: Bool, stateFails: Bool) {
    let bench = StationBench.firmware().boot()
    bench.untilRestart()
    let new = bench.firmwareRestarted(["InternalCtrlr/FirmwareTrialTime": "100"], running: StationBench.new)
    new.input(.start)
    new.wait(seconds: 100)
    #expect(new.lastInstallerRequest == .rollBack)
    for (number, ledger) in new.ledgerHistory.enumerated() {
      cut(new, ledger, "way back, cut \(number)", hasSwitched: staysNew, stateFails: stateFails)
    }
  }

  /// - Parameter hasSwitched: the new one runs after the cut.
  private func cut(
    _ bench: StationBench, _ ledger: LedgerSnapshot, _ moment: String, hasSwitched: Bool, stateFails: Bool
  ) {
    let told = ledger.outbox.filter { $0.action == "FirmwareStatusNotification" }.count
    let running = hasSwitched ? StationBench.new : StationBench.old
    let again = bench.firmwareRestarted(running: running, from: ledger)
    if stateFails {
      again.running = nil
      again.input(.start)
      again.installerSays(.failed("busy"))
      again.linkUp()
      // As long as nobody knows what runs, nothing is done to it.
      #expect(again.installerRequests.allSatisfy { $0.request == .state }, "\(moment)")
      #expect(!again.firmwareStatuses.contains("Installed"), "\(moment)")
      again.running = running
      again.wait(seconds: 60)
    } else {
      again.boot()
    }
    finish(again)
    let statuses = again.firmwareStatuses
    #expect(Set(statuses).count == statuses.count, "\(moment): \(statuses)")
    #expect(statuses.count >= told, "\(moment): \(statuses)")
    #expect(["Installed", "InstallationFailed"].contains(statuses.last), "\(moment): \(statuses)")
    let isTakenBack = again.installerRequests.contains { $0.request == .keep }
    if statuses.last == "Installed" {
      #expect(again.running?.version == "2.0.0", "\(moment)")
    } else {
      #expect(again.running == StationBench.old || isTakenBack, "\(moment)")
    }
    #expect(again.update(8) == "Accepted", "\(moment)")
    #expect((try? Replay.run(again.journal).difference) == .some(nil), "\(moment)")
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
        if bench.running == StationBench.old { bench.running = StationBench.new }
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
