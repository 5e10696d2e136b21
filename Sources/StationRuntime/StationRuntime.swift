import Hardware
import Ledger
import Logs
import NIOCore
import OCPP
import StationCore

/// The loop around the core: everything that happens outside becomes an input with a time stamp, every action is carried
/// out. All of it runs on one event loop, one input after the other.
///
/// Inputs are handled in the order in which they arrive; what an action causes at once (the simulated hardware answering
/// a command) is queued behind those that wait already, so nothing recurses. When an action may become visible is
/// decided by `ActionSequencer`.
public final class StationRuntime {
  /// How the process is to end.
  public enum Ending: Hashable, Sendable {
    case exit(ExitCode)
    /// Start again for this reason. `abrupt`: as after a power cut, nothing was flushed.
    case restart(BootReasonEnumType, abrupt: Bool)
  }

  /// What the runtime is made of.
  public struct Parts {
    public var core: any CoreMachine
    public var hardware: SimulatedHardware
    public var ledger: any LedgerPort
    /// `nil`: there is no certificate folder.
    public var certificates: (any CertificatePort)?
    /// What transfers files, made on the loop; `nil`: there is nothing to do it with.
    public var transfers: ((any EventLoop) -> any TransferPort)?
    /// What installs firmware, made on the loop; `nil`: nothing does.
    public var installer: ((any EventLoop) -> any InstallerPort)?
    public var clock: StationClock
    public var log: StationLog
    public var messageLog: MessageLog?
    /// `nil`: there is no diagnostics log.
    public var logs: LogWorker?
    public var journal: (any InputRecorder)?
    public var simulationFile: SimulationFile?
    /// What of the hardware is real; `nil`: all is simulated.
    public var drivers: HardwareDrivers?
    /// Reads the machine's clocks.
    public var reading: () -> StationClock.Reading = { .now }

    public init(
      core: any CoreMachine, hardware: SimulatedHardware, ledger: any LedgerPort, clock: StationClock, log: StationLog
    ) {
      self.core = core
      self.hardware = hardware
      self.ledger = ledger
      self.clock = clock
      self.log = log
    }
  }

  /// Inputs handled before sockets get their turn again.
  static let inputsPerTurn = 1000
  /// Inputs that may wait; only a hardware that answers every command with more events could get there.
  static let inputLimit = 100_000
  /// How old the stored registers of the simulated meters may be while energy flows, real time.
  static let saveInterval = TimeAmount.milliseconds(250)
  /// How long an orderly stop may take before it is cut short, real time. `ProcessSignals` stands behind it.
  static let stopTime = TimeAmount.seconds(3)
  /// How often the drivers hear that the loop is alive, real time.
  static let feedInterval = TimeAmount.milliseconds(100)

  let loop: any EventLoop
  var core: any CoreMachine
  var hardware: SimulatedHardware
  let drivers: HardwareDrivers?
  let ledger: any LedgerPort
  let certificates: (any CertificatePort)?
  private let transfers: (any TransferPort)?
  private let installer: (any InstallerPort)?
  let clock: StationClock
  private let log: StationLog
  let messageLog: MessageLog?
  let diagnostics: DiagnosticsLog?
  let journal: (any InputRecorder)?
  private let simulationFile: SimulationFile?
  private let reading: () -> StationClock.Reading

  private var link: (any LinkPort)?
  private(set) var isOnline = true
  /// A connection was asked for and its `.down` has not come.
  private var hasConnection = false
  /// The uplink was restored before the `.down` of the cut connection came.
  private var owesOnline = false
  private var sequencer = ActionSequencer()
  private var timers = TimerTable()
  private var inputs: [Input] = []
  private var nextInput = 0
  private var isDraining = false
  private var wakeUp: (at: Int64, task: Scheduled<Void>)?
  private var flushScheduled = false
  private var messageLogFailed = false
  private(set) var isEnding = false
  /// Something of the simulated hardware changed that is not just energy counted.
  private var hardwareChanged = false
  private var saveScheduled = false
  private var indicatorsAreDue = false
  private var driversAreAlive = true
  /// The last readings of real meters.
  private(set) var meters: [Int: MeterReading] = [:]
  /// Set while an orderly stop is under way: how it ends.
  private var orderlyEnding: Ending?

  /// Answers and events for the control socket.
  var onControlReply: ((Int64, Result<JSONValue, ControlError>) -> Void)?
  var onEvent: ((StationEvent) -> Void)?
  /// Called once, when everything is flushed and closed. The process is to end in it.
  public var onEnd: ((Ending) -> Void)?

  /// Call on the loop.
  public init(_ parts: Parts, on loop: any EventLoop) {
    self.loop = loop
    core = parts.core
    hardware = parts.hardware
    drivers = parts.drivers
    ledger = parts.ledger
    certificates = parts.certificates
    transfers = parts.transfers?(loop)
    installer = parts.installer?(loop)
    clock = parts.clock
    log = parts.log
    messageLog = parts.messageLog
    diagnostics = parts.logs.map { DiagnosticsLog($0, on: loop) }
    journal = parts.journal
    simulationFile = parts.simulationFile
    reading = parts.reading
  }

  /// Takes over the link, whose events go to `linkEvent`, and begins.
  public func start(_ link: any LinkPort) {
    self.link = link
    give(.start)
    startDrivers()
    accept(hardware.start(at: now), isReal: false)
    hardwareChanged = false
    drain()
  }

  var now: StationTime { clock.time(at: reading()) }

  func write(_ level: LogLevel, _ text: @autoclosure () -> String) {
    let wall = now.wall
    guard let diagnostics, level >= .info else { return log.write(level, text(), wall: wall) }
    let text = text()
    log.write(level, text, wall: wall)
    diagnostics.add(.text(level, text, wall: wall))
  }

  // MARK: Inputs

  /// Hears of the link.
  public func linkEvent(_ event: LinkEvent) {
    if case .message(let frame) = event { record(frame, .incoming) }
    if case .down = event { hasConnection = false }
    give(.link(event))
    if owesOnline, !hasConnection {
      owesOnline = false
      give(.network(online: true))
    }
  }

  /// Queues an input, and handles it unless that is being done already.
  func give(_ input: Input) {
    inputs.append(input)
    drain()
  }

  func give(_ more: [Input]) {
    inputs += more
    drain()
  }

  private func drain() {
    guard !isDraining, !isEnding else { return }
    isDraining = true
    var handled = 0
    while nextInput < inputs.count, !isEnding {
      let input = inputs[nextInput]
      nextInput += 1
      handle(input)
      handled += 1
      if handled == Self.inputsPerTurn, nextInput < inputs.count {
        loop.assumeIsolated().execute { self.drain() }
        break
      }
    }
    if nextInput == inputs.count {
      inputs.removeAll(keepingCapacity: inputs.count <= 1024)
      nextInput = 0
    } else if inputs.count - nextInput > Self.inputLimit {
      write(
        .error, "\(inputs.count - nextInput) inputs wait, more than \(Self.inputLimit): the hardware floods the station"
      )
      isDraining = false
      return end(.exit(.runtimeFailure))
    }
    isDraining = false
    guard !isEnding else { return }
    showIndicators()
    if hardwareChanged {
      hardwareChanged = false
      simulationFile?.save(hardware.saved.json.bytes)
    }
    rearm()
    scheduleSave()
    scheduleFlush()
  }

  private func handle(_ input: Input) {
    let now = self.now
    let actions = core.handle(input, at: now)
    journal?.record(input, at: now, clock: core.clockSource, actions: actions)
    run(sequencer.add(actions, of: input))
    if sequencer.isOverfull {
      write(
        .error,
        "\(sequencer.waitingCount) actions wait for the ledger, which does not answer: check the disk of the data directory"
      )
      end(.exit(.storageStalled))
    }
  }

  // MARK: Actions

  private func run(_ steps: [ActionSequencer.Step]) {
    for step in steps {
      guard !isEnding else { return }
      switch step {
      case .perform(let action): perform(action)
      case .submit(let id, let writes): submit(id, writes)
      case .refuse(let action, let why): refuse(action, why)
      case .input(let input): inputs.append(input)
      }
    }
  }

  private func submit(_ id: ActionSequencer.CommitID, _ writes: [LedgerWrite]) {
    let runtime = NIOLoopBound(self, eventLoop: loop)
    let loop = self.loop
    ledger.commit(writes, epoch: sequencer.epoch) { result in
      let failure: LedgerFailure? = if case .failure(let error) = result { LedgerFailure(error) } else { nil }
      loop.execute { runtime.value.committed(id, failure) }
    }
  }

  private func committed(_ id: ActionSequencer.CommitID, _ failure: LedgerFailure?) {
    guard !isEnding else { return }
    run(sequencer.committed(id, failure: failure))
    drain()
  }

  private func perform(_ action: Action) {
    switch action {
    case .commit: break
    case .connect(var request):
      if isOnline, let link {
        hasConnection = true
        // The station's time, as every wait of the core; the network gets a second of the machine's at any scale.
        request.timeout = max(min(request.timeout, 1000), request.timeout / Int64(clock.scale))
        link.connect(request)
      } else {
        inputs.append(.link(.down(.connectFailed("the uplink is cut"))))
      }
    case .disconnect(let code, let reason): link?.disconnect(code: code, reason: reason)
    case .send(let frame):
      record(frame, .outgoing)
      link?.send(frame)
    case .ping: link?.ping()
    case .confirm: inputs.append(.stored)
    case .hardware(let command):
      carryOut(command)
      accept(hardware.execute(command, at: now), isReal: false)
    case .certificates(let id, let request): carryOut(id, request)
    case .logs(let id, let request): carryOut(id, request)
    case .transfer(let id, let request): carryOut(id, request)
    case .installer(let id, let request): carryOut(id, request)
    case .setTimer(let id, let deadline):
      if !timers.set(id, at: deadline) { write(.error, "timer \(id.name) \(id.index) was not set: too many timers") }
    case .cancelTimer(let id): timers.cancel(id)
    case .controlReply(let id, let result): onControlReply?(id, result)
    case .event(let event):
      indicatorsAreDue = true
      onEvent?(event)
    case .log(let level, let text): write(level, text)
    case .restart(let reason): end(.restart(reason, abrupt: false))
    case .stopped: end(orderlyEnding ?? .exit(.success))
    }
  }

  private func refuse(_ action: Action, _ why: String) {
    switch action {
    case .connect: inputs.append(.link(.down(.connectFailed("the ledger could not be written: \(why)"))))
    case .controlReply(let id, _):
      onControlReply?(id, .failure(ControlError("the ledger could not be written: \(why)")))
    default: break
    }
  }

  private func carryOut(_ id: Int64, _ request: CertificateRequest) {
    guard let certificates else {
      inputs.append(.certificates(id: id, .failed("there is no certificate folder"), CertificateInventory()))
      return
    }
    let bound = NIOLoopBound(self, eventLoop: loop)
    let loop = self.loop
    certificates.carryOut(request) { reply, inventory in
      // Never at once: the answer of a request that is refused comes after the action too.
      loop.execute {
        guard !bound.value.isEnding else { return }
        bound.value.give(.certificates(id: id, reply, inventory))
      }
    }
  }

  private func carryOut(_ id: Int64, _ request: TransferRequest) {
    guard let transfers else {
      if case .start = request {
        inputs.append(.transfer(id: id, .ended(.failed(.process, "files cannot be transferred"))))
      }
      return
    }
    transfers.carryOut(id, request) { [unowned self] event in
      if !isEnding { give(.transfer(id: id, event)) }
    }
  }

  private func carryOut(_ id: Int64, _ request: InstallerRequest) {
    guard let installer else { return inputs.append(.installer(id: id, .failed("there is no installer"))) }
    installer.carryOut(request) { [unowned self] reply in
      if !isEnding { give(.installer(id: id, reply)) }
    }
  }

  // MARK: Hardware

  /// - Parameter isReal: Events of drivers; those of the simulated hardware count only where nothing is real.
  private func accept(_ events: [HardwareEvent], isReal: Bool) {
    for event in events {
      if let drivers {
        if !isReal, drivers.overrules(event) { continue }
        noticeDeparture(event, drivers)
      }
      inputs.append(.hardware(event))
      if case .meter = event { continue }
      hardwareChanged = true
    }
  }

  /// Lets somebody or something outside act on the simulated hardware. What follows is handled, and what has to be kept
  /// is stored, before this returns.
  func stimulate(_ stimulus: Stimulus) -> ControlError? {
    if let error = drivers?.refusal(of: stimulus) { return ControlError(error) }
    switch hardware.stimulus(stimulus, at: now) {
    case .success(let events):
      accept(events, isReal: false)
      hardwareChanged = true
      drain()
      return nil
    case .failure(let error): return ControlError(error.text)
    }
  }

  /// Brings the simulated hardware up to now.
  func advanceHardware() {
    accept(hardware.advance(to: now), isReal: false)
    drain()
  }

  // MARK: Real hardware

  private func startDrivers() {
    guard let drivers else { return }
    let bound = NIOLoopBound(self, eventLoop: loop)
    let loop = self.loop
    drivers.start { report in loop.execute { bound.value.heard(report) } }
    feed()
  }

  private func feed() {
    guard !isEnding, let drivers else { return }
    let isAlive = drivers.feed()
    if isAlive != driversAreAlive {
      driversAreAlive = isAlive
      write(
        isAlive ? .notice : .error,
        isAlive ? "the safety inputs are read again" : "the thread of the safety inputs hangs: the contactors open")
    }
    loop.assumeIsolated().scheduleTask(in: Self.feedInterval) { self.feed() }
  }

  private func stopDrivers() {
    drivers?.stop()
  }

  /// `simulated hardware`, or the drivers.
  var hardwareText: String {
    guard let drivers else { return "simulated hardware" }
    return drivers.all.map { "\($0.component) by \($0.kind)" }.joined(separator: ", ")
  }

  private func heard(_ report: DriverReport) {
    guard !isEnding else { return }
    let events = report.events(now: .now, wall: now.wall + core.clockOffset)
    for case .meter(let reading) in events { meters[reading.evse] = reading }
    accept(events, isReal: true)
    drivers?.testNewRCD(report)
    drain()
  }

  func maintain(_ action: ControlCommand.Maintenance, evse: Int) throws(ControlError) {
    switch action {
    case .acceptMeter:
      if core.snapshot.evses.contains(where: { $0.id == evse && $0.transaction != nil }) {
        throw ControlError("evse \(evse) has a transaction: end it first, it would be billed by two registers")
      }
      guard drivers?.acceptMeter(evse: evse) == true else { throw ControlError("evse \(evse) has no real meter") }
    case .recheckContactor:
      guard drivers?.recheckContactor(evse: evse) == true else {
        throw ControlError("evse \(evse) has no contactor on GPIO lines")
      }
    case .resetRCD:
      guard drivers?.resetRCD(evse: evse) == true else {
        throw ControlError("evse \(evse) has no RCD that can be reset from here")
      }
    }
  }

  private func carryOut(_ command: HardwareCommand) {
    guard let reasons = drivers?.execute(command), !reasons.isEmpty else { return }
    let text = reasons.map { "\($0.component) \($0.text)" }.sorted().joined(separator: ", ")
    write(.warning, "a contactor is not closed: \(text)")
  }

  private func noticeDeparture(_ event: HardwareEvent, _ drivers: HardwareDrivers) {
    guard case .pilot(let evse, let connector, .a) = event else { return }
    let before = core.snapshot.evses.first { $0.id == evse }?.connectors.first { $0.id == connector }
    if before?.plugged == true { drivers.testRCDs(evse: evse) }
  }

  /// Lights follow what the core says, once for a turn of the loop.
  private func showIndicators() {
    guard indicatorsAreDue, let drivers, drivers.hasIndicators else { return }
    indicatorsAreDue = false
    for evse in core.snapshot.evses { drivers.show(evse: evse.id, IndicatedState(evse)) }
  }

  // MARK: Network and restart, from the control socket

  /// Cuts or restores the uplink. Cut: the connection is dropped at once, without a closing handshake, and none is opened.
  /// Restored: the core hears of it when the connection that was cut is gone, so that it can connect without delay.
  func setNetwork(online: Bool) {
    guard online != isOnline else { return }
    isOnline = online
    if !online {
      link?.disconnect(code: 1006, reason: "the uplink is cut")
      // The core has not heard yet of the restoration that this takes back.
      if owesOnline {
        owesOnline = false
        return
      }
    } else if hasConnection {
      owesOnline = true
      return
    }
    give(.network(online: online))
  }

  /// As if the power failed or a watchdog bit: nothing is flushed or closed.
  func restartAbruptly(_ reason: BootReasonEnumType) {
    guard !isEnding else { return }
    isEnding = true
    stopDrivers()
    transfers?.close()
    installer?.close()
    // The simulated hardware is not part of what loses its power.
    _ = hardware.advance(to: now)
    simulationFile?.save(hardware.saved.json.bytes)
    onEnd?(.restart(reason, abrupt: true))
  }

  /// Stops in an orderly way and then ends as said; the process is ended even if something hangs.
  public func stop(_ ending: Ending = .exit(.success)) {
    guard orderlyEnding == nil, !isEnding else { return }
    orderlyEnding = ending
    loop.assumeIsolated().scheduleTask(in: Self.stopTime) {
      self.write(.warning, "the orderly stop takes too long and is cut short")
      self.end(ending)
    }
    give(.shutdown)
  }

  private func end(_ ending: Ending) {
    guard !isEnding else { return }
    isEnding = true
    stopDrivers()
    transfers?.close()
    installer?.close()
    simulationFile?.save(hardware.saved.json.bytes)
    certificates?.close()
    messageLog?.flush()
    journal?.flush()
    diagnostics?.close()
    if let error = ledger.close() { write(.warning, error.text) }
    onEnd?(ending)
  }

  // MARK: Time

  /// Schedules the next look at timers and hardware.
  private func rearm() {
    var deadline = timers.earliest()
    if let due = hardware.nextDeadline { deadline = min(deadline ?? due, due) }
    guard let deadline else { return }
    // A wake-up that comes too early costs less than replacing it with every frame.
    if let wakeUp, wakeUp.at <= deadline { return }
    wakeUp?.task.cancel()
    let delay = clock.delay(until: deadline, from: reading())
    let task = loop.assumeIsolated().scheduleTask(in: .nanoseconds(delay)) { self.wake() }
    wakeUp = (deadline, task)
  }

  private func wake() {
    wakeUp = nil
    guard !isEnding else { return }
    let now = self.now
    if let due = hardware.nextDeadline, due <= now.monotonic { accept(hardware.advance(to: now), isReal: false) }
    drain()
    let pass = timers.pass(at: now.monotonic)
    while !isEnding, let id = timers.next(in: pass) { give(.timer(id)) }
    if !isEnding { rearm() }
  }

  /// While energy flows the registers are stored often: a meter that is killed with the station would have kept counting.
  private func scheduleSave() {
    guard !saveScheduled, let simulationFile, hardware.mainMeterReading.power ?? 0 != 0 else { return }
    saveScheduled = true
    loop.assumeIsolated().scheduleTask(in: Self.saveInterval) {
      self.saveScheduled = false
      guard !self.isEnding else { return }
      self.advanceHardware()
      simulationFile.save(self.hardware.saved.json.bytes)
    }
  }

  // MARK: Records

  private func record(_ frame: [UInt8], _ direction: MessageLog.Direction) {
    guard messageLog != nil || diagnostics != nil else { return }
    let wall = now.wall
    messageLog?.record(FramePrivacy.redacted(frame), direction, wall: wall)
    diagnostics?.add(.frame(frame, isOutgoing: direction == .outgoing, wall: wall))
  }

  /// Writes the message log and the journal once the loop has done what is due, so that they do not delay it.
  private func scheduleFlush() {
    guard !flushScheduled, messageLog?.isWaiting == true || journal?.isWaiting == true else { return }
    flushScheduled = true
    loop.assumeIsolated().execute {
      self.flushScheduled = false
      self.messageLog?.flush()
      self.journal?.flush()
      let failure = self.messageLog?.failure
      if let failure, !self.messageLogFailed {
        self.write(.warning, "message log: \(failure); frames are missing in it")
      }
      self.messageLogFailed = failure != nil
    }
  }
}

extension LedgerFailure {
  /// What the core has to know of it.
  init(_ error: LedgerError) {
    let kind: Kind =
      switch error.kind {
      case .full: .full
      case .readOnly, .permission: .readOnly
      case .backlog: .backlog
      default: .medium
      }
    self.init(kind, error.text, keys: [])
  }
}
