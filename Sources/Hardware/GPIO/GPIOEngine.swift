import StationCore
import Threads

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One thread for all lines of a station but the power lines: it waits for edges and deadlines, and turns the devices.
///
/// A dangerous edge reaches its report in the time that the thread needs to wake, plus that of the devices before it in the
/// same turn, each some microseconds.
///
/// `@unchecked Sendable`: `devices` belongs to the thread while it runs, everything else is used under `lock`.
final class GPIOEngine: @unchecked Sendable {
  /// Commands that wait; more are refused.
  static let jobLimit = 256

  private let backend: any LineBackend
  private let lock = Lock()
  private var jobs: [(GPIOEngine, MonotonicTime) -> Void] = []
  private var devices: [Int: GPIODevice] = [:]
  private var nextID = 0
  private var wakeUp: WakeUp?
  private var isRunning = false
  private var isStopping = false
  /// Since when a sign of life is owed.
  private var askedAt: MonotonicTime?

  init(backend: any LineBackend) { self.backend = backend }

  /// A place for a driver; nothing happens before `start`.
  func reserve() -> Int {
    lock.with {
      nextID += 1
      return nextID
    }
  }

  /// Takes the lines, on the thread; `report` is called there.
  func start(_ id: Int, _ logic: any GPIOLogic, report: @escaping @Sendable (DriverUpdate) -> Void) {
    let isThere = post { engine, now in
      guard engine.devices[id] == nil else { return }
      let device = GPIODevice(logic, backend: engine.backend, report: report)
      engine.devices[id] = device
      device.take(at: now)
    }
    guard !isThere else { return }
    report(
      DriverUpdate(
        .unknown("no thread for GPIO lines", since: .now), raised: [GPIOFault.fault(evse: 0)],
        health: .failed("no thread for GPIO lines")))
  }

  /// Does something with a driver's logic, on the thread.
  func perform(_ id: Int, _ body: @escaping @Sendable (inout any GPIOLogic, MonotonicTime) -> Void) {
    post(limit: Self.jobLimit) { engine, now in engine.devices[id]?.perform(at: now) { body(&$0, now) } }
  }

  /// Lets the lines of a driver go, and waits for that. Not to be called in a report.
  func stop(_ id: Int) {
    let done = Done()
    let isThere = post { engine, _ in
      engine.devices.removeValue(forKey: id)?.release()
      engine.lock.with {
        done.isDone = true
        engine.lock.signal()
      }
    }
    guard isThere else { return }
    let deadline = MonotonicTime.now + .seconds(1)
    lock.with { while !done.isDone, isRunning, MonotonicTime.now < deadline { lock.wait(until: deadline) } }
  }

  /// Ends the thread; all lines go. At most a second.
  func stop() {
    lock.with {
      isStopping = true
      wakeUp?.wake()
      let deadline = MonotonicTime.now + .seconds(1)
      while isRunning, MonotonicTime.now < deadline { lock.wait(until: deadline) }
    }
  }

  /// Asks the thread for a sign of life, and says how long it has owed one. `nil`: there is no thread.
  func silence(at now: MonotonicTime) -> TimeSpan? {
    let (silence, asks) = lock.with { () -> (TimeSpan?, Bool) in
      guard isRunning, !isStopping else { return (nil, false) }
      if let askedAt { return (now - askedAt, false) }
      askedAt = now
      return (.zero, true)
    }
    if asks { post { engine, _ in engine.lock.with { engine.askedAt = nil } } }
    return silence
  }

  private final class Done: @unchecked Sendable { var isDone = false }

  /// False: there is no thread to do it.
  @discardableResult private func post(limit: Int = .max, _ job: @escaping (GPIOEngine, MonotonicTime) -> Void) -> Bool
  {
    lock.with {
      guard !isStopping else { return false }
      if !isRunning {
        wakeUp = wakeUp ?? WakeUp()
        guard wakeUp != nil, NamedThread.startDetached("gpio", { self.run() }) else { return false }
        isRunning = true
      }
      guard jobs.count < limit else { return false }
      jobs.append(job)
      wakeUp?.wake()
      return true
    }
  }

  // MARK: The thread

  private func run() {
    while !lock.with({ isStopping }) {
      let work = lock.with { () -> [(GPIOEngine, MonotonicTime) -> Void] in
        defer { jobs.removeAll() }
        return jobs
      }
      for job in work { job(self, .now) }
      turn()
    }
    for device in devices.values { device.release() }
    devices = [:]
    lock.with {
      isRunning = false
      lock.signal()
    }
  }

  private func turn() {
    guard let wakeUp = lock.with({ wakeUp }) else { return }
    let ordered = devices.sorted { $0.key < $1.key }.map(\.value)
    var polls = [pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0)]
    var places: [(device: GPIODevice, line: Int)] = []
    for device in ordered {
      for (line, descriptor) in device.descriptors {
        polls.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        places.append((device, line))
      }
    }
    let deadline = ordered.compactMap(\.deadline).min()
    let ready = poll(&polls, nfds_t(polls.count), pollTimeout(until: deadline, now: .now))
    if ready > 0 {
      if polls[0].revents != 0 { wakeUp.drain() }
      for (index, place) in places.enumerated() where polls[index + 1].revents != 0 {
        place.device.read(place.line, at: .now)
      }
    }
    let now = MonotonicTime.now
    for device in ordered where device.deadline.map({ now >= $0 }) ?? false { device.tick(at: now) }
  }
}
