import CFaultVFS
import CSQLite
import Glibc
import Ledger
import StationCore
import Threads

/// Writes numbered commits into a ledger and prints the number of each one that was acknowledged (`!number` when it
/// failed), so that somebody outside can kill it, or let its disk fail, and compare.
///
///     ledger-torture work DIR [--first N] [--commits N] [--window N] [--checkpoint-pages N] [--uid N]
///                    [--kill-at N] [--lose SEED] [--lose-oldest 1] [--fail-at N] [--fail-count N] [--fail-code N] [--fail-errno N]
///                    [--reserve BYTES] [--pause-after N]
///     ledger-torture bench DIR
///     ledger-torture full DIR        mounts a small file system on DIR, for itself alone, and fills it
///     ledger-torture immutable DIR   makes the log immutable for a while
///
/// Exit code: 0 done, 1 used wrongly, 2 the ledger could not be opened (the reason is on stdout).
@main
struct Torture {
  static func main() {
    var arguments = Array(CommandLine.arguments.dropFirst())
    guard arguments.count >= 2 else { return usage() }
    let command = arguments.removeFirst()
    let directory = arguments.removeFirst()
    var options: [String: Int] = [:]
    while arguments.count >= 2, let number = Int(arguments[1]) {
      options[arguments[0]] = number
      arguments.removeFirst(2)
    }
    guard arguments.isEmpty else { return usage() }
    switch command {
    case "work": work(directory, options)
    case "bench": Bench.run(directory)
    case "full": Space.fillMedium(directory)
    case "immutable": Space.makeImmutable(directory)
    default: usage()
    }
  }

  static func usage() {
    line("usage: ledger-torture work|bench|full|immutable DIR [--option NUMBER ...]")
    exit(1)
  }

  /// One write, so that a line is printed whole or not at all.
  static func line(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = write(1, bytes, bytes.count)
  }

  static func work(_ directory: String, _ options: [String: Int]) {
    if let user = options["--uid"].map(uid_t.init) {
      guard setgid(user) == 0, setuid(user) == 0 else { return line("cannot change the user") }
    }
    guard faultvfs_install() == SQLITE_OK else { return line("cannot install the VFS") }
    let seed = options["--lose"]
    faultvfs_kill_at(options["--kill-at"] ?? 0, seed == nil ? 0 : 1, UInt64(seed ?? 0))
    faultvfs_fail_at(
      options["--fail-at"] ?? 0, options["--fail-count"] ?? 1, Int32(options["--fail-code"] ?? Int(SQLITE_FULL)),
      Int32(options["--fail-errno"] ?? 0))
    var ledgerOptions = Ledger.Options()
    ledgerOptions.checkpointPages = options["--checkpoint-pages"] ?? ledgerOptions.checkpointPages
    ledgerOptions.reserve = options["--reserve"] ?? 0
    ledgerOptions.spaceChanged = { line("low \($0)") }
    ledgerOptions.willChangeFile = UnflushedNames.willChange
    faultvfs_before_kill { UnflushedNames.lose() }
    UnflushedNames.seed = UInt64(seed ?? 0)
    UnflushedNames.losesOldest = options["--lose-oldest"] != nil
    let ledger: Ledger
    do {
      let snapshot: LedgerSnapshot
      (ledger, snapshot) = try Ledger.open(directory: directory, options: ledgerOptions)
      if let damage = snapshot.damage {
        line("salvaged \(damage.salvagedMessages) messages, \(damage.salvagedRecords) records")
      }
    } catch {
      line(error.text)
      exit(2)
    }
    let window = max(1, options["--window"] ?? 1)
    var pending: [Signal<Void>] = []
    let first = options["--first"] ?? 1
    for number in first..<(first + (options["--commits"] ?? 10)) {
      if pending.count == window { pending.removeFirst().wait() }
      if let last = options["--pause-after"], number > last { pause() }
      let done = Signal<Void>()
      pending.append(done)
      ledger.commit(Workload.group(number)) { result in
        switch result {
        case .success: line("\(number)")
        case .failure(let error): line("!\(number) \(error.text)")
        }
        done.set(())
      }
    }
    if let error = ledger.close() { line("close: \(error.text)") }
    line("flushes \(faultvfs_flushes()) operations \(faultvfs_operations())")
  }
}

/// The names given to files that a power cut would take back, since their directory was not flushed.
enum UnflushedNames {
  nonisolated(unsafe) static var seed: UInt64 = 0
  nonisolated(unsafe) static var losesOldest = false
  nonisolated(unsafe) private static var renames: [(from: String, to: String)] = []
  nonisolated(unsafe) private static var flushed: Set<String> = []

  /// Only one thread changes files while the ledger is being opened.
  @Sendable static func willChange(_ change: FileChange) {
    faultvfs_step()
    switch change {
    case .create(let file): flushed.remove(file)
    case .flush(let file):
      flushed.insert(file)
      if renames.contains(where: { $0.to.hasPrefix(file + "/") }) { renames = [] }
    case .rename(let file, let name):
      if file.hasSuffix(".new"), !flushed.contains(file) { Torture.line("\(file) renamed before it was flushed") }
      if access(name, F_OK) == 0 { Torture.line("\(name) overwritten") }
      renames.append((file, name))
    case .remove: break
    }
  }

  /// Takes back names as if they had not reached the medium: the oldest alone, or some of the newest, drawn from the seed.
  static func lose() {
    if losesOldest, let name = renames.first {
      // Whoever has the old name now keeps it, as far as this can be told.
      if access(name.from, F_OK) != 0 { _ = rename(name.to, name.from) }
      return
    }
    var lost = renames.isEmpty ? 0 : Int(seed % UInt64(renames.count + 1))
    while lost > 0, let name = renames.popLast() {
      _ = rename(name.to, name.from)
      lost -= 1
    }
  }
}
