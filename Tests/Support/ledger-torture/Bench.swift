import Glibc
import Ledger
import StationCore

/// Times of the ledger, printed as `name value` lines; directories are made beside `directory`.
enum Bench {
  static func run(_ directory: String) {
    do {
      try openings(directory + "-open")
      try commits(directory + "-commit")
    } catch {
      Torture.line(error.text)
      exit(2)
    }
  }

  static func microseconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) * 1e6 + Double(now.tv_nsec) / 1e3
  }

  static func cpuMicroseconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now)
    return Double(now.tv_sec) * 1e6 + Double(now.tv_nsec) / 1e3
  }

  /// Bytes that this process caused to be written to the medium, as the kernel counts them.
  static func deviceBytes() -> Int {
    let file = open("/proc/self/io", O_RDONLY)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: 1024)
    let count = read(file, &buffer, buffer.count)
    let lines = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
    return lines.first { $0.hasPrefix("write_bytes: ") }.flatMap { Int($0.dropFirst(13)) } ?? 0
  }

  static func openings(_ directory: String) throws(LedgerError) {
    for name in ["first open", "second open", "third open"] {
      let start = microseconds()
      let (ledger, _) = try Ledger.open(directory: directory)
      let opened = microseconds()
      ledger.close()
      Torture.line("\(name) \(Int(opened - start)) us, close \(Int(microseconds() - opened)) us")
    }
    let (ledger, _) = try Ledger.open(directory: directory)
    for number in 1...1000 { ledger.commit([message(number)]) { _ in } }
    ledger.close()
    let start = microseconds()
    let (again, snapshot) = try Ledger.open(directory: directory)
    Torture.line("open with \(snapshot.outbox.count) messages \(Int(microseconds() - start)) us")
    again.close()
  }

  static func message(_ number: Int) -> LedgerWrite {
    .enqueue(
      QueuedMessage(
        id: Int64(number), transactionID: "5f0c8a52-1d0b-4c5c-9d0f-7a5e3a1b2c3d", action: "TransactionEvent",
        messageID: "a2f6b8f0-0000-4000-8000-\(number)", payload: [UInt8](repeating: 0x41, count: 1260)))
  }

  static func commits(_ directory: String) throws(LedgerError) {
    let (ledger, _) = try Ledger.open(directory: directory)
    let count = 1000
    func report(_ name: String, _ body: () throws(LedgerError) -> Void) throws(LedgerError) {
      let before = ledger.statistics
      let deviceBefore = deviceBytes()
      let cpuBefore = cpuMicroseconds()
      let start = microseconds()
      try body()
      let cpu = cpuMicroseconds() - cpuBefore
      let elapsed = microseconds() - start
      let device = deviceBytes() - deviceBefore
      let after = ledger.statistics
      Torture.line(
        "\(name) \(Int(Double(count) / elapsed * 1e6))/s, \(Int(elapsed) / count) us each (cpu \(Int(cpu) / count)), "
          + "\((after.bytesWritten - before.bytesWritten) / count) bytes each (device \(device / count)), \(after.commits - before.commits) commits"
      )
    }
    try report("enqueue one by one") { () throws(LedgerError) in
      for number in 1...count { try ledger.commitNow([message(number)]) }
    }
    try report("dequeue one by one") { () throws(LedgerError) in
      for number in 1...count { try ledger.commitNow([.dequeue(id: Int64(number))]) }
    }
    try report("enqueue, all given at once") { () throws(LedgerError) in
      for number in 1..<count { ledger.commit([message(number)]) { _ in } }
      try ledger.commitNow([message(count)])
    }
    try report("rewrite one record of 200 bytes") { () throws(LedgerError) in
      for number in 1...count {
        try ledger.commitNow([.put(.station, key: "x", value: [UInt8](repeating: UInt8(number % 256), count: 200))])
      }
    }
    let start = microseconds()
    ledger.close()
    Torture.line("close \(Int(microseconds() - start)) us")
  }
}
