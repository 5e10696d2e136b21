import StationCore

/// What the microcontroller says.
extension MCUSession {
  mutating func received(_ bytes: [UInt8], at now: MonotonicTime) {
    guard phase != .closed else { return }
    let bad = reader.bad
    for message in reader.take(bytes) {
      guard let (number, report) = MCUReport.decode(message) else {
        invalid += 1
        continue
      }
      guard number != lastSequence else { continue }
      lastSequence = number
      switch report {
      case .hello(let hello): greeted(hello, at: now)
      case .state(let state): if phase == .talking { changed(state, at: now) }
      case .acknowledged(let type, let sequence, let outcome): acknowledged(type, sequence, outcome, at: now)
      }
    }
    invalid += reader.bad - bad
  }

  private mutating func greeted(_ hello: MCUReport.Hello, at now: MonotonicTime) {
    guard hello.version == Self.version else {
      setFault(PilotFaults.controller, true)
      return flushFaults(.failed("protocol version \(hello.version), expected \(Self.version)"))
    }
    setFault(PilotFaults.controller, false)
    if boot != hello.boot || phase == .greeting {
      // It has started anew: its contactor is open, its clock and its numbers begin again.
      clock.reset()
      lastStamp = nil
      closeWanted = false
      machine.forget()
    }
    // A hello that was not asked for is that of a restart: it counts the station as lost until it hears one itself.
    helloAt = phase == .talking && boot != hello.boot ? now : nil
    boot = hello.boot
    firmware = hello.firmware
    phase = .talking
    aliveAt = max(aliveAt, now)
    keepAliveAt = now
    // A state that names a keep-alive from before may have been on its way for any time.
    tokens = []
    timeIsUp(at: now)
    command(.contactor(close: false), at: now)
    command(.signal(machine.signal), at: now)
    if let lockWanted { command(.lock(lockWanted), at: now) }
    flushFaults(.starting)
  }

  private mutating func changed(_ state: MCUReport.State, at now: MonotonicTime) {
    if state.flags.contains(.stationLost) {
      // It has started anew or has not heard the station: nothing it was told holds.
      closeWanted = false
      if helloAt == nil { helloAt = now + Self.helloInterval }
    }
    if let lastStamp, state.time < lastStamp, lastStamp - state.time < 1 << 31 {
      // Older than what is known, or of another start, which will say hello.
      late += 1
      return
    }
    // From before the station was heard.
    guard let index = tokens.firstIndex(where: { $0.number == state.token && now <= $0.at + settings.loss }) else {
      late += 1
      return
    }
    var time = clock.time(of: state.time, arrived: now)
    // Read before the next keep-alive was heard: a line that is late from its beginning cannot hide that.
    if index + 1 < tokens.count { time = min(time, tokens[index + 1].at + Self.answerTime) }
    guard (now - time) * 2 <= settings.loss else {
      late += 1
      return
    }
    lastStamp = state.time
    readAt = max(readAt, time)
    aliveAt = max(aliveAt, time)
    isUnknown = false
    flags = state.flags
    setFault(PilotFaults.silent, false)
    setFault(
      PilotFaults.contactor,
      flags.contains(.welded) || (faults.contains(PilotFaults.contactor) && flags.contains(.closed)))
    setFault(PilotFaults.rcdTest, flags.contains(.rcdTestFailed))
    // Facets first that the core needs to judge the pilot by.
    if let cable = state.cable { tell(.cable, .cable(ratingAmperes: cable == 0 ? nil : cable)) }
    tell(.emergencyStop, .tripped(flags.contains(.emergencyStop)))
    tell(.rcd, .tripped(flags.contains(.rcdTripped)))
    switch state.pilot {
    case .levels(let high, let low):
      carryOut(machine.sample(PilotSample(highMillivolts: high, lowMillivolts: low), at: now), at: now)
    case .classified(let sample): carryOut(machine.sample(sample, at: now), at: now)
    }
    tell(.contactor, .contactor(closed: flags.contains(.closed)))
    tell(.lock, flags.contains(.lockFailed) ? .lockFailed : .lock(locked: flags.contains(.locked)))
  }

  private mutating func acknowledged(
    _ type: UInt8, _ sequence: UInt8, _ outcome: MCUReport.Outcome, at now: MonotonicTime
  ) {
    guard let index = outstanding.firstIndex(where: { $0.command.type == type && $0.sequence == sequence }) else {
      return
    }
    let command = outstanding.remove(at: index).command
    switch (command, outcome) {
    case (_, .done):
      if outstanding.isEmpty {
        setFault(PilotFaults.refuses, false)
        flushFaults(.working)
      }
    case (.rcdTest, .unsupported): hasTest = false
    case (.contactor(close: true), .refused):
      closeWanted = false
      tell(.contactor, .contactor(closed: flags.contains(.closed)), evenIfSame: true)
    case (.signal, _), (.contactor, _):
      setFault(PilotFaults.refuses, true)
      flushFaults(.failed("command \(command) was answered by \(outcome)"))
    default: break
    }
  }
}
