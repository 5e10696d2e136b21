import Glibc
import Ledger
import StationCore

/// A SQLite ledger on a memory file system beside the model: both must always hold the same.
final class RealLedger {
  private let root: String
  private var generation = 0
  private var ledger: Ledger?
  private var found = LedgerSnapshot()

  init(seed: UInt64) {
    let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    // Worlds of one seed may run at the same time.
    var template = Array("\(base)/station-simulation-\(seed)-XXXXXX".utf8CString)
    root = template.withUnsafeMutableBufferPointer { name in
      name.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "\(base)/station-simulation-\(getpid())"
    }
    _ = open()
  }

  private var directory: String { "\(root)/\(generation)" }

  private func open() -> String? {
    do {
      let (ledger, snapshot) = try Ledger.open(directory: directory)
      self.ledger = ledger
      found = snapshot
      return nil
    } catch {
      return "cannot open: \(error.text)"
    }
  }

  func store(_ writes: [LedgerWrite]) -> String? {
    do {
      try ledger?.commitNow(writes)
      return nil
    } catch {
      return "cannot commit: \(error.text)"
    }
  }

  func reopen() -> String? {
    if let error = ledger?.close() { return "cannot close: \(error.text)" }
    ledger = nil
    return open()
  }

  /// The files as they are now, without closing, are what a crash leaves.
  func crash() -> String? {
    let former = directory
    generation += 1
    mkdir(directory, 0o700)
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
      guard copy("\(former)/\(name)", "\(directory)/\(name)") else { return "cannot copy \(name)" }
    }
    ledger?.close()
    ledger = nil
    empty(former)
    return open()
  }

  func difference(to model: LedgerSnapshot) -> String? {
    let records = found.records.filter { !$0.value.isEmpty }
    if records != model.records { return "the records differ from the model's" }
    if found.outbox != model.outbox {
      return "the outbox differs from the model's: \(found.outbox.count) and \(model.outbox.count) messages"
    }
    return nil
  }

  func remove() {
    ledger?.close()
    ledger = nil
    empty(directory)
    rmdir(root)
  }

  private func copy(_ from: String, _ to: String) -> Bool {
    guard let input = fopen(from, "r") else { return errno == ENOENT }
    defer { fclose(input) }
    guard let output = fopen(to, "w") else { return false }
    defer { fclose(output) }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&buffer, 1, buffer.count, input)
      if count == 0 { return ferror(input) == 0 }
      guard fwrite(buffer, 1, count, output) == count else { return false }
    }
  }

  private func empty(_ path: String) {
    guard let folder = opendir(path) else { return }
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { unlink("\(path)/\(name)") }
    }
    closedir(folder)
    rmdir(path)
  }
}
