import Threads

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One Modbus bus: a serial line, or a TCP device or gateway. It owns the wire and one thread, which all its units share.
///
/// Every answer is checked for its unit, function, length and checksum or transaction. The input is thrown away before
/// each request; after a failure a serial line is let fall silent, and a TCP connection is made anew. See `BusSchedule`
/// for order, back-off and late answers.
///
/// `@unchecked Sendable`: `line` belongs to the thread, everything else is used under `lock`.
public final class ModbusBus: @unchecked Sendable {
  public typealias Answer = @Sendable (Result<ModbusAnswer, ModbusFailure>) -> Void

  /// How often what happened since the start.
  public struct Statistics: Hashable, Sendable {
    public var exchanges = 0
    public var failures = 0
    /// Answers that came too late and were thrown away.
    public var lateAnswers = 0
    public var opened = 0
  }

  public let endpoint: ModbusEndpoint
  private let line: any ModbusLine
  private let responseTimeout: TimeSpan
  private let lock = Lock()
  private var schedule: BusSchedule
  private var answers: [UInt64: Answer] = [:]
  private var isStopping = false
  private var isRunning = false
  private var counts = Statistics()

  /// Nothing is opened yet. `responseTimeout`: the time from the end of a request to the first byte of its answer.
  public convenience init(_ endpoint: ModbusEndpoint, responseTimeout: TimeSpan = .milliseconds(500)) {
    self.init(endpoint, line: LibmodbusLine(endpoint), responseTimeout: responseTimeout)
  }

  init(
    _ endpoint: ModbusEndpoint, line: any ModbusLine, responseTimeout: TimeSpan,
    limits: BusSchedule.Limits = BusSchedule.Limits()
  ) {
    self.endpoint = endpoint
    self.line = line
    self.responseTimeout = responseTimeout
    schedule = BusSchedule(frameGap: endpoint.frameGap, limits: limits)
  }

  public var statistics: Statistics { lock.with { counts } }

  /// Takes a request. `answer` is called once, on the bus's thread, and must not block; in it further requests may be
  /// made. When the request is refused at once (`queueFull`, `stopped`), it is called before this returns.
  public func request(_ request: ModbusRequest, _ answer: @escaping Answer) {
    let refusal = lock.with { () -> ModbusFailure? in
      if isStopping { return .stopped }
      if !isRunning {
        guard startThread() else { return .notOpen("\(endpoint): cannot start a thread") }
        isRunning = true
      }
      switch schedule.add(request) {
      case .failure(let failure): return failure
      case .success(let id):
        answers[id] = answer
        lock.signal()
        return nil
      }
    }
    if let refusal { answer(.failure(refusal)) }
  }

  /// Everything that waits fails with `stopped`; the thread closes the wire and ends by itself, after the exchange that
  /// is under way.
  public func stop() {
    lock.with {
      isStopping = true
      lock.signal()
    }
  }

  /// `stop`, and waits until the wire is closed, so that it can be opened anew. Not to be called on the bus's thread.
  public func stopAndWait() {
    stop()
    lock.with { while isRunning { lock.wait(until: nil) } }
  }

  // MARK: The thread

  private func startThread() -> Bool { NamedThread.startDetached("modbus") { self.run() } }

  private enum Work {
    case exchange(BusSchedule.Ticket)
    case report([(Answer, ModbusExchange.Result)])
    case end([Answer])
  }

  private func run() {
    while true {
      switch nextWork() {
      case .exchange(let ticket): perform(ticket)
      case .report(let reports): for (answer, result) in reports { answer(Self.result(result)) }
      case .end(let rest):
        line.close()
        for answer in rest { answer(.failure(.stopped)) }
        lock.with {
          isRunning = false
          lock.signal()
        }
        return
      }
    }
  }

  private func nextWork() -> Work {
    lock.with {
      while true {
        if isStopping {
          let rest = schedule.drain().compactMap { answers.removeValue(forKey: $0) }
          return .end(rest)
        }
        let now = MonotonicTime.now
        let over = schedule.expired(at: now) + (line.isOpen ? [] : schedule.refuseDue(at: now))
        if !over.isEmpty { return .report(reports(over)) }
        switch schedule.next(at: now) {
        case .run(let ticket): return .exchange(ticket)
        case .wait(let until): lock.wait(until: until)
        case .idle: lock.wait(until: nil)
        }
      }
    }
  }

  private func perform(_ ticket: BusSchedule.Ticket) {
    if !line.isOpen {
      do throws(ModbusFailure) {
        try line.open()
        lock.with {
          schedule.opened()
          counts.opened += 1
        }
      } catch {
        return settle(lock.with { schedule.openingFailed(error, at: .now) })
      }
    }
    let timeout = responseTimeout + endpoint.duration(ofBytes: 8)
    let exchange = ModbusExchange.run(ticket.question, on: line, timeout: timeout, doubtful: ticket.doubtful)
    var failed = false
    if case .failed(let failure) = exchange.result {
      failed = true
      switch failure {
      case .exception: break
      case .notOpen: line.close()
      default: if line.sharesWire { line.settle() } else { line.close() }
      }
    }
    settle(
      lock.with {
        counts.exchanges += 1
        counts.failures += failed ? 1 : 0
        counts.lateAnswers += exchange.late.count
        return schedule.finished(ticket, exchange, at: .now)
      })
  }

  private func settle(_ completions: [BusSchedule.Completion]) {
    for (answer, result) in lock.with({ reports(completions) }) { answer(Self.result(result)) }
  }

  /// Under the lock.
  private func reports(_ completions: [BusSchedule.Completion]) -> [(Answer, ModbusExchange.Result)] {
    completions.compactMap { completion in
      answers.removeValue(forKey: completion.id).map { ($0, completion.result) }
    }
  }

  private static func result(_ result: ModbusExchange.Result) -> Result<ModbusAnswer, ModbusFailure> {
    switch result {
    case .answer(let answer): return .success(answer)
    case .failed(let failure): return .failure(failure)
    }
  }
}
