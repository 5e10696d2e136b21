import CRelay
import Testing

/// Two EVSEs with mirrors of the kind NC, opening 100 ms, closing 200 ms, lease 350 ms, and a clock that is turned by hand.
final class Machine {
  static let ms: Int64 = 1_000_000

  let machine = UnsafeMutablePointer<relay_machine>.allocate(capacity: 1)
  let config = UnsafeMutablePointer<relay_config>.allocate(capacity: 1)
  var now: Int64 = 5_000_000_000
  var sequence: UInt32 = 0

  init(mirrors: Bool = true, heartbeat: Bool = false) {
    var text = "relayd 1\nlease 350\n"
    if heartbeat { text += "heartbeat 50 chip offset=9\n" }
    for evse in 1...2 {
      text += "evse \(evse) opening=100 closing=200\npower \(evse) chip offset=\(evse)\n"
      if mirrors { text += "mirror \(evse) chip contact=NC offset=\(evse + 2)\n" }
    }
    machine.initialize(to: relay_machine())
    config.initialize(to: relay_config())
    var error = [CChar](repeating: 0, count: 300)
    precondition(relay_config_parse(text, text.utf8.count, config, &error, error.count) == 0)
    relay_machine_init(machine, config, now)
    relay_machine_connected(machine, now)
  }

  deinit {
    machine.deallocate()
    config.deallocate()
  }

  /// Both contactors are seen to be open, the lease is valid.
  func makeReady() {
    mirror(1, closed: false)
    mirror(2, closed: false)
    pass(20)
  }

  func send(_ kind: relay_kind, evse: UInt16 = 0, lease: Int64 = 350) {
    sequence += 1
    var message = relay_message_make(kind, evse, sequence, now + lease * Self.ms)
    relay_machine_tick(machine, now)
    relay_machine_receive(machine, &message, MemoryLayout<relay_message>.size, now)
  }

  func pass(_ milliseconds: Int, renewing: Bool = true) {
    for _ in 0..<milliseconds {
      now += Self.ms
      relay_machine_tick(machine, now)
      if renewing { send(RELAY_RENEW) }
    }
  }

  func mirror(_ evse: Int32, closed: Bool?) {
    // Normally closed: the contact is closed, active, while the contactor is open.
    relay_machine_mirror(machine, evse - 1, closed.map { $0 ? 0 : 1 } ?? -1, now, now)
  }

  /// Closes it, with a mirror that follows in time.
  func close(_ evse: Int, sourceLocation: SourceLocation = #_sourceLocation) {
    send(RELAY_CLOSE, evse: UInt16(evse))
    mirror(Int32(evse), closed: true)
    pass(10)
    #expect(state(evse) == RELAY_IS_CLOSED && output(evse), sourceLocation: sourceLocation)
  }

  func channel(_ evse: Int) -> relay_channel {
    withUnsafePointer(to: &machine.pointee.channels) {
      UnsafeRawPointer($0).assumingMemoryBound(to: relay_channel.self)[evse - 1]
    }
  }

  func output(_ evse: Int) -> Bool { channel(evse).output == 1 }
  func state(_ evse: Int) -> relay_state { channel(evse).state }
  func faults(_ evse: Int, _ fault: relay_fault) -> Bool { channel(evse).faults & UInt32(fault.rawValue) != 0 }
}
