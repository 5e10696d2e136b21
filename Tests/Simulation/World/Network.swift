import StationCore

/// The way between the station and the CSMS: delay, loss, half-open connections, long times without any.
final class Network {
  private enum State { case none, connecting, up, closing }

  private unowned let world: World
  private var state = State.none
  /// Numbers the connections; what belongs to an older one arrives nowhere.
  private(set) var connection = 0
  private var isHalfOpen = false
  private var lastToStation: Int64 = 0
  private var lastToCSMS: Int64 = 0
  private(set) var downUntil: Int64 = 0
  var refusedUntil: Int64 = 0
  /// Added to every message, milliseconds.
  var extraLatency: Int64 = 0

  init(_ world: World) { self.world = world }

  var isUp: Bool { state == .up }

  private func latency() -> Int64 { world.dice.within(world.scenario.latency) + extraLatency }

  // MARK: What the station asks for

  func connect(_ request: ConnectionRequest) {
    connection += 1
    state = .connecting
    isHalfOpen = false
    let connection = connection
    func fail(after wait: Int64, _ reason: LinkDownReason) {
      world.coverage.count("connectFailures")
      world.after(wait) { [unowned self] in self.down(connection, reason) }
    }
    if world.time < downUntil {
      return world.dice.chance(0.5)
        ? fail(after: 30_000, .timedOut) : fail(after: latency(), .connectFailed("no route to host"))
    }
    if world.time < refusedUntil {
      let reasons: [LinkDownReason] = [
        .httpStatus(404), .httpStatus(401), .httpStatus(503), .subprotocolMismatch(nil), .badHandshake("simulated"),
        .connectFailed("refused"),
      ]
      return fail(after: latency(), world.dice.pick(reasons))
    }
    if world.csms.doors.verdict(on: request) == .nobody {
      return world.dice.chance(0.3)
        ? fail(after: 30_000, .timedOut) : fail(after: latency(), .connectFailed("no such host"))
    }
    world.after(2 * latency()) { [unowned self] in
      guard self.connection == connection, self.state == .connecting else { return }
      if self.world.csms.doors.verdict(on: request) == .wrongPassword {
        self.world.coverage.count("passwordsRefused")
        return self.down(connection, .httpStatus(401))
      }
      if self.world.time < self.downUntil { return self.down(connection, .lost("during the handshake")) }
      self.state = .up
      self.lastToStation = self.world.time
      self.lastToCSMS = self.world.time
      self.world.csms.connected(connection, request)
      self.world.give(.link(.up(subprotocol: "ocpp2.0.1")))
    }
  }

  func disconnect(_ code: Int, _ reason: String) {
    guard state == .up || state == .connecting else { return }
    state = .closing
    let connection = connection
    // After what was sent before: the answer to the call that made the station close, for instance.
    world.at(max(lastToCSMS, world.time)) { [unowned self] in
      if self.connection == connection { self.world.csms.disconnected(connection) }
    }
    world.after(world.dice.chance(0.8) ? latency() : 2000) { [unowned self] in
      self.down(connection, .closedByUs(code: code, reason: reason))
    }
  }

  func send(_ frame: [UInt8]) {
    guard state == .up, !isHalfOpen else { return }
    let connection = connection
    lastToCSMS = max(lastToCSMS, world.time + latency())
    world.at(lastToCSMS) { [unowned self] in
      // What is on the wire arrives although the station has closed or died; a new connection ends the old one.
      guard self.connection == connection, !self.isHalfOpen else { return }
      self.world.csms.received(frame, connection)
    }
  }

  func ping() {
    guard state == .up, !isHalfOpen else { return }
    deliver(.pong, connection)
  }

  // MARK: What the CSMS sends

  func deliver(_ event: LinkEvent, _ connection: Int) {
    guard self.connection == connection, state == .up, !isHalfOpen else { return }
    lastToStation = max(lastToStation, world.time + latency())
    world.at(lastToStation) { [unowned self] in
      guard self.connection == connection, self.state == .up, !self.isHalfOpen else { return }
      self.world.give(.link(event))
    }
  }

  /// The CSMS closes.
  func closedByCSMS(_ connection: Int, code: Int) {
    guard self.connection == connection, state == .up else { return }
    let reason: LinkDownReason =
      code == 1006 ? .lost("reset by peer") : .closedByPeer(code: code, reason: "simulated")
    lastToStation = max(lastToStation, world.time + latency())
    world.at(lastToStation) { [unowned self] in self.down(connection, reason) }
  }

  // MARK: Faults

  func lose() {
    guard state == .up else { return }
    world.coverage.count("linkLosses")
    down(connection, .lost("simulated"))
  }

  /// Nothing arrives any more, and nobody is told.
  func becomeHalfOpen() {
    guard state == .up else { return }
    world.coverage.count("halfOpenLinks")
    isHalfOpen = true
  }

  /// - Parameter silently: the station has to find out by itself.
  func goDown(for duration: Int64, silently: Bool) {
    downUntil = max(downUntil, world.time + duration)
    if silently { becomeHalfOpen() } else { lose() }
  }

  func heal() {
    downUntil = 0
    refusedUntil = 0
    extraLatency = 0
  }

  func processEnded() {
    guard state == .up || state == .connecting || state == .closing else { return }
    state = .none
    let connection = connection
    world.after(latency()) { [unowned self] in self.world.csms.disconnected(connection) }
  }

  private func down(_ connection: Int, _ reason: LinkDownReason) {
    guard self.connection == connection, state != .none else { return }
    state = .none
    world.csms.disconnected(connection)
    world.give(.link(.down(reason)))
  }
}
