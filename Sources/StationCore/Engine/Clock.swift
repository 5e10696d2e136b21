import DequeModule
import OCPP

/// What the station knows of the time of day. Durations never depend on it: they use the monotonic clock.
struct Clock: Sendable {
  /// The wall clock is scaled or simulated: it is right by definition.
  let isVirtual: Bool
  var source: ClockSource
  /// Milliseconds to add to the wall clock: the CSMS' time minus ours.
  var offset: Int64 = 0
  /// A wall time that has certainly passed, as it is in the ledger.
  var recorded: Int64
  /// Number of this boot, should its messages carry the time of an unset clock.
  let boot: Int64
  var bootIsRecorded = false
  /// Somebody set the clock since the boot, so it is not one that nobody looks after.
  var wasSet = false
  /// The CSMS' certificate showed that the clock is behind, and the CSMS has not told the time yet.
  var isBehind = false
  var doubtIsTold = false
  /// The time became known just now: what the CSMS presented while it was not is looked at again.
  var chainIsDue = false
  /// The time of the input before, to notice jumps.
  var last: StationTime
  let startedAt: StationTime
  /// The wall time of the start on the scale that the clock has now; moves with its jumps while it is unset.
  var wallAtStart: Int64

  /// No station was built before; a clock that says so is not set. 2025-01-01T00:00:00Z
  static let earliest: Int64 = 1_735_689_600_000
  /// A clock may lag this much behind what the ledger has seen and still count as set, milliseconds: it may have been
  /// corrected since.
  static let lag: Int64 = 3_600_000
  /// Differences to the CSMS' clock below this are the round trip, not the clock, milliseconds.
  static let tolerance: Int64 = 1000
  /// How often `recorded` is renewed, milliseconds; with other writes only.
  static let recordInterval: Int64 = 600_000

  init(at now: StationTime, isVirtual: Bool, ledger: LedgerSnapshot) {
    self.isVirtual = isVirtual
    recorded = Station.number(.time, in: ledger) ?? 0
    boot = (Station.number(.boot, in: ledger) ?? 0) + 1
    last = now
    startedAt = now
    wallAtStart = now.wall
    source = .system
    if !isVirtual, !isPlausible(now.wall) { source = .unset }
  }

  /// What the unset clock can have shown so far. Other time stamps in a message of this boot are of a known time.
  func unsetRange(until monotonic: Int64) -> ClosedRange<Int64> {
    wallAtStart - Clock.tolerance...wallAtStart + (monotonic - startedAt.monotonic) + Clock.tolerance
  }

  func isPlausible(_ wall: Int64) -> Bool { wall >= max(Clock.earliest, recorded - Clock.lag) }
}

extension Station {
  /// UTC in milliseconds as OCPP messages show it: the wall clock, corrected by the CSMS where it is a time source.
  var wallTime: Int64 { now.wall + clock.offset }

  var timestamp: DateTime { DateTime(unixMilliseconds: wallTime) }

  /// Milliseconds that are added to the machine's wall clock.
  public var clockOffset: Int64 { clock.offset }

  /// Where `wallTime` comes from.
  public var clockSource: ClockSource { clock.source }

  /// The time for the validity of the CSMS' certificate. While the clock is unset, what the ledger has seen is a floor; not
  /// above a plausible clock of the machine, so that a time that was recorded in error does not lock the station out
  /// once somebody has put the clock right.
  var verificationTime: VerificationTime {
    guard clock.source == .unset else { return .known(wallTime) }
    let floor = now.wall >= Clock.earliest ? min(clock.recorded, now.wall) : clock.recorded
    return .atLeast(max(floor, Clock.earliest))
  }

  /// For a message made now: the boot to remember with it, when its time stamps will have to be re-based.
  mutating func unknownTimeBoot() -> Int64? {
    guard clock.source == .unset else { return nil }
    if !clock.bootIsRecorded {
      clock.bootIsRecorded = true
      persistStation(.boot)
    }
    return clock.boot
  }

  /// Notices that the wall clock was set or corrected since the last input.
  mutating func noticeTime() {
    let elapsed = now.monotonic - clock.last.monotonic
    let jump = (now.wall - clock.last.wall) - elapsed
    clock.last = now
    guard !clock.isVirtual, abs(jump) > Clock.tolerance + elapsed / 1000 else { return }
    switch clock.source {
    case .unset:
      rebase(by: jump)
      if clock.isPlausible(now.wall) { timeBecameKnown(.system) }
    case .system:
      clock.wasSet = true
      clock.isBehind = false
      log(.notice, "the wall clock jumped by \(jump) ms")
    case .csms:
      clock.offset -= jump
      log(.notice, "the wall clock jumped by \(jump) ms, the CSMS' time is kept")
    }
    scheduleAlignedData()
    realignMonitors()
  }

  /// The CSMS says what time it is (B01.FR.06, G02.FR.06). It counts when it is a time source, and in any case while the
  /// station has no time of its own, or one that is known to be wrong.
  mutating func synchronizeClock(to csms: DateTime) {
    if csms.zoneAssumed { tolerate(.currentTimeWithoutZone) }
    guard !clock.isVirtual else { return }
    let isSource = list(Setting.timeSource).contains("Heartbeat")
    guard isSource || clock.source == .unset || clock.isBehind else { return }
    guard csms.unixMilliseconds >= Clock.earliest else { return tolerate(.currentTimeImplausible) }
    let change = csms.unixMilliseconds - now.wall - clock.offset
    if clock.source == .unset {
      rebase(by: change)
      clock.offset += change
      timeBecameKnown(.csms)
      scheduleAlignedData()
      realignMonitors()
      return
    }
    clock.source = .csms
    let wasBehind = clock.isBehind
    clock.isBehind = false
    // What was taken for want of a time is looked at by the one that counts now, whether it is another or not.
    if wasBehind { clock.chainIsDue = true }
    guard abs(change) > Clock.tolerance else { return }
    log(.notice, "clock corrected by \(change) ms to the CSMS' time")
    clock.offset += change
    if wasBehind { clockCaughtUp(by: change) }
    scheduleAlignedData()
    realignMonitors()
  }

  /// Keeps in the ledger that this time has passed; rides on another write.
  mutating func recordTime() {
    guard !clock.isVirtual, clock.source != .unset, wallTime - clock.recorded >= Clock.recordInterval else { return }
    clock.recorded = wallTime
    persistStation(.time)
  }

  // MARK: Re-basing

  private mutating func timeBecameKnown(_ source: ClockSource) {
    clock.source = source
    clock.wasSet = true
    clock.chainIsDue = true
    log(.notice, "the time is known now, from \(source == .csms ? "the CSMS" : "the system")")
    rebaseEarlierBoots()
    settleTimes(of: clock.boot, by: 0, in: 0...0)
  }

  /// Moves every time stamp that this boot made with its unset clock.
  private mutating func rebase(by delta: Int64) {
    let unset = clock.unsetRange(until: now.monotonic)
    clock.wallAtStart += delta
    for message in shiftMessages(of: clock.boot, by: delta, in: unset, isKnown: false) { persist(.enqueue(message)) }
    func shift(_ time: inout Int64) {
      if unset.contains(time) { time += delta }
    }
    shift(&mainMeter.acquiredAt)
    for index in evses.indices {
      shift(&evses[index].meter.acquiredAt)
      // That of an ending which was found in the ledger is known.
      if var ending = evses[index].ending {
        shift(&ending.at)
        evses[index].ending = ending
      }
      guard var transaction = evses[index].transaction else { continue }
      transaction.endedSamples = transaction.endedSamples.map { value in
        var value = value
        var time = value.timestamp.unixMilliseconds
        shift(&time)
        value.timestamp = DateTime(unixMilliseconds: time)
        return value
      }
      if transaction.lastEnergyBoot == clock.boot, let at = transaction.lastEnergyAt {
        transaction.lastEnergyAt = at + delta
      }
      evses[index].transaction = transaction
    }
  }

  /// Messages of earlier boots whose clock was never set: they are put right before the boot that followed, at the
  /// latest time they can have had.
  mutating func rebaseEarlierBoots() {
    guard clock.source != .unset else { return }
    var boots = Set(outbox.messages.compactMap(\.queued.unknownTimeBoot))
    boots.formUnion(evses.compactMap { $0.transaction?.lastEnergyBoot })
    boots.remove(clock.boot)
    var bound = wallTime - (now.monotonic - clock.startedAt.monotonic)
    for boot in boots.sorted(by: >) {
      var stamps = outbox.messages.filter { $0.queued.unknownTimeBoot == boot }.compactMap {
        TimeStamps.own(of: $0.queued.payload)
      }
      stamps += evses.compactMap { $0.transaction?.lastEnergyBoot == boot ? $0.transaction?.lastEnergyAt : nil }
      guard let latest = stamps.max(), let earliest = stamps.min() else { continue }
      let delta = bound - Clock.tolerance - latest
      settleTimes(of: boot, by: delta, in: earliest - Clock.tolerance...latest + Clock.tolerance)
      bound = earliest + delta
    }
  }

  /// The time stamps of a boot, moved by `delta`, count as known.
  private mutating func settleTimes(of boot: Int64, by delta: Int64, in range: ClosedRange<Int64>) {
    for message in shiftMessages(of: boot, by: delta, in: range, isKnown: true) { persist(.enqueue(message)) }
    for index in evses.indices where evses[index].transaction?.lastEnergyBoot == boot {
      evses[index].transaction?.lastEnergyBoot = nil
      evses[index].transaction?.lastEnergyAt? += delta
      persistTransaction(at: index)
    }
  }

  /// Moves those time stamps of a boot's messages that its unset clock can have made.
  private mutating func shiftMessages(
    of boot: Int64, by delta: Int64, in range: ClosedRange<Int64>, isKnown: Bool
  ) -> [QueuedMessage] {
    var random = self.random
    defer { self.random = random }
    return outbox.changeAll { message in
      guard message.queued.unknownTimeBoot == boot else { return false }
      if delta != 0 {
        message.queued.messageID = random.uuid()  // another text is another message (OCPP-J 4.1.4)
        message.queued.payload = TimeStamps.shifted(message.queued.payload, by: delta, in: range)
      }
      if isKnown { message.queued.unknownTimeBoot = nil }
      return delta != 0 || isKnown
    }
  }
}

/// The time stamps in a message, whatever its action: OCPP calls them all by these names.
private enum TimeStamps {
  private static let names: Set<String> = ["timestamp", "generatedAt"]

  /// When the message itself was made.
  static func own(of payload: [UInt8]) -> Int64? {
    guard let value = try? JSONValue.parse(payload, maxDepth: 32) else { return nil }
    let text = (value["timestamp"] ?? value["generatedAt"])?.stringValue
    return text.flatMap { DateTime($0)?.unixMilliseconds }
  }

  static func shifted(_ payload: [UInt8], by delta: Int64, in range: ClosedRange<Int64>) -> [UInt8] {
    guard let value = try? JSONValue.parse(payload, maxDepth: 32) else { return payload }
    return map(value) { time in
      range.contains(time.unixMilliseconds) ? DateTime(unixMilliseconds: time.unixMilliseconds + delta) : time
    }.bytes
  }

  private static func map(_ value: JSONValue, _ change: (DateTime) -> DateTime) -> JSONValue {
    switch value {
    case .array(let items): return .array(items.map { map($0, change) })
    case .object(let members):
      return .object(
        members.map { member in
          if names.contains(member.name), let time = member.value.stringValue.flatMap({ DateTime($0) }) {
            return JSONMember(name: member.name, value: .string(change(time).description))
          }
          return JSONMember(name: member.name, value: map(member.value, change))
        })
    default: return value
    }
  }
}
