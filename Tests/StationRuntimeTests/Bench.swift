import CSMSLink
import Hardware
import Ledger
import NIOCore
import NIOEmbedded
import OCPP
import StationCore
import Synchronization

@testable import Ledger
@testable import StationCore
@testable import StationRuntime

/// A runtime in a world of the test's own: its time, its ledger, its link, and a core that does as the test says.
final class Bench {
  let loop = EmbeddedEventLoop()
  let ledger = FakeLedger()
  let link = FakeLink()
  let script = CoreScript()
  let runtime: StationRuntime
  private(set) var endings: [StationRuntime.Ending] = []
  private let machine = MachineClock()

  init(scale: Int = 1, online: Bool = true) {
    let machine = self.machine
    let clock = StationClock(scale: scale, start: machine.reading)
    let topology = [
      SimulatedEVSE(id: 1, supplyPhases: 3, connectors: [SimulatedConnector(id: 1, kind: .socket, hasLock: true)]),
      SimulatedEVSE(id: 2, supplyPhases: 3, connectors: [SimulatedConnector(id: 1, kind: .socket, hasLock: true)]),
    ]
    var parts = StationRuntime.Parts(
      core: FakeCore(script: script),
      hardware: SimulatedHardware(topology: topology, at: clock.time(at: machine.reading)),
      ledger: ledger, clock: clock, log: StationLog(level: .error, descriptor: -1))
    parts.reading = { machine.reading }
    runtime = StationRuntime(parts, on: loop)
    runtime.onEnd = { [unowned self] in endings.append($0) }
  }

  /// Starts, and forgets what the start caused.
  func start() {
    runtime.start(link)
    script.inputs = []
  }

  /// Lets machine time pass; timers fire.
  func advance(milliseconds: Int64) {
    machine.reading.monotonic += milliseconds * 1_000_000
    machine.reading.wall += milliseconds * 1_000_000
    loop.advanceTime(by: .milliseconds(milliseconds))
  }

  /// The ledger answers its oldest open commit.
  func commitDone(_ failure: String? = nil) {
    ledger.answer(failure)
    loop.run()
  }
}

final class MachineClock {
  var reading = StationClock.Reading(monotonic: 1_000_000_000_000, wall: 1_773_000_000_000_000_000)
}

/// What the fake core was given, and what it answers.
final class CoreScript {
  var inputs: [Input] = []
  var times: [StationTime] = []
  var answer: (Input) -> [Action] = { _ in [] }
  /// Without what the hardware says of itself.
  var told: [Input] {
    inputs.filter {
      if case .hardware = $0 { return false }
      return true
    }
  }
}

struct FakeCore: CoreMachine {
  let script: CoreScript

  mutating func handle(_ input: Input, at now: StationTime) -> [Action] {
    script.inputs.append(input)
    script.times.append(now)
    return script.answer(input)
  }

  var clockSource: ClockSource { .system }
  var clockOffset: Int64 { 0 }
  var quirks: [Quirk: Int] { [.currentTimeWithoutZone: 2] }
  var securityLog: SecurityLog { SecurityLog() }
  var undeliveredMessages: [JSONValue] { [["action": "TransactionEvent"]] }

  var snapshot: StationSnapshot {
    StationSnapshot(
      identity: "cp001", isConnected: true, url: "ws://csms", registration: "Accepted", subprotocol: "ocpp2.0.1",
      served: [], servedAt: nil, securityProfile: 1, networkOnline: true, faults: [],
      evses: [1, 2].map { id in
        StationSnapshot.EVSE(
          id: id, status: "Available", operative: true,
          transaction: id == 2 ? .init(id: "T", chargingState: "Charging", idToken: "DEADBEEF", seqNo: 3) : nil,
          connectors: [.init(id: 1, type: "sType2", status: "Available", plugged: false, locked: false)], meter: nil,
          faults: [], offeredMilliamperes: nil, limits: [CurrentLimit(name: "evse", milliamperes: 32_000)])
      },
      mainMeter: nil, queuedMessages: 0, queuedBytes: 0, thinnedMessages: 0, undeliveredMessages: 0,
      clockSource: .system, storageIsHealthy: true)
  }
}

/// Keeps commits open until the test answers them.
final class FakeLedger: LedgerPort {
  private struct State {
    var commits: [[LedgerWrite]] = []
    var open: [@Sendable (Result<Void, LedgerError>) -> Void] = []
    var isClosed = false
  }
  private let state = Mutex(State())

  var commits: [[LedgerWrite]] { state.withLock { $0.commits } }
  var isClosed: Bool { state.withLock { $0.isClosed } }
  var statistics: LedgerStatistics {
    var statistics = LedgerStatistics()
    statistics.commits = 3
    statistics.checkpoints = 2
    statistics.bytesWritten = 12345
    return statistics
  }

  func commit(
    _ writes: [LedgerWrite], epoch: UInt64?, completion: @escaping @Sendable (Result<Void, LedgerError>) -> Void
  ) {
    state.withLock {
      $0.commits.append(writes)
      $0.open.append(completion)
    }
  }

  func erase(completion: @escaping @Sendable (LedgerError?) -> Void) { completion(nil) }

  func close() -> LedgerError? {
    state.withLock { $0.isClosed = true }
    return nil
  }

  var openCount: Int { state.withLock { $0.open.count } }

  func answer(_ failure: String?) {
    let completion = state.withLock { $0.open.isEmpty ? nil : $0.open.removeFirst() }
    completion?(failure.map { .failure(LedgerError(.full, $0)) } ?? .success(()))
  }
}

final class FakeLink: LinkPort {
  enum Call: Hashable {
    case connect(String)
    case send(String)
    case ping
    case disconnect(Int)
  }
  private(set) var calls: [Call] = []

  func connect(_ request: ConnectionRequest) { calls.append(.connect(request.url)) }
  func send(_ message: [UInt8]) { calls.append(.send(String(decoding: message, as: UTF8.self))) }
  func ping() { calls.append(.ping) }
  func disconnect(code: Int, reason: String) { calls.append(.disconnect(code)) }
}

let request = ConnectionRequest(
  url: "ws://csms", identity: "cp001", basicAuthPassword: nil, subprotocols: ["ocpp2.0.1"], securityProfile: 1,
  timeout: 1000, maxMessageSize: 1 << 20)

func send(_ text: String) -> Action { .send(Array(text.utf8)) }
