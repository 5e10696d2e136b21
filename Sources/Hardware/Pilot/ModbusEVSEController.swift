import DeviceModel
import StationCore
import Threads

/// A Modbus EVSE controller: the control pilot, and through `contactor` the contactor that its own output switches.
///
/// It lives on its bus's thread: looks and writes ask for the next one each. Writes come before all looks, are repeated every
/// `limitIntervalMs`, and are held against what the next looks show. The contactor has no mirror: closed is reported when
/// the vehicle asks and the controller says that it supplies.
///
/// `@unchecked Sendable`: everything that changes is used under `lock`.
public final class ModbusEVSEController: ControlPilot, Proximity, @unchecked Sendable {
  public let component: ComponentID
  public var switchesContactor: Bool { true }
  private let binding: EVSEControllerBinding
  private let bus: ModbusBus
  private let lock = Lock()
  private var logic: EVSEControllerLogic
  private var reports: [EVSEControllerLogic.Facet: @Sendable (DriverUpdate) -> Void] = [:]
  /// The last update of each facet, for who starts later.
  private var last: [EVSEControllerLogic.Facet: DriverUpdate] = [:]
  private var isStarted = false
  private var isStopped = false
  private var isWriting = false
  private var mustConfigure = true
  private var firmware: Int?
  /// The write of `stop` is over.
  private var isOff = false

  public init(_ binding: EVSEControllerBinding, bus: ModbusBus) {
    component = binding.component
    self.binding = binding
    self.bus = bus
    let settings = EVSEControllerLogic.Settings(
      evse: binding.component.evse ?? 0, connector: binding.component.connector ?? 1,
      most: Int64(binding.maxCurrentA) * 1000, ventilation: binding.ventilation, reportsCable: binding.socket,
      staleAfter: .milliseconds(binding.staleAfterMs), limitInterval: .milliseconds(binding.limitIntervalMs))
    let map = EVSEControllerMap(model: binding.model, unit: UInt8(truncatingIfNeeded: binding.unit))
    logic = EVSEControllerLogic(settings, map: map, at: .now)
  }

  // MARK: ControlPilot

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) {
    lock.with {
      reports[.pilot] = report
      reports[.cable] = report
    }
    begin()
  }

  public func offer(milliamperes: Int64?) { change { $0.offer(milliamperes) } }

  public func setUnavailable(_ unavailable: Bool) { change { $0.setUnavailable(unavailable) } }

  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    let map = lock.with { logic.map }
    let place = "\(binding.model.rawValue), unit \(binding.unit) on \(bus.endpoint)"
    scan(map.reads, deadline: .now + .seconds(5)) { result in
      switch result {
      case .failure(let failure): answer(.absent("\(place): \(failure.text)"))
      case .success(let looked):
        switch map.reading(looked.answers) {
        case .failure(let nonsense): answer(.different("\(place): \(nonsense.text)"))
        case .success(let reading):
          let details = reading.firmware.map { ["firmware": String($0)] } ?? [:]
          answer(.found(DeviceIdentity(reading.firmware.map { "\(place), firmware \($0)" } ?? place, details: details)))
        }
      }
    }
  }

  /// Switches the controller off and waits for its answer, at most a second. The bus goes on.
  public func stop() {
    lock.with {
      guard isStarted, !isStopped else { return }
      isStopped = true
      logic.offer(nil)
    }
    write()
    let end = MonotonicTime.now + .seconds(1)
    lock.with {
      while isStarted, !isOff, MonotonicTime.now < end { lock.wait(until: end) }
      reports = [:]
    }
  }

  // MARK: Contactor

  fileprivate func startContactor(report: @escaping @Sendable (DriverUpdate) -> Void) {
    let known = lock.with {
      reports[.contactor] = report
      return last[.contactor]
    }
    if let known { report(known) }
    begin()
  }

  fileprivate func stopContactor() {
    lock.with { reports[.contactor] = nil }
    // Off is what both are when they stop.
    change { $0.contactor(close: false) }
  }

  fileprivate func command(close: Bool) { change { $0.contactor(close: close) } }

  // MARK: Looking

  private func begin() {
    let isFirst = lock.with {
      defer { isStarted = true }
      return !isStarted && !isStopped
    }
    if isFirst { look(notBefore: MonotonicTime(nanoseconds: 0)) }
  }

  private struct Looked: Sendable {
    var answers: [[UInt16]]
    /// When the first was asked for.
    var askedAt: MonotonicTime
  }

  /// Asks one read after the other; `done` is called once, on the bus's thread.
  private func scan(
    _ reads: [ModbusRead], notBefore: MonotonicTime = MonotonicTime(nanoseconds: 0), deadline: MonotonicTime,
    looked: Looked? = nil, _ done: @escaping @Sendable (Result<Looked, ModbusFailure>) -> Void
  ) {
    guard let read = reads.first else { return done(.success(looked ?? Looked(answers: [], askedAt: .now))) }
    let request = ModbusRequest(
      .read(read), priority: .control, notBefore: notBefore, deadline: deadline,
      pause: .milliseconds(binding.pauseMs), attempts: 3, alternatives: lock.with { logic.map.alternatives })
    bus.request(request) { result in
      switch result {
      case .failure(let failure): done(.failure(failure))
      case .success(let answer):
        let all = Looked(
          answers: (looked?.answers ?? []) + [answer.registers], askedAt: looked?.askedAt ?? answer.acquiredAt)
        self.scan(Array(reads.dropFirst()), deadline: deadline, looked: all, done)
      }
    }
  }

  private func look(notBefore: MonotonicTime) {
    let deadline = max(notBefore, .now) + max(.milliseconds(binding.staleAfterMs), .seconds(2))
    let (map, configures) = lock.with { (logic.map, mustConfigure) }
    if configures, let configuration = map.configuration {
      scan([configuration] + map.reads, notBefore: notBefore, deadline: deadline) { result in
        if case .success(let looked) = result { self.configured(looked.answers[0][0], looked.answers[1]) }
        self.looked(result.map { Looked(answers: Array($0.answers.dropFirst()), askedAt: $0.askedAt) })
      }
    } else {
      scan(map.reads, notBefore: notBefore, deadline: deadline) { self.looked($0) }
    }
  }

  /// EVSE-DIN: the unit of the limit, before the first write.
  private func configured(_ bits: UInt16, _ registers: [UInt16]) {
    lock.with {
      let firmware = Int(registers[5])
      logic.map.isFine =
        bits & EVSEControllerMap.EVSEDIN.fineBit != 0 && firmware >= EVSEControllerMap.EVSEDIN.fineFirmware
      mustConfigure = false
    }
  }

  private func looked(_ result: Result<Looked, ModbusFailure>) {
    var isOver = false
    let updates = lock.with { () -> [EVSEControllerLogic.Update] in
      isOver = isStopped
      switch result {
      case .success(let looked): return logic.read(logic.map.reading(looked.answers), askedAt: looked.askedAt)
      case .failure(let failure):
        if case .stopped = failure { isOver = true }
        let updates = logic.missed(failure.text, at: .now)
        // Whatever answers after a silence may be set up in another way.
        if !updates.isEmpty { mustConfigure = logic.map.configuration != nil }
        return updates
      }
    }
    guard !isOver else { return }
    deliver(updates)
    write()
    look(notBefore: .now + .milliseconds(binding.pollIntervalMs))
  }

  private func deliver(_ updates: [EVSEControllerLogic.Update]) {
    for update in updates {
      let report = lock.with {
        last[update.facet] = update.update
        return reports[update.facet]
      }
      report?(update.update)
    }
  }

  // MARK: Writing

  private func change(_ body: (inout EVSEControllerLogic) -> Void) {
    let isOver = lock.with {
      if !isStopped { body(&logic) }
      return isStopped || !isStarted
    }
    if !isOver { write() }
  }

  /// What is due, unless it is being written. Nothing is before the units of the controller are known, but switching off.
  private func write() {
    let due = lock.with { () -> (limit: Int64, writes: [ModbusWrite])? in
      guard isStarted, !isWriting, let due = logic.due(at: .now) else { return nil }
      if due.limit > 0, mustConfigure, logic.map.configuration != nil { return nil }
      isWriting = true
      return due
    }
    if let due { put(due.writes, limit: due.limit) }
  }

  private func put(_ writes: [ModbusWrite], limit: Int64) {
    guard let write = writes.first else {
      lock.with {
        isWriting = false
        logic.wrote(limit, at: .now)
        if isStopped, limit == 0 { settleStop() }
      }
      // What was wanted since then.
      return self.write()
    }
    let request = ModbusRequest(
      .write(write), priority: .command, deadline: .now + .seconds(2), pause: .milliseconds(binding.pauseMs),
      attempts: 2, alternatives: lock.with { logic.map.alternatives })
    bus.request(request) { result in
      switch result {
      case .success:
        // A newer wish overtakes the rest.
        let isOutdated = self.lock.with { self.logic.target != limit }
        if isOutdated {
          self.lock.with { self.isWriting = false }
          return self.write()
        }
        self.put(Array(writes.dropFirst()), limit: limit)
      case .failure(let failure):
        let (updates, isOver) = self.lock.with { () -> ([EVSEControllerLogic.Update], Bool) in
          self.isWriting = false
          if self.isStopped { self.settleStop() }
          return (self.logic.failedToWrite(failure, at: .now), self.isStopped)
        }
        // The next look, answered or not, tries again.
        if !isOver { self.deliver(updates) }
      }
    }
  }

  /// Under the lock.
  private func settleStop() {
    isOff = true
    lock.signal()
  }
}

extension EVSEControllerMap {
  /// Reads for getting back into step with the unit, those that it is known to answer first. As many as may be in doubt when
  /// one fails each second for as long as a doubt lasts; a refusal is an answer too.
  var alternatives: [ModbusRead] {
    let (function, address): (ModbusRead.Function, UInt16) =
      model == .evseDIN ? (.holdingRegisters, EVSEDIN.current) : (.inputRegisters, Phoenix.status)
    return (1...40).map { ModbusRead(unit: unit, function: function, address: address, count: $0) }
  }
}

/// The contactor that a Modbus EVSE controller switches with its own output.
public final class ModbusEVSEContactor: Contactor, Sendable {
  public let component: ComponentID
  private let controller: ModbusEVSEController

  public init(_ component: ComponentID, of controller: ModbusEVSEController) {
    self.component = component
    self.controller = controller
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) { controller.startContactor(report: report) }
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) { controller.probe(answer) }
  public func stop() { controller.stopContactor() }
  public func command(close: Bool) { controller.command(close: close) }
}
