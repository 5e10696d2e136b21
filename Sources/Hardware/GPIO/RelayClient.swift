import CRelay
import StationCore

/// The station's side of the lease, without a clock, a thread or a socket: what to send, when to connect, what to report.
///
/// A renewal carries the end of the lease, counted from the last `feed`, so that neither a station that hangs nor a message
/// that waits can lengthen it. Nothing closes again by itself: after relayd was gone, the core has to command anew.
struct RelayClient: Sendable {
  enum Link: Hashable, Sendable {
    case waiting(until: MonotonicTime)
    /// Asked for; `linked` or `failed` comes next.
    case connecting
    case greeting(until: MonotonicTime)
    case up(since: MonotonicTime)
  }

  /// The greeting and each answer must come in this time, or relayd is taken for hung.
  static let patience = TimeSpan.seconds(1)
  static let askEvery = TimeSpan.milliseconds(500)
  static let firstWait = TimeSpan.milliseconds(100)
  static let longestWait = TimeSpan.seconds(30)
  /// A relayd that has run so long starts its waits anew.
  static let settled = TimeSpan.seconds(60)

  private(set) var link: Link
  private(set) var evses: [RelayedContactor]
  /// To be sent, in this order.
  private(set) var outgoing: [relay_message] = []
  private(set) var updates: [(evse: Int, update: DriverUpdate)] = []
  /// The connection is to be given up; `lost` comes next.
  private(set) var giveUp: String?
  private let checksum: UInt64
  private let lease: TimeSpan
  private var sequence: UInt32 = 0
  private var heard: UInt32 = 0
  private var fedAt: MonotonicTime?
  private var askedAt: MonotonicTime?
  private var awaiting = false
  private var wait = Self.firstWait
  private var why = "station-relayd has not been started yet"

  init(_ configuration: RelayConfiguration, now: MonotonicTime) {
    evses = configuration.evses.map { RelayedContactor(evse: $0.id, hasMirror: $0.hasMirror) }
    checksum = configuration.checksum
    lease = .milliseconds(configuration.leaseMs)
    link = .waiting(until: now)
  }

  var isUp: Bool { if case .up = link { true } else { false } }

  // MARK: From the station

  /// The station's loop is alive.
  mutating func feed(at now: MonotonicTime) {
    fedAt = now
    guard isUp else { return }
    var message = make(RELAY_RENEW, evse: 0)
    if !awaiting, askedAt.map({ now - $0 >= Self.askEvery }) ?? true {
      message.flag = 1
      awaiting = true
      askedAt = now
    }
    outgoing.append(message)
  }

  mutating func command(evse: Int, close: Bool, at now: MonotonicTime) {
    guard let index = evses.firstIndex(where: { $0.evse == evse }) else { return }
    let before = evses[index].faults
    evses[index].command(close: close, at: now)
    if isUp { outgoing.append(make(close ? RELAY_CLOSE : RELAY_OPEN, evse: evse)) }
    note(index, before, now)
  }

  mutating func recheck(evse: Int) {
    if isUp, evses.contains(where: { $0.evse == evse }) { outgoing.append(make(RELAY_RECHECK, evse: evse)) }
  }

  private mutating func make(_ kind: relay_kind, evse: Int) -> relay_message {
    sequence += 1
    // Never fed: the lease has ended long ago.
    let until = fedAt.map { max(0, ($0 + lease).nanoseconds) } ?? 0
    return relay_message_make(kind, UInt16(truncatingIfNeeded: evse), sequence, until)
  }

  mutating func takeOutgoing() -> [relay_message] {
    defer { outgoing.removeAll(keepingCapacity: true) }
    return outgoing
  }

  mutating func takeUpdates() -> [(evse: Int, update: DriverUpdate)] {
    defer { updates.removeAll(keepingCapacity: true) }
    return updates
  }

  // MARK: From the connection

  /// True: connect now.
  mutating func wantsConnection(at now: MonotonicTime) -> Bool {
    guard case .waiting(let until) = link, now >= until else { return false }
    link = .connecting
    return true
  }

  mutating func linked(at now: MonotonicTime) {
    sequence = 0
    heard = 0
    askedAt = nil
    awaiting = false
    giveUp = nil
    link = .greeting(until: now + Self.patience)
  }

  /// The connection could not be made, or has ended.
  mutating func lost(_ reason: String, at now: MonotonicTime) {
    if case .up(let since) = link, now - since >= Self.settled { wait = Self.firstWait }
    let isFirst = why != reason
    why = reason
    giveUp = nil
    outgoing.removeAll()
    link = .waiting(until: now + wait)
    wait = min(wait * 3, Self.longestWait)
    for index in evses.indices {
      let before = evses[index].faults
      evses[index].disconnected(reason)
      if isFirst || before != evses[index].faults { note(index, before, now, always: true) }
    }
  }

  mutating func received(_ bytes: [UInt8], at now: MonotonicTime) {
    var message = relay_message()
    guard relay_message_from_relayd(bytes, bytes.count, &message) == 1, message.sequence > heard else {
      giveUp = "station-relayd sent what is no message"
      return
    }
    heard = message.sequence
    switch (relay_kind(UInt32(message.kind)), link) {
    case (RELAY_HELLO, .greeting):
      guard message.configuration == checksum else {
        giveUp = "station-relayd runs with another configuration"
        return
      }
      link = .up(since: now)
      why = ""
      if fedAt != nil { outgoing.append(make(RELAY_RENEW, evse: 0)) }
    case (RELAY_ALIVE, .up): awaiting = false
    case (RELAY_STATE, .up):
      guard let index = evses.firstIndex(where: { $0.evse == Int(message.evse) }) else {
        giveUp = "station-relayd reports EVSE \(message.evse), which is not its"
        return
      }
      let before = evses[index].faults
      if evses[index].heard(message, at: now) { note(index, before, now, always: true) }
    default: giveUp = "station-relayd sent a message out of turn"
    }
  }

  mutating func tick(at now: MonotonicTime) {
    if case .greeting(let until) = link, now >= until { giveUp = "station-relayd does not greet" }
    if isUp, awaiting, let askedAt, now - askedAt >= Self.patience { giveUp = "station-relayd does not answer" }
    guard isUp, giveUp == nil else { return }
    for index in evses.indices {
      let before = evses[index].faults
      switch evses[index].tick(at: now) {
      case .close: outgoing.append(make(RELAY_CLOSE, evse: evses[index].evse))
      case .recheck: outgoing.append(make(RELAY_RECHECK, evse: evses[index].evse))
      case nil: break
      }
      note(index, before, now)
    }
  }

  /// When `tick` or `wantsConnection` has something to do; `nil`: only when something comes in.
  var deadline: MonotonicTime? {
    switch link {
    case .waiting(let until), .greeting(let until): return until
    case .connecting: return nil
    case .up:
      let answer = awaiting ? askedAt.map { $0 + Self.patience } : nil
      return (evses.compactMap(\.deadline) + [answer].compactMap { $0 }).min()
    }
  }

  /// Queues a report when there is something to say.
  private mutating func note(_ index: Int, _ before: Set<String>, _ now: MonotonicTime, always: Bool = false) {
    let contactor = evses[index]
    guard always || before != contactor.faults else { return }
    func faults(_ names: Set<String>) -> [HardwareFault] {
      names.sorted().map { HardwareFault(name: $0, evse: contactor.evse) }
    }
    updates.append(
      (
        contactor.evse,
        DriverUpdate(
          contactor.reading(at: now), raised: faults(contactor.faults.subtracting(before)),
          cleared: faults(before.subtracting(contactor.faults)), health: contactor.health)
      ))
  }
}
