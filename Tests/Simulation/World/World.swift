import DeviceModel
import Logs
import OCPP
import StationCore

/// What must not happen, and did.
public struct Violation: Error, Sendable {
  public var invariant: String
  public var text: String
  /// Virtual milliseconds since the beginning.
  public var time: Int64
}

/// One station in its world, in virtual time, from one seed. Nothing sleeps, nothing reads a clock.
final class World {
  private(set) var scenario: Scenario
  let mutation: Mutation?
  var dice: Dice
  private(set) var time: Int64 = 0
  private var queue = EventQueue()
  private(set) var disk: Disk!
  private(set) var network: Network!
  private(set) var csms: CSMS!
  private(set) var site: Site!
  private(set) var drivers: Drivers!
  private(set) var books: Books!
  private(set) var troubles: Troubles!
  var coverage = Coverage()

  // The process
  private(set) var core: any StationHandle
  private let makeCore: (StationStart, StationTime) -> any StationHandle
  private let factoryModel: DeviceModel
  private var sequencer = ActionSequencer()
  private var timers: [TimerID: (deadline: Int64, generation: Int)] = [:]
  private var nextGeneration = 0
  private(set) var process = 0
  private(set) var isUp = false
  private var inputs: [Input] = []
  private var nextInput = 0
  private var isDraining = false
  /// Actions until the power is cut, when that is armed.
  private var cutIn: Int?
  private var monotonicBase: Int64 = 0
  /// What the machine's clock is off, milliseconds.
  var wallOffset: Int64 = 0
  private(set) var isHealing = false
  private(set) var violation: Violation?
  /// FNV-1a of all that became visible: frames, commits, hardware commands.
  private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
  var recorder: Recorder?
  /// The diagnostics log, written as the runtime writes it, where a run is to show what it takes of a disk.
  var logs: LogStore?

  init(
    _ scenario: Scenario, model: DeviceModel, mutation: Mutation?, recorder: Recorder?,
    makeCore: @escaping (StationStart, StationTime) -> any StationHandle
  ) {
    self.scenario = scenario
    self.mutation = mutation
    self.recorder = recorder
    self.makeCore = makeCore
    factoryModel = model
    dice = Dice(seed: scenario.seed)
    core = makeCore(
      StationStart(model: model, ledger: LedgerSnapshot(), seed: 0, bootReason: .powerUp),
      StationTime(monotonic: 0, wall: 0))
    disk = Disk(self)
    network = Network(self)
    csms = CSMS(self)
    books = Books(self)
    let evses = (1...max(1, model.evseCount)).map { id in
      let lock = ComponentID("ConnectorPlugRetentionLock", evse: id, connector: 1)
      let type = model.value(ComponentID("Connector", evse: id, connector: 1), VariableID("ConnectorType")) ?? ""
      return (hasLock: model.component(lock) != nil, isSocket: type.hasPrefix("s"))
    }
    site = Site(self, topology: evses)
    drivers = Drivers(self)
    troubles = Troubles(self)
  }

  // MARK: Time

  func at(_ moment: Int64, _ body: @escaping () -> Void) { queue.add(at: max(moment, time), body) }
  func after(_ wait: Int64, _ body: @escaping () -> Void) { queue.add(at: time + max(0, wait), body) }

  var stationTime: StationTime {
    StationTime(monotonic: time - monotonicBase, wall: CSMS.epoch + time + wallOffset)
  }

  /// Runs until the end, or until something is wrong.
  func run(progress: ((Int64) -> Void)? = nil) -> Violation? {
    note(
      "settings: " + scenario.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    )
    boot(.powerUp)
    go(until: scenario.hours * .hour, progress)
    if violation == nil { heal(progress) }
    if violation == nil { books.checkEnd() }
    disk.close()
    queue.removeAll()
    return violation
  }

  private func go(until end: Int64, _ progress: ((Int64) -> Void)?) {
    var nextReport: Int64 = time + .hour
    while violation == nil, let due = queue.nextTime, due <= end, let event = queue.pop() {
      time = max(time, event.time)
      event.body()
      drain()
      if time >= nextReport {
        progress?(time)
        nextReport += .hour
      }
    }
    time = max(time, end)
  }

  /// All faults stop, everybody leaves, and what is queued has time to reach the CSMS.
  private func heal(_ progress: ((Int64) -> Void)?) {
    isHealing = true
    note("healing")
    troubles.stop()
    drivers.endOfDay()
    var patience = 200
    repeat {
      go(until: time + 10 * .minute, progress)
      patience -= 1
      if violation == nil, isUp, let id = books.anyOpenTransaction {
        csms.call("RequestStopTransaction", ["transactionId": .string(id)])
      }
    } while violation == nil && patience > 0 && !isSettled
    if violation == nil, !isSettled {
      violated(
        "drains",
        "\(core.snapshot.queuedMessages) messages are queued and transactions \(books.openTransactions) open, "
          + "\(200 * 10) minutes after all faults stopped")
    }
    go(until: time + .minute, progress)
  }

  private var isSettled: Bool {
    isUp && core.snapshot.queuedMessages == 0 && core.snapshot.storageIsHealthy && core.snapshot.isConnected
      && books.anyOpenTransaction == nil
  }

  // MARK: The process

  private func boot(_ reason: BootReasonEnumType) {
    guard violation == nil else { return }
    process += 1
    isUp = true
    sequencer = ActionSequencer()
    timers = [:]
    inputs = []
    nextInput = 0
    if dice.chance(0.5) { monotonicBase = time - dice.within(0...(.minute)) }
    note("boot \(process), \(reason.rawValue)")
    let start = StationStart(
      model: factoryModel, ledger: disk.snapshot, seed: dice.next(), bootReason: reason,
      csmsURL: "ws://csms.invalid/ocpp", identity: "cp001")
    core = makeCore(start, stationTime)
    books.booted()
    give(.start)
    site.tellAll()
    drain()
  }

  /// The process ends at once: power, or a crash. It comes back after a while.
  func cut(_ reason: BootReasonEnumType, for duration: Int64) {
    guard isUp else { return }
    note("cut: \(reason.rawValue) for \(duration) ms")
    cutIn = nil
    end(orderly: false)
    after(duration) { [unowned self] in self.boot(reason) }
  }

  private func end(orderly: Bool) {
    isUp = false
    process += 1
    inputs = []
    nextInput = 0
    network.processEnded()
    disk.processEnded(orderly: orderly)
    site.processEnded()
    books.processEnded()
  }

  /// The power will be cut after so many more actions.
  func armCut(after actions: Int) { cutIn = actions }

  // MARK: Inputs and actions

  func give(_ input: Input) {
    guard isUp else { return }
    inputs.append(input)
  }

  private func drain() {
    guard !isDraining else { return }
    isDraining = true
    while isUp, violation == nil, nextInput < inputs.count {
      let input = inputs[nextInput]
      nextInput += 1
      handle(input)
    }
    if nextInput >= inputs.count {
      inputs.removeAll(keepingCapacity: true)
      nextInput = 0
    }
    isDraining = false
  }

  private func handle(_ input: Input) {
    coverage.count("inputs")
    books.before(input)
    let actions = core.handle(input, at: stationTime)
    if case .link(.message(let frame)) = input { logFrame(frame, "in") }
    record(input, actions)
    checkSilence(actions)
    books.produced(actions)
    run(sequencer.add(actions, of: input))
    guard isUp, violation == nil else { return }
    if sequencer.isOverfull { return violated("queues", "\(sequencer.waitingCount) actions wait for the ledger") }
    books.after(input, actions)
  }

  /// Nothing that anybody could see comes after the end.
  private func checkSilence(_ actions: [Action]) {
    var hasEnded = false
    for action in actions {
      switch action {
      case .stopped, .restart: hasEnded = true
      case .send, .connect, .ping, .hardware, .controlReply:
        if hasEnded { violated("silence after the end", "\(action)") }
      default: break
      }
    }
  }

  func committed(_ id: ActionSequencer.CommitID, _ failure: LedgerFailure?) {
    guard isUp else { return }
    run(sequencer.committed(id, failure: failure))
  }

  private func run(_ steps: [ActionSequencer.Step]) {
    for step in steps {
      guard isUp, violation == nil else { return }
      if let left = cutIn {
        if left <= 0 { return troubles.cutNow() }
        cutIn = left - 1
      }
      switch step {
      case .perform(let action): perform(action)
      case .submit(let id, let writes):
        for write in writes { mix(write) }
        disk.submit(id, writes, epoch: sequencer.epoch)
      case .refuse(let action, let why):
        if case .connect = action { inputs.append(.link(.down(.connectFailed("refused: \(why)")))) }
      case .input(let input): inputs.append(input)
      }
    }
  }

  private func perform(_ action: Action) {
    switch action {
    case .commit, .controlReply, .event: break
    case .log(let level, let text): log(level, text)
    case .connect: network.connect()
    case .disconnect(let code, let reason): network.disconnect(code, reason)
    case .send(let frame):
      mix(frame)
      books.sent(frame)
      logFrame(frame, "out")
      network.send(frame)
    case .confirm: inputs.append(.stored)
    case .ping: network.ping()
    case .hardware(let command):
      books.commanded(command)
      site.execute(command)
    case .certificates(let id, _):
      inputs.append(.certificates(id: id, .failed("the simulation has no certificates"), CertificateInventory()))
    case .logs(let id, let request):
      inputs.append(.logs(id: id, logs?.carryOut(request) ?? .failed("the simulation has no logs")))
    case .transfer(let id, .start):
      inputs.append(.transfer(id: id, .ended(.failed(.network, "the simulation has no file servers"))))
    case .transfer: break
    case .installer(let id, _): inputs.append(.installer(id: id, .failed("the simulation has no installer")))
    case .setTimer(let id, let deadline): set(id, deadline)
    case .cancelTimer(let id): timers[id] = nil
    case .restart(let reason):
      coverage.count("restarts")
      note("restart: \(reason.rawValue)")
      end(orderly: true)
      after(dice.within(100...5000)) { [unowned self] in self.boot(reason) }
    case .stopped:
      coverage.count("shutdowns")
      note("stopped")
      end(orderly: true)
      after(dice.within(100...60_000)) { [unowned self] in self.boot(.powerUp) }
    }
  }

  private func set(_ id: TimerID, _ deadline: Int64) {
    nextGeneration += 1
    let generation = nextGeneration
    timers[id] = (deadline, generation)
    at(deadline + monotonicBase) { [unowned self] in
      guard self.isUp, self.timers[id]?.generation == generation else { return }
      self.timers[id] = nil
      self.give(.timer(id))
    }
  }

  // MARK: The diagnostics log, line by line as the runtime writes it

  private func logFrame(_ frame: [UInt8], _ direction: String) {
    guard let logs else { return }
    logs.append([Array(#"{"ts":"\#(logTime)","dir":"\#(direction)","frame":"#.utf8) + frame + Array("}".utf8)])
  }

  private func log(_ level: LogLevel, _ text: String) {
    guard let logs, level >= .info else { return }
    let text = JSONValue.string(text).text
    logs.append([Array(#"{"ts":"\#(logTime)","level":"\#(level)","text":\#(text)}"#.utf8)])
  }

  private var logTime: String { DateTime(unixMilliseconds: stationTime.wall).description }

  // MARK: What is wrong, and what was seen

  func violated(_ invariant: String, _ text: String) {
    guard violation == nil else { return }
    violation = Violation(invariant: invariant, text: text, time: time)
    note("VIOLATION \(invariant): \(text)")
  }

  private func mix(_ bytes: [UInt8]) {
    for byte in bytes { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
  }

  private func mix(_ write: LedgerWrite) {
    switch write {
    case .put(_, let key, let value):
      mix(Array(key.utf8))
      mix(value)
    case .delete(_, let key): mix(Array(key.utf8))
    case .enqueue(let message): mix(message.payload)
    case .dequeue(let id): digest = (digest ^ UInt64(bitPattern: id)) &* 0x100_0000_01B3
    }
  }

  func note(_ text: @autoclosure () -> String) {
    if let recorder { recorder.add(time, text()) }
  }

  private func record(_ input: Input, _ actions: [Action]) {
    guard let recorder else { return }
    if case .hardware(.meter) = input, actions.count <= 1 { return }
    recorder.add(time, "in  \(Recorder.describe(input))")
    for action in actions { if let text = Recorder.describe(action) { recorder.add(time, "out \(text)") } }
  }
}
