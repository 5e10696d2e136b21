import CFaultVFS
import Glibc
import Ledger
import StationCore
import Threads

/// A medium without space, and a file that may not be written, for real. Needs root.
enum Space {
  /// Mounts a file system of 12 MiB on the directory, in a mount namespace of this process, and prints what happens
  /// when it is full.
  static func fillMedium(_ directory: String) {
    mkdir(directory, 0o700)
    guard faultvfs_mount_small(directory, "size=12m") == 0 else { return Torture.line("cannot mount: errno \(errno)") }
    do { try scenario(directory + "/data") } catch { Torture.line("failed: \(error.text)") }
  }

  private static func scenario(_ data: String) throws(LedgerError) {
    let box = Reports()
    var options = Ledger.Options()
    options.reserve = 3 << 20
    options.spaceCheckSeconds = 1
    options.spaceChanged = { box.add($0) }
    var (ledger, snapshot) = try Ledger.open(directory: data, options: options)
    Torture.line("reserve \(size(data + "/reserve"))")
    for number in 1...20 { try ledger.commitNow([message(number)]) }
    fill(data + "/fill")
    var last = 20
    var first: Int?
    var failure: LedgerError?
    while failure == nil {
      do throws(LedgerError) {
        try ledger.commitNow([message(last + 1)])
        last += 1
        if first == nil, !box.all.isEmpty { first = last }
      } catch {
        failure = error
      }
    }
    Torture.line(
      "\(failure?.kind == .full ? "full," : "\(failure?.text ?? "")") \(last - (first ?? last)) messages on the reserve"
    )
    Torture.line("reports \(box.all), reserve \(size(data + "/reserve"))")
    for number in 1...10 { try ledger.commitNow([.dequeue(id: Int64(number))]) }
    ledger.close()
    fill(data + "/fill2")

    box.clear()
    (ledger, snapshot) = try Ledger.open(directory: data, options: options)
    Torture.line("opened with \(snapshot.outbox.map(\.id) == (11...last).map(Int64.init) ? "all" : "not all")")
    Torture.line("reports \(box.all)")
    for number in 11...last { try ledger.commitNow([.dequeue(id: Int64(number))]) }
    let again = Signal<Bool>()
    box.clear(next: again)
    unlink(data + "/fill")
    unlink(data + "/fill2")
    Torture.line("space again, low \(again.wait()), reserve \(size(data + "/reserve"))")
    try ledger.commitNow([message(1)])
    ledger.close()

    // A full medium, a ledger closed in order and no reserve: read all the same.
    options.reserve = 0
    (ledger, snapshot) = try Ledger.open(directory: data, options: options)
    ledger.close()
    Torture.line("reserve \(size(data + "/reserve"))")
    fill(data + "/fill")
    (ledger, snapshot) = try Ledger.open(directory: data, options: options)
    Torture.line("opened with \(snapshot.outbox.map(\.id))")
    ledger.close()
  }

  private static func message(_ number: Int) -> LedgerWrite { Workload.group(number)[0] }

  private static func size(_ file: String) -> Int {
    var status = stat()
    return stat(file, &status) == 0 ? Int(status.st_size) : -1
  }

  /// Writes a file until nothing more fits, to the last byte.
  private static func fill(_ file: String) {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    let bytes = [UInt8](repeating: 1, count: 65536)
    var chunk = bytes.count
    while chunk > 0 { if write(descriptor, bytes, chunk) <= 0 { chunk /= 2 } }
    close(descriptor)
  }

  /// Commits while the log may not be written, as a file system that went read-only has it.
  static func makeImmutable(_ directory: String) {
    var options = Ledger.Options()
    options.reserve = 0
    do {
      let (ledger, _) = try Ledger.open(directory: directory, options: options)
      try ledger.commitNow(Workload.group(1))
      guard setImmutable(true, directory + "/ledger.sqlite-wal") else {
        return Torture.line("cannot make a file immutable: errno \(errno)")
      }
      var failures: [LedgerError] = []
      for number in 2...4 {
        do throws(LedgerError) { try ledger.commitNow(Workload.group(number)) } catch { failures.append(error) }
      }
      _ = setImmutable(false, directory + "/ledger.sqlite-wal")
      Torture.line("failed [\(failures.map { "\($0.kind)" }.joined(separator: ", "))]")
      Torture.line(failures.first?.text ?? "")
      for number in 5...6 { try ledger.commitNow(Workload.group(number)) }
      Torture.line("written again")
      ledger.close()
    } catch {
      Torture.line("failed: \(error)")
    }
  }

  private static func setImmutable(_ isImmutable: Bool, _ file: String) -> Bool {
    let descriptor = open(file, O_RDONLY)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    // FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_IMMUTABLE_FL, which are macros that Swift does not see.
    var flags: CLong = 0
    guard ioctl(descriptor, 0x8008_6601, &flags) == 0 else { return false }
    flags = isImmutable ? flags | 0x10 : flags & ~0x10
    return ioctl(descriptor, 0x4008_6602, &flags) == 0
  }
}

/// What was reported of the space.
private final class Reports: @unchecked Sendable {
  private var values: [Bool] = []
  private var next: Signal<Bool>?
  private var mutex = pthread_mutex_t()

  func add(_ value: Bool) {
    pthread_mutex_lock(&mutex)
    values.append(value)
    next?.set(value)
    next = nil
    pthread_mutex_unlock(&mutex)
  }

  func clear(next: Signal<Bool>? = nil) {
    pthread_mutex_lock(&mutex)
    values = []
    self.next = next
    pthread_mutex_unlock(&mutex)
  }

  var all: [Bool] {
    pthread_mutex_lock(&mutex)
    defer { pthread_mutex_unlock(&mutex) }
    return values
  }
}
