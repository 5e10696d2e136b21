import CModbus

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A wire opened, set up and written to through libmodbus. What arrives is read and checked here, because libmodbus does
/// not look at the unit on TCP, and its time-out starts anew with every byte.
final class LibmodbusLine: ModbusLine {
  /// Descriptors at or above this are given back: libmodbus aborts the process on one that `select` cannot take.
  private static let descriptorLimit: Int32 = 1000
  /// Within a frame; USB adapters hold bytes back for up to 16 ms, a busy machine for longer.
  private static let byteGap = TimeSpan.milliseconds(150)
  /// A TCP connection must be there by then.
  private static let connectTimeout = TimeSpan.milliseconds(2000)

  let endpoint: ModbusEndpoint
  private var context: OpaquePointer?
  /// -1 exactly when the context is not connected: libmodbus is never called without.
  private var descriptor: Int32 = -1
  private var transaction: UInt16 = 0
  private var received: [UInt8] = []

  init(_ endpoint: ModbusEndpoint) { self.endpoint = endpoint }

  deinit { close() }

  var sharesWire: Bool { if case .serial = endpoint { true } else { false } }
  var isOpen: Bool { descriptor >= 0 }

  func open() throws(ModbusFailure) {
    guard descriptor < 0 else { return }
    // The number that the next descriptor will get.
    let next = Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard next >= 0 else { throw failure(errno) }
    Glibc.close(next)
    guard next < Self.descriptorLimit else { throw .notOpen("\(endpoint): too many open files") }
    let made: OpaquePointer?
    switch endpoint {
    case .serial(let device, let baud, let parity, let stopBits):
      made = modbus_new_rtu(device, Int32(baud), CChar(parity.asciiValue ?? 0x4E), 8, Int32(stopBits))
    case .tcp(let host, let port):
      made = modbus_new_tcp_pi(host, String(port))
    }
    guard let made else { throw failure(errno) }
    setTimeout(made, Self.connectTimeout)
    let connected = sharesWire ? cmodbus_connect_exclusive(made) : modbus_connect(made)
    guard connected == 0 else {
      let code = errno
      modbus_free(made)
      throw failure(code)
    }
    context = made
    descriptor = modbus_get_socket(made)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    guard descriptor < 1024 else {
      close()
      throw .notOpen("\(endpoint): too many open files")
    }
    settle()
  }

  func close() {
    guard let context else { return }
    if descriptor >= 0 { modbus_close(context) }
    modbus_free(context)
    self.context = nil
    descriptor = -1
    received = []
  }

  func send(unit: UInt8, pdu: [UInt8]) throws(ModbusFailure) -> MonotonicTime {
    guard let context, descriptor >= 0 else { throw .notOpen("\(endpoint) is not open") }
    let stale = modbus_flush(context)
    received = []
    if sharesWire {
      guard stale >= 0 else { throw failure(errno) }
      modbus_set_slave(context, Int32(unit))
      let before = MonotonicTime.now
      guard modbus_send_raw_request(context, [unit] + pdu, Int32(pdu.count + 1)) > 0 else { throw failure(errno) }
      return before
    }
    if stale != 0 {
      // A closed connection, or bytes that nobody asked for: a conversation that is over.
      close()
      try open()
    }
    transaction &+= 1
    let length = UInt16(pdu.count + 1)
    let header = [
      UInt8(transaction >> 8), UInt8(transaction & 0xFF), 0, 0, UInt8(length >> 8), UInt8(length & 0xFF), unit,
    ]
    let frame = header + pdu
    let before = MonotonicTime.now
    // libmodbus's raw request always has transaction 0, which would make late answers indistinguishable.
    let sent = frame.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    guard sent == frame.count else { throw failure(sent < 0 ? errno : EAGAIN) }
    return before
  }

  func receive(until deadline: MonotonicTime) throws(ModbusFailure) -> ModbusFrame {
    guard descriptor >= 0 else { throw .notOpen("\(endpoint) is not open") }
    var limit = deadline
    var begun = false
    var strangers = 0
    var stranger: Int?
    while true {
      let scan =
        sharesWire
        ? ModbusFraming.rtu(received[...]) : ModbusFraming.tcp(received[...], transaction: transaction)
      let needed: Int
      switch scan {
      case .frame(let frame, let length):
        received.removeFirst(length)
        return frame
      case .stranger(let transaction, let length):
        received.removeFirst(length)
        stranger = transaction
        strangers += 1
        guard strangers <= ModbusExchange.maxStrangers else { throw .garbled("answers to other transactions only") }
        begun = false
        limit = deadline
        continue
      case .bad(let failure): throw failure
      case .needs(let count): needed = count
      }
      let now = MonotonicTime.now
      if !begun, !received.isEmpty {
        begun = true
        // A frame that has begun is given the time that the longest one takes, and one gap; whatever trickles, ends.
        limit = now + endpoint.duration(ofBytes: 256) + Self.byteGap
      }
      let wait = min(limit, begun ? now + Self.byteGap : limit)
      guard try arrives(before: wait) else {
        if let stranger, !begun { throw .garbled("transaction \(stranger), asked was \(transaction)") }
        throw begun ? .incomplete : .silent
      }
      try take(atMost: max(needed - received.count, 1))
    }
  }

  func settle() {
    guard descriptor >= 0 else { return }
    received = []
    let end = MonotonicTime.now + .milliseconds(300)
    let quiet = max(endpoint.frameGap, .milliseconds(20))
    do throws(ModbusFailure) {
      while MonotonicTime.now < end, try arrives(before: MonotonicTime.now + quiet) {
        received = []
        try take(atMost: 512)
      }
    } catch {
      close()
    }
    received = []
  }

  /// Waits for bytes; false when the time is over.
  private func arrives(before deadline: MonotonicTime) throws(ModbusFailure) -> Bool {
    var target = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while true {
      let left = max(0, (deadline - MonotonicTime.now).nanoseconds)
      let ready = poll(&target, 1, Int32(clamping: (left + 999_999) / 1_000_000))
      if ready < 0, errno == EINTR { continue }
      guard ready >= 0 else { throw failure(errno) }
      if ready > 0 { return true }
      if left == 0 || MonotonicTime.now >= deadline { return false }
    }
  }

  private func take(atMost count: Int) throws(ModbusFailure) {
    var buffer = [UInt8](repeating: 0, count: count)
    let got = read(descriptor, &buffer, count)
    if got < 0, errno == EAGAIN || errno == EINTR { return }
    guard got > 0 else {
      throw got == 0 ? .notOpen("\(endpoint): the connection was closed") : failure(errno)
    }
    received += buffer.prefix(got)
  }

  private func setTimeout(_ context: OpaquePointer, _ span: TimeSpan) {
    let micros = span.nanoseconds / 1000
    modbus_set_response_timeout(context, UInt32(micros / 1_000_000), UInt32(micros % 1_000_000))
  }

  private func failure(_ code: Int32) -> ModbusFailure {
    if sharesWire, code == EBUSY { return .notOpen("\(endpoint): in use by another process") }
    return .notOpen("\(endpoint): \(String(cString: cmodbus_error(code)))")
  }
}
