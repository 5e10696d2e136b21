import OCPP
import StationCore
import Testing

/// The time of day: unset at the boot, corrected, jumping; durations and order do not care.
@Suite("Clock: unset, corrected, jumping")
struct ClockTests {
  private let settings = [
    "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected", "ClockCtrlr/TimeSource": "Heartbeat",
    "AuthCtrlr/OfflineTxForUnknownIdEnabled": "true",
  ]
  private let epoch: Int64 = 60_000  // a clock without battery, one minute after power-on

  private func times(_ bench: StationBench) -> [Int64] {
    bench.calls("TransactionEvent").compactMap { $0.text("timestamp").flatMap { DateTime($0)?.unixMilliseconds } }
  }

  /// What was recorded with an unknown time is moved to where it belongs once the CSMS has told the time.
  @Test func eventsOfAnUnsetClockAreRebased() {
    let bench = StationBench(settings, wall: epoch)
    bench.input(.start)
    #expect(bench.station.clockSource == .unset)
    bench.plugIn()
    bench.wait(seconds: 100)
    bench.swipe()
    bench.pilot(.c)
    bench.meter(wattHours: 500)
    bench.wait(seconds: 50)
    bench.swipe()
    bench.plugOut()
    bench.wait(seconds: 30)
    #expect(bench.ledger.outbox.allSatisfy { $0.unknownTimeBoot == 1 })
    bench.linkUp()
    #expect(bench.station.clockSource == .csms)
    let told: Int64 = 1_767_225_600_000  // what the CSMS says at the boot
    let found = times(bench)
    #expect(found.first == told - 180_000)
    #expect(found.last == told - 30_000)
    #expect(found == found.sorted())
    let values = bench.calls("TransactionEvent").compactMap { $0.text("meterValue.0.timestamp") }
    #expect(!values.isEmpty && values.allSatisfy { $0 >= "2025-12-31T23:57:00" && $0 <= "2026-01-01T00:00:00" })
    #expect(bench.ledger.outbox.isEmpty)
  }

  /// What the CSMS' certificate is verified with: the station's time, or the least that it can be.
  // Proves: A00.FR.308
  @Test func timeForCertificates() throws {
    let earliest: Int64 = 1_735_689_600_000
    let day: Int64 = 86_400_000
    func first(_ ledger: LedgerSnapshot, wall: Int64) -> VerificationTime? {
      let bench = StationBench(settings, ledger: ledger, wall: wall, csmsURL: "wss://csms.example")
      bench.input(.start)
      return bench.connectRequests.first?.tls.time
    }
    #expect(first(LedgerSnapshot(), wall: epoch) == .atLeast(earliest))
    #expect(first(LedgerSnapshot(), wall: earliest + day) == .known(earliest + day))

    let bench = StationBench(settings, wall: epoch, csmsURL: "wss://csms.example")
    bench.input(.start)
    bench.linkUp()
    #expect(bench.station.clockSource == .csms)
    bench.linkDown()
    bench.wait(seconds: 3600)
    guard case .known(let time)? = bench.connectRequests.last?.tls.time else {
      Issue.record("\(String(describing: bench.connectRequests.last?.tls.time))")
      return
    }
    #expect(time > 1_767_225_600_000)

    // After a power cut the ledger knows a time that has passed. A clock of the machine that is plausible and earlier counts
    // when it was recorded in error.
    bench.linkUp()
    bench.wait(seconds: 1000)
    bench.plugIn()
    guard case .atLeast(let floor)? = first(bench.ledger, wall: epoch) else {
      Issue.record("no floor")
      return
    }
    #expect(floor >= 1_767_225_600_000)  // what the CSMS said
    #expect(first(bench.ledger, wall: floor - 2 * day) == .atLeast(floor - 2 * day))
    #expect(first(bench.ledger, wall: floor + day) == .known(floor + day))
  }

  /// A power cut before the time was known: the events of that boot are put before the next one.
  @Test func eventsOfAnEarlierUnsetBootArePutBeforeTheNext() {
    let bench = StationBench(settings, wall: epoch)
    bench.input(.start)
    bench.plugIn()
    bench.wait(seconds: 100)
    bench.plugOut()
    let again = StationBench(settings, ledger: bench.ledger)
    again.input(.start)
    #expect(again.station.clockSource == .system)
    again.wait(seconds: 10)
    again.linkUp()
    let found = times(again)
    #expect(found.count >= 2 && found == found.sorted())
    #expect(found.last == 1_767_225_599_000)
    #expect((found.last ?? 0) - (found.first ?? 0) == 100_000)
  }

  /// Found by the simulated world: an Ended after a power loss carries the last committed reading, whose time was known.
  @Test func aKnownTimeInAMessageOfAnUnsetClockIsLeftAlone() {
    let bench = StationBench(settings).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.meter(wattHours: 700)
    bench.wait(seconds: 5)
    bench.pilot(.b)
    let again = StationBench(settings, ledger: bench.ledger, wall: epoch)
    again.input(.start)
    again.wait(seconds: 20)
    #expect(again.station.snapshot.evses[0].transaction == nil)
    again.linkUp()
    let ended = again.calls("TransactionEvent").last
    #expect(ended?.text("transactionInfo.stoppedReason") == "PowerLoss")
    #expect(ended?.text("timestamp")?.hasPrefix("2025-12-31T23:59:4") == true)
    let values = ended?["meterValue"]?.arrayValue?.last
    #expect(values?["timestamp"]?.stringValue == "2026-01-01T00:00:05.000Z")
  }

  /// NTP sets the clock before any CSMS is there.
  @Test func theSystemSettingItsClockMakesTheTimeKnown() {
    let bench = StationBench(settings, wall: epoch)
    bench.input(.start)
    bench.plugIn()
    bench.jumpWall(milliseconds: 1_770_000_000_000)
    bench.wait(seconds: 1)
    bench.swipe()
    #expect(bench.station.clockSource == .system)
    #expect(bench.ledger.outbox.allSatisfy { $0.unknownTimeBoot == nil })
    let first = bench.ledger.outbox.first.flatMap { try? JSONValue.parse($0.payload) }?["timestamp"]?.stringValue
    #expect(first.flatMap { DateTime($0)?.unixMilliseconds } == epoch + 1_770_000_000_000)
  }

  /// The ledger has seen later times than the clock shows.
  @Test func aClockBehindTheLedgerIsNotBelieved() {
    let bench = StationBench(settings).boot()
    bench.plugIn()
    bench.swipe()
    let again = StationBench(settings, ledger: bench.ledger, wall: 1_767_225_600_000 - 86_400_000)
    #expect(again.station.clockSource == .unset)
  }

  @Test func jumpsDoNotTouchDurationsOrOrder() {
    let bench = StationBench(settings).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.wait(seconds: 60)
    bench.jumpWall(milliseconds: -7_200_000)
    bench.wait(seconds: 60)
    bench.jumpWall(milliseconds: 86_400_000)
    bench.wait(seconds: 60)
    bench.swipe()
    bench.plugOut()
    let events = bench.calls("TransactionEvent")
    #expect(events.compactMap { $0["seqNo"]?.intValue } == Array(0..<events.count))
    #expect(events.last?["transactionInfo.timeSpentCharging"] == 180)
    // The CSMS is the time source: its time is kept, whatever the machine's clock does.
    let found = times(bench)
    #expect(found == found.sorted() && (found.last ?? 0) - (found.first ?? 0) == 180_000)
  }

  @Test func anImplausibleTimeIsNotTaken() {
    let bench = StationBench(settings)
    bench.responder = { call in
      call.action == "BootNotification"
        ? ["currentTime": "1970-01-01T00:00:00Z", "interval": 300, "status": "Accepted"] : StationBench.accepting(call)
    }
    bench.boot()
    #expect(bench.station.quirks[.currentTimeImplausible] == 1)
    bench.plugIn()
    #expect(times(bench).allSatisfy { $0 >= 1_767_225_600_000 })
  }
}
