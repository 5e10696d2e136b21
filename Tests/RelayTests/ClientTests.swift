import CRelay
import DeviceModel
import StationCore
import Testing

@testable import Hardware

/// The station's side of the lease, in virtual time.
@Suite struct ClientTests {
  private final class Bench {
    var client: RelayClient
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    let configuration: RelayConfiguration
    var sequence: UInt32 = 0
    var sent: [relay_message] = []
    var updates: [DriverUpdate] = []

    init(mirror: Bool = true) {
      let line = GPIOLine(chip: "c", place: .offset(1))
      configuration = RelayConfiguration([
        GPIOContactorBinding(
          component: ComponentID("PowerContactor", evse: 1), lines: [line],
          mirror: mirror ? GPIOContact(line: GPIOLine(chip: "c", place: .offset(2)), kind: .normallyClosed) : nil)
      ])
      client = RelayClient(configuration, now: now)
    }

    func collect() {
      sent += client.takeOutgoing()
      updates += client.takeUpdates().map(\.update)
    }

    func pass(_ milliseconds: Int) {
      let end = now + .milliseconds(milliseconds)
      while let deadline = client.deadline, deadline <= end, client.giveUp == nil {
        if case .waiting = client.link { break }
        now = max(now, deadline)
        client.tick(at: now)
        collect()
      }
      now = end
    }

    func receive(_ change: (inout relay_message) -> Void) {
      sequence += 1
      var message = relay_message_make(RELAY_STATE, 1, sequence, now.nanoseconds)
      message.state = UInt8(RELAY_IS_OPEN.rawValue)
      message.mirror = UInt8(RELAY_MIRROR_OPEN.rawValue)
      change(&message)
      client.received(withUnsafeBytes(of: message) { Array($0) }, at: now)
      collect()
    }

    func connect(checksum: UInt64? = nil) {
      _ = client.wantsConnection(at: now)
      client.linked(at: now)
      sequence = 0
      receive {
        $0.kind = UInt8(RELAY_HELLO.rawValue)
        $0.evse = 0
        $0.configuration = checksum ?? configuration.checksum
        $0.lease_ms = 350
      }
    }

    var faults: Set<String> {
      updates.reduce(into: []) { faults, update in
        faults.subtract(update.cleared.map(\.name))
        faults.formUnion(update.raised.map(\.name))
      }
    }
    var value: CapabilityValue? { updates.last?.reading.value }
    func take() -> [relay_message] {
      defer { sent = [] }
      return sent
    }
  }

  @Test func whatIsSentEndsALeaseAfterTheLastFeed() {
    let bench = Bench()
    bench.connect()
    bench.client.feed(at: bench.now)
    let fed = bench.now
    bench.pass(200)
    bench.client.command(evse: 1, close: true, at: bench.now)
    bench.collect()
    let sent = bench.take()
    #expect(sent.map { relay_kind(UInt32($0.kind)) } == [RELAY_RENEW, RELAY_CLOSE])
    #expect(sent.map(\.time) == [(fed + .milliseconds(350)).nanoseconds, (fed + .milliseconds(350)).nanoseconds])
    #expect(sent.map(\.sequence) == [1, 2])
    for var message in sent {
      var copy = relay_message()
      #expect(relay_message_from_station(&message, 56, &copy) == 1)
    }
  }

  @Test func oneThatWasNeverFedHasNoLease() {
    let bench = Bench()
    bench.connect()
    bench.client.command(evse: 1, close: true, at: bench.now)
    bench.collect()
    #expect(bench.take().map(\.time) == [0])
  }

  @Test func statesBecomeReadingsAndFaults() {
    let bench = Bench()
    bench.connect()
    bench.receive { _ in }
    #expect(bench.value == .contactor(closed: false) && bench.faults == [])
    bench.receive {
      $0.state = UInt8(RELAY_IS_CLOSED.rawValue)
      $0.mirror = UInt8(RELAY_MIRROR_CLOSED.rawValue)
      $0.closing_us = 21_000
    }
    #expect(bench.value == .contactor(closed: true) && bench.client.evses[0].closingTime == 21_000)
    bench.receive {
      $0.mirror = UInt8(RELAY_MIRROR_CLOSED.rawValue)
      $0.faults = UInt32(RELAY_FAULT_WELDED.rawValue)
    }
    #expect(bench.value == .contactor(closed: true) && bench.faults == ["ContactorWelded"])
    bench.receive {
      $0.mirror = UInt8(RELAY_MIRROR_UNKNOWN.rawValue)
      $0.faults = UInt32(RELAY_FAULT_MIRROR.rawValue)
    }
    #expect(bench.value == nil)
    #expect(bench.faults.contains("GPIOFailure"))
  }

  @Test func withoutAMirrorClosedIsWhatWasCommanded() {
    let bench = Bench(mirror: false)
    bench.connect()
    bench.receive { $0.mirror = 0 }
    #expect(bench.value == .contactor(closed: false))
    bench.receive {
      $0.mirror = 0
      $0.state = UInt8(RELAY_IS_CLOSED.rawValue)
    }
    #expect(bench.value == .contactor(closed: true))
  }

  @Test func aRefusedCloseIsAskedForAgainForASecond() {
    let bench = Bench()
    bench.connect()
    bench.receive { _ in }
    bench.client.command(evse: 1, close: true, at: bench.now)
    bench.collect()
    for _ in 0..<9 {
      #expect(bench.take().contains { $0.kind == RELAY_CLOSE.rawValue })
      bench.receive { $0.refusal = UInt8(RELAY_REFUSED_BUSY.rawValue) }
      bench.pass(100)
    }
    #expect(bench.faults == [])
    bench.pass(200)
    #expect(bench.faults == ["ContactorFailedToClose"])
    bench.client.command(evse: 1, close: false, at: bench.now)
    bench.collect()
    #expect(bench.faults == [])
  }

  @Test func failingToCloseIsForgivenThreeTimes() {
    let bench = Bench()
    bench.connect()
    var rechecks = 0
    for _ in 0..<6 {
      bench.receive { $0.faults = UInt32(RELAY_FAULT_NOT_CLOSED.rawValue) }
      bench.pass(60_000)
      rechecks += bench.take().count { $0.kind == RELAY_RECHECK.rawValue }
      bench.receive { _ in }
    }
    #expect(rechecks == 3)
  }

  @Test func aWeldedContactorIsNotForgiven() {
    let bench = Bench()
    bench.connect()
    bench.receive {
      $0.mirror = UInt8(RELAY_MIRROR_CLOSED.rawValue)
      $0.faults = UInt32(RELAY_FAULT_WELDED.rawValue)
    }
    bench.pass(3_600_000)
    #expect(bench.take().count { $0.kind == RELAY_RECHECK.rawValue } == 0)
    bench.client.recheck(evse: 1)
    bench.collect()
    #expect(bench.take().count { $0.kind == RELAY_RECHECK.rawValue } == 1)
  }

  @Test func aSilentRelaydIsGivenUp() {
    let bench = Bench()
    bench.connect()
    for _ in 0..<10 {
      bench.client.feed(at: bench.now)
      bench.pass(100)
    }
    #expect(bench.client.giveUp == "station-relayd does not answer")
    bench.client.lost("gone", at: bench.now)
    bench.collect()
    #expect(bench.faults == ["RelayDaemonFailure"] && bench.value == nil)
    // Answers keep it.
    bench.connect()
    for _ in 0..<50 {
      bench.client.feed(at: bench.now)
      bench.collect()
      if bench.take().contains(where: { $0.flag == 1 }) {
        bench.receive {
          $0 = relay_message_make(RELAY_ALIVE, 0, bench.sequence, bench.now.nanoseconds)
        }
      }
      bench.pass(100)
    }
    #expect(bench.client.giveUp == nil)
  }

  @Test func whatIsNoMessageEndsTheConnection() {
    for bytes in [[], [UInt8](repeating: 7, count: 56), [UInt8](repeating: 0, count: 57)] as [[UInt8]] {
      let bench = Bench()
      bench.connect()
      bench.client.received(bytes, at: bench.now)
      #expect(bench.client.giveUp == "station-relayd sent what is no message")
    }
    let other = Bench()
    other.connect(checksum: 1)
    #expect(other.client.giveUp == "station-relayd runs with another configuration")
    let silent = Bench()
    _ = silent.client.wantsConnection(at: silent.now)
    silent.client.linked(at: silent.now)
    silent.pass(1000)
    #expect(silent.client.giveUp == "station-relayd does not greet")
  }

  @Test func waitsGrowToALimit() {
    let bench = Bench()
    var waits: [Int64] = []
    for _ in 0..<9 {
      guard case .waiting(let until) = bench.client.link else { break }
      waits.append((until - bench.now).milliseconds)
      bench.now = until
      let connects = bench.client.wantsConnection(at: bench.now)
      #expect(connects)
      bench.client.lost("no", at: bench.now)
    }
    #expect(waits == [0, 100, 300, 900, 2700, 8100, 24_300, 30_000, 30_000])
  }

  @Test func theConfigurationIsWhatRelaydReads() {
    let bindings = [2, 1].map { (evse: Int) in
      GPIOContactorBinding(
        component: ComponentID("PowerContactor", evse: evse),
        lines: [
          GPIOLine(chip: "gpiochip0", place: .name("RELAY \(evse)"), activeLow: true, drive: .openDrain),
          GPIOLine(chip: "gpiochip1", place: .offset(evse)),
        ],
        mirror: GPIOContact(line: GPIOLine(chip: "gpiochip0", place: .offset(9), bias: .pullUp), kind: .normallyOpen),
        openingMs: 50, closingMs: 60, leaseMs: 300,
        heartbeat: .init(line: GPIOLine(chip: "gpiochip0", place: .name("BEAT")), periodMs: 100))
    }
    let configuration = RelayConfiguration(bindings)
    var config = relay_config()
    var error = [CChar](repeating: 0, count: 300)
    #expect(relay_config_parse(configuration.text, configuration.text.utf8.count, &config, &error, error.count) == 0)
    #expect(config.channel_count == 2 && config.channels.0.evse == 1 && config.channels.1.evse == 2)
    #expect(config.lease_ms == 300 && config.heartbeat_ms == 50 && config.channels.0.line_count == 2)
    #expect(config.channels.0.lines.0.active_low == 1 && config.channels.0.lines.0.drive == 1)
    #expect(config.channels.0.mirror.bias == 1 && config.channels.0.mirror_normally_closed == 0)
    #expect(config.channels.0.opening_ms == 50 && config.channels.0.closing_ms == 60)
    #expect(config.checksum == configuration.checksum)
  }
}
