import StationCore

/// The station's side of the protocol with a safety microcontroller (docs/mcu-protocol.md), in virtual time.
struct MCUSession: DeviceSession {
  enum Facet: Hashable, Sendable, CaseIterable {
    case pilot, cable, contactor, lock, rcd, emergencyStop
  }

  struct Output: Hashable, Sendable {
    var facet: Facet
    var update: DriverUpdate
  }

  struct Settings: Hashable, Sendable {
    var evse: Int
    var connector: Int
    var keepAlive: TimeSpan
    var loss: TimeSpan
    /// Milliamperes.
    var most: Int64
    var ventilation: Bool
    var facets: Set<Facet>
  }

  static let version: UInt8 = 1
  static let helloInterval = TimeSpan.seconds(1)
  static let answerTime = TimeSpan.milliseconds(100)
  static let tries = 4
  /// Commands that wait for their acknowledgement; the oldest of more is given up.
  static let maxOutstanding = 16

  enum Phase: Hashable { case closed, greeting, talking }

  struct Outstanding {
    var command: MCUCommand
    var sequence: UInt8
    var due: MonotonicTime
    var triesLeft: Int
  }

  let settings: Settings
  var machine: PilotStateMachine
  var phase = Phase.closed
  var reader = MCUFrameReader()
  var clock = MCUClock()
  var bytes: [UInt8] = []
  var outputs: [Output] = []
  var mustReopen = false
  var sequence: UInt8 = 0
  var lastSequence: UInt8?
  var boot: UInt32?
  var firmware: String?
  var outstanding: [Outstanding] = []
  var helloAt: MonotonicTime?
  var keepAliveAt: MonotonicTime?
  /// Keep-alives that a state may still name: number and when it left.
  var tokens: [(number: UInt16, at: MonotonicTime)] = []
  var token: UInt16 = 0
  var lastStamp: UInt32?
  /// When the last believed state was read; of the beginning, when that was.
  var readAt: MonotonicTime
  /// From when on the silence counts: the last believed state, or the opening of the line.
  var aliveAt: MonotonicTime
  var flags: MCUReport.State.Flags = []
  var closeWanted = false
  var lockWanted: Bool?
  var hasTest = true
  var told: [Facet: CapabilityValue] = [:]
  var pilotReading: Reading<CapabilityValue>
  var isUnknown = false
  var faults: Set<String> = []
  /// States and frames that were not believed.
  var late = 0
  var invalid = 0

  init(_ settings: Settings, at now: MonotonicTime) {
    self.settings = settings
    machine = PilotStateMachine(ventilation: settings.ventilation)
    readAt = now
    aliveAt = now
    pilotReading = .unknown("not read yet", since: now)
  }

  // MARK: The line

  mutating func opened(at now: MonotonicTime) {
    phase = .greeting
    reader.reset()
    clock.reset()
    bytes = [0]
    outstanding = []
    tokens = []
    lastSequence = nil
    lastStamp = nil
    aliveAt = now
    helloAt = now
    keepAliveAt = nil
    timeIsUp(at: now)
  }

  mutating func lost(_ why: String, at now: MonotonicTime) {
    phase = .closed
    outstanding = []
    bytes = []
    helloAt = nil
    keepAliveAt = nil
    unknown(why)
  }

  mutating func takeBytes() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  mutating func takeOutputs() -> [Output] {
    defer { outputs = [] }
    return outputs
  }

  mutating func takeReopen() -> Bool {
    defer { mustReopen = false }
    return mustReopen
  }

  // MARK: Time

  var deadline: MonotonicTime? {
    guard phase != .closed else { return machineDeadline }
    let times = [helloAt, keepAliveAt, aliveAt + settings.loss, outstanding.map(\.due).min(), machineDeadline]
    return times.compactMap { $0 }.min()
  }

  /// What the pilot waits for has no meaning while it cannot be read.
  private var machineDeadline: MonotonicTime? { phase == .talking ? machine.deadline : nil }

  mutating func timeIsUp(at now: MonotonicTime) {
    guard phase != .closed else { return }
    if let due = helloAt, now >= due {
      send(.hello(version: Self.version, lossMilliseconds: UInt16(settings.loss.milliseconds)))
      helloAt = phase == .greeting ? now + Self.helloInterval : nil
    }
    if let due = keepAliveAt, now >= due {
      token &+= 1
      tokens.append((token, now))
      tokens.removeAll { now > $0.at + settings.loss }
      send(.keepAlive(token))
      keepAliveAt = now + settings.keepAlive
    }
    for index in outstanding.indices where now >= outstanding[index].due { repeated(index, now) }
    if outstanding.contains(where: { $0.triesLeft <= 0 }) {
      outstanding.removeAll { $0.triesLeft <= 0 }
      setFault(PilotFaults.refuses, true)
      flushFaults(.failed("a command was not acknowledged"))
    }
    if phase == .talking { carryOut(machine.timeIsUp(at: now), at: now) }
    guard now >= aliveAt + settings.loss else { return }
    phase = .closed
    mustReopen = true
    outstanding = []
    unknown("no state for \(settings.loss.milliseconds) ms")
  }

  private mutating func repeated(_ index: Int, _ now: MonotonicTime) {
    outstanding[index].triesLeft -= 1
    outstanding[index].due = now + Self.answerTime
    if outstanding[index].triesLeft > 0 { outstanding[index].sequence = send(outstanding[index].command) }
  }

  // MARK: Commands

  @discardableResult
  private mutating func send(_ command: MCUCommand) -> UInt8 {
    sequence &+= 1
    // What does not fit in one write is of a line that takes nothing: the time-outs deal with it.
    if bytes.count < 4096 - MCUFrame.longestFrame { bytes += MCUFrame.encode(command.encoded(sequence: sequence)) }
    return sequence
  }

  /// Sends and waits for the acknowledgement; a newer one of a kind replaces the older.
  mutating func command(_ command: MCUCommand, at now: MonotonicTime) {
    guard phase == .talking else { return }
    outstanding.removeAll { $0.command.type == command.type }
    if outstanding.count >= Self.maxOutstanding { outstanding.removeFirst() }
    outstanding.append(
      Outstanding(command: command, sequence: send(command), due: now + Self.answerTime, triesLeft: Self.tries))
  }

  mutating func offer(_ milliamperes: Int64?, at now: MonotonicTime) {
    carryOut(machine.offer(milliamperes.map { min($0, settings.most) }, at: now), at: now)
  }

  mutating func setUnavailable(_ unavailable: Bool, at now: MonotonicTime) {
    carryOut(machine.setUnavailable(unavailable, at: now), at: now)
  }

  /// Opening is sent at once. Closing only when the vehicle asks for what is offered and the mirror says open; else
  /// what the contactor is, is told again.
  mutating func contactor(close: Bool, at now: MonotonicTime) {
    guard close else {
      closeWanted = false
      return command(.contactor(close: false), at: now)
    }
    if flags.contains(.closed), !closeWanted {
      setFault(PilotFaults.contactor, true)
      flushFaults(.degraded("closing was refused: the mirror contact says closed"))
    } else if phase == .talking, maySupply, !flags.contains(.welded) {
      closeWanted = true
      return command(.contactor(close: true), at: now)
    }
    if let value = told[.contactor] { tell(.contactor, value, evenIfSame: true) }
  }

  private var maySupply: Bool {
    guard case .duty = machine.signal else { return false }
    return machine.state == .c || (machine.state == .d && settings.ventilation)
  }

  mutating func lock(_ locked: Bool, at now: MonotonicTime) {
    lockWanted = locked
    command(.lock(locked), at: now)
  }

  mutating func rcdTest(at now: MonotonicTime) -> Bool {
    guard phase == .talking, hasTest else { return false }
    command(.rcdTest, at: now)
    return true
  }

  mutating func rcdReset(at now: MonotonicTime) -> Bool {
    guard phase == .talking else { return false }
    command(.rcdReset, at: now)
    return true
  }

  /// The safe state, for the end.
  mutating func shutDown(at now: MonotonicTime) {
    contactor(close: false, at: now)
    carryOut(machine.offer(nil, at: now), at: now)
  }

  /// What the state machine wants.
  mutating func carryOut(_ wishes: [PilotStateMachine.Output], at now: MonotonicTime) {
    for wish in wishes {
      switch wish {
      case .signal(let signal): command(.signal(signal), at: now)
      case .state(let state): tell(.pilot, .pilot(state))
      case .open:
        guard closeWanted || flags.contains(.closed) else { continue }
        closeWanted = false
        command(.contactor(close: false), at: now)
      case .raised(let name, let severity): setFault(name, true, severity: severity)
      case .cleared(let name): setFault(name, false)
      }
    }
    flushFaults(faults.isEmpty ? .working : .degraded(faults.sorted().joined(separator: ", ")))
  }

  // MARK: Telling

  mutating func tell(_ facet: Facet, _ value: CapabilityValue, evenIfSame: Bool = false) {
    guard settings.facets.contains(facet), told[facet] != value || evenIfSame else { return }
    told[facet] = value
    let reading = Reading.good(value, at: readAt)
    if facet == .pilot { pilotReading = reading }
    outputs.append(Output(facet: facet, update: DriverUpdate(reading)))
  }

  private mutating func unknown(_ why: String) {
    machine.forget()
    closeWanted = false
    flags = []
    guard !isUnknown else { return }
    isUnknown = true
    told = [:]
    setFault(PilotFaults.silent, true)
    pilotReading = .unknown(why, since: readAt)
    flushFaults(.failed(why))
    for facet in Facet.allCases where facet != .pilot && settings.facets.contains(facet) {
      outputs.append(
        Output(facet: facet, update: DriverUpdate(.unknown(why, since: readAt), health: .failed(why))))
    }
  }

  var pending: (raised: [HardwareFault], cleared: [HardwareFault]) = ([], [])

  mutating func setFault(_ name: String, _ active: Bool, severity: FaultSeverity = .high) {
    guard active ? faults.insert(name).inserted : faults.remove(name) != nil else { return }
    let fault = HardwareFault(
      name: name, evse: settings.evse, connector: settings.connector, severity: severity)
    if active { pending.raised.append(fault) } else { pending.cleared.append(fault) }
  }

  /// Faults go with the pilot's reading, which does not become newer by that.
  mutating func flushFaults(_ health: Health) {
    guard !pending.raised.isEmpty || !pending.cleared.isEmpty else { return }
    outputs.append(
      Output(
        facet: .pilot,
        update: DriverUpdate(pilotReading, raised: pending.raised, cleared: pending.cleared, health: health)))
    pending = ([], [])
  }
}
