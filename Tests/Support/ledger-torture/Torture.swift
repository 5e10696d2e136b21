import CFaultVFS
import CSQLite
import Glibc
import Ledger
import StationCore

/// Writes numbered commits into a ledger and prints the number of each one that was acknowledged (`!number` when it
/// failed), so that somebody outside can kill it, or let its disk fail, and compare.
///
///     ledger-torture work DIR [--first N] [--commits N] [--window N] [--checkpoint-pages N] [--uid N]
///                    [--kill-at N] [--lose SEED] [--fail-at N] [--fail-count N] [--fail-code N]
///     ledger-torture bench DIR
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
    default: usage()
    }
  }

  static func usage() {
    line("usage: ledger-torture work|bench DIR [--option NUMBER ...]")
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
      options["--fail-at"] ?? 0, options["--fail-count"] ?? 1, Int32(options["--fail-code"] ?? Int(SQLITE_FULL)))
    var ledgerOptions = Ledger.Options()
    ledgerOptions.checkpointPages = options["--checkpoint-pages"] ?? ledgerOptions.checkpointPages
    let ledger: Ledger
    do {
      ledger = try Ledger.open(directory: directory, options: ledgerOptions).0
    } catch {
      line(error.text)
      exit(2)
    }
    let window = max(1, options["--window"] ?? 1)
    var pending: [Signal<Void>] = []
    let first = options["--first"] ?? 1
    for number in first..<(first + (options["--commits"] ?? 10)) {
      if pending.count == window { pending.removeFirst().wait() }
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
