import NIOCore
import StationCore

/// Tells the service manager that the station is ready, that it lives, and that it stops.
///
/// It lives when the loop runs (which is who tells), the ledger's thread answers, and every part of `Watchdog` was heard in
/// time. The tests put a manager of their own in the place of the real one.
final class ServiceNotifier {
  /// A medium may take long to make something durable; one that takes longer hangs.
  static let ledgerLimit: Int64 = 60_000_000_000
  /// How soon a message that the manager did not take is offered again.
  static let retryInterval = TimeAmount.milliseconds(500)

  private let loop: any EventLoop
  private let watchdog: Watchdog
  private let ledger: any LedgerPort
  private let pulse: Watchdog.Pulse?
  private let interval: Int64?
  private let tell: ([String]) -> Bool
  private let log: (LogLevel, String) -> Void
  private let now: @Sendable () -> Int64
  private var owed: [String]?
  private var silences: [String] = []
  private var isProbing = false
  private var isStopping = false

  /// - Parameters:
  ///   - interval: the manager's patience in nanoseconds, if it has any.
  ///   - tell: sends states to it; false when they were not taken.
  init(
    watchdog: Watchdog, ledger: any LedgerPort, interval: Int64?, on loop: any EventLoop,
    now: @escaping @Sendable () -> Int64 = { StationClock.Reading.now.monotonic },
    tell: @escaping ([String]) -> Bool, log: @escaping (LogLevel, String) -> Void
  ) {
    self.loop = loop
    self.watchdog = watchdog
    self.ledger = ledger
    self.interval = interval
    self.tell = tell
    self.log = log
    self.now = now
    pulse = interval == nil ? nil : watchdog.watch("the ledger", limit: Self.ledgerLimit, at: now())
  }

  /// The notifier of the process, if a manager listens. What of the environment cannot be used is logged, and the
  /// station runs without a manager.
  static func ofProcess(
    watchdog: Watchdog, ledger: any LedgerPort, on loop: any EventLoop, log: @escaping (LogLevel, String) -> Void
  ) -> ServiceNotifier? {
    do {
      guard let manager = try ServiceManager(.ofProcess) else { return nil }
      return ServiceNotifier(
        watchdog: watchdog, ledger: ledger, interval: manager.watchdogInterval, on: loop, tell: manager.tell, log: log)
    } catch {
      log(.error, "\(error.description); the service manager is not told anything")
      return nil
    }
  }

  /// The station accepts clients and drives its hardware.
  func ready(_ status: String) {
    say(["READY=1", "STATUS=\(status)"])
    tick()
  }

  /// The end has begun.
  func stopping() {
    guard !isStopping else { return }
    isStopping = true
    say(["STOPPING=1", "STATUS=stopping"])
  }

  /// The same process goes on with another program: it has the whole interval for its start.
  func replaced() { _ = tell(["STATUS=starting again"] + (interval == nil ? [] : ["WATCHDOG=1"])) }

  /// A manager without room is busy for a moment; READY must not be lost by that.
  private func say(_ states: [String]) {
    owed = nil
    if tell(states) { return }
    owed = states
    let bound = NIOLoopBound(self, eventLoop: loop)
    loop.scheduleTask(in: Self.retryInterval) {
      if let owed = bound.value.owed { bound.value.say(owed) }
    }
  }

  private func tick() {
    guard let interval else { return }
    feed()
    probeLedger()
    let bound = NIOLoopBound(self, eventLoop: loop)
    loop.scheduleTask(in: .nanoseconds(max(interval / 2, 1_000_000))) { bound.value.tick() }
  }

  private func feed() {
    let silent = watchdog.silences(at: now())
    if silent.isEmpty {
      _ = tell(["WATCHDOG=1"])
      if !silences.isEmpty { log(.notice, "the watchdog is fed again") }
    } else if silent.map(\.name) != silences {
      let text = silent.map(\.description).joined(separator: ", ")
      log(.error, "the watchdog is not fed: \(text)")
      _ = tell(["STATUS=not fed: \(text)"])
    }
    silences = silent.map(\.name)
  }

  /// An empty commit goes through the ledger's thread and writes nothing. Whatever comes back, the thread works.
  private func probeLedger() {
    guard !isProbing, let pulse else { return }
    isProbing = true
    let bound = NIOLoopBound(self, eventLoop: loop)
    let (loop, now) = (loop, now)
    ledger.commit([], epoch: nil) { _ in
      pulse.beat(at: now())
      loop.execute { bound.value.isProbing = false }
    }
  }
}
