import CSQLite
import Glibc
import Ledger
import StationCore
import Testing

/// A directory for one test, removed with its (flat) content.
final class Scratch {
  let root: String
  /// The data directory to be; not created.
  var data: String { root + "/data" }
  var database: String { data + "/ledger.sqlite" }

  /// In memory when that is enough and possible: where flushes are simulated, real ones only cost time.
  init(inMemory: Bool = false) throws {
    var parent = getenv("TMPDIR").map { String(cString: $0) } ?? P_tmpdir
    if inMemory, access("/dev/shm", W_OK) == 0 { parent = "/dev/shm" }
    var template = Array((parent + "/ledger-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError(code: errno) }
    root = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    empty()
    rmdir(root)
  }

  /// Removes the data directory.
  func empty() {
    for name in files() { unlink(data + "/" + name) }
    rmdir(data)
  }

  func files() -> [String] {
    guard let directory = opendir(data) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func read(_ file: String) -> [UInt8] {
    let descriptor = Glibc.open(file, O_RDONLY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var status = stat()
    fstat(descriptor, &status)
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    let count = Glibc.read(descriptor, &bytes, bytes.count)
    return Array(bytes.prefix(max(0, count)))
  }

  static func write(_ bytes: [UInt8], to file: String) throws {
    let descriptor = Glibc.open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw SystemError(code: errno)
    }
    close(descriptor)
  }

  static func mode(_ file: String) -> UInt32 {
    var status = stat()
    return stat(file, &status) == 0 ? status.st_mode & 0o777 : 0
  }

  /// The files of a salvaged ledger's predecessors.
  func damagedFiles() -> [String] { files().filter { $0.contains("damaged") } }

  /// A small reserve costs less time.
  static var options: Ledger.Options {
    var options = Ledger.Options()
    options.reserve = 64 << 10
    return options
  }

  func open(_ options: Ledger.Options = Scratch.options) throws(LedgerError) -> (Ledger, LedgerSnapshot) {
    try Ledger.open(directory: data, options: options)
  }

  /// Opens, reads and closes.
  func content() throws(LedgerError) -> LedgerSnapshot {
    let (ledger, snapshot) = try open()
    ledger.close()
    return snapshot
  }

  /// The error of an attempt to open.
  func refusal() -> LedgerError? {
    do {
      try open().0.close()
      return nil
    } catch {
      return error
    }
  }
}

struct SystemError: Error { var code: Int32 }

/// A running `ledger-torture`.
final class Torture {
  private let process: pid_t
  private let output: Int32
  private var buffer: [UInt8] = []

  init(_ arguments: [String]) throws {
    var path = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &path, path.count - 1)
    guard length > 0 else { throw SystemError(code: errno) }
    let own = String(decoding: path.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let tool = own.prefix(through: own.lastIndex(of: "/") ?? own.startIndex) + "ledger-torture"
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw SystemError(code: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    output = ends[0]
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    let all = [String(tool)] + arguments
    var vector: [UnsafeMutablePointer<CChar>?] = all.map { strdup($0) } + [nil]
    defer { for argument in vector { free(argument) } }
    var identifier: pid_t = 0
    let code = posix_spawn(&identifier, String(tool), &actions, nil, &vector, environ)
    close(ends[1])
    process = identifier
    if code != 0 {
      close(output)
      throw SystemError(code: code)
    }
  }

  deinit { close(output) }

  func kill() { Glibc.kill(process, SIGKILL) }

  /// The next line, `nil` at the end of the output.
  func line() -> String? {
    while true {
      if let end = buffer.firstIndex(of: 0x0A) {
        defer { buffer.removeFirst(end + 1) }
        return String(decoding: buffer[..<end], as: UTF8.self)
      }
      var chunk = [UInt8](repeating: 0, count: 4096)
      let count = read(output, &chunk, chunk.count)
      if count <= 0 { return nil }
      buffer += chunk.prefix(count)
    }
  }

  struct End {
    var lines: [String] = []
    /// Numbers of the commits that were acknowledged, and of those reported as failed.
    var acknowledged: [Int] = []
    var failed: [Int] = []
    /// The exit code; `nil` after a signal.
    var exitCode: Int32?
  }

  /// Reads to the end and waits for the process.
  func finish() -> End {
    var end = End()
    while let line = line() {
      end.lines.append(line)
      if let number = Int(line) { end.acknowledged.append(number) }
      if line.hasPrefix("!"), let number = Int(line.dropFirst().prefix { $0 != " " }) { end.failed.append(number) }
    }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    if status & 0x7F == 0 { end.exitCode = (status >> 8) & 0xFF }
    return end
  }

  static func run(_ arguments: [String]) throws -> End { try Torture(arguments).finish() }
}

/// Draws the same numbers from the same seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Runs statements with a connection of its own; gives the first column of the last row.
@discardableResult
func sqlite(_ file: String, _ sql: String) throws -> String {
  var handle: OpaquePointer?
  defer { sqlite3_close(handle) }
  try #require(sqlite3_open(file, &handle) == SQLITE_OK)
  var last = ""
  let code = withUnsafeMutablePointer(to: &last) { last in
    sqlite3_exec(
      handle, sql,
      { last, _, values, _ in
        if let value = values?[0] { last?.assumingMemoryBound(to: String.self).pointee = String(cString: value) }
        return 0
      }, last, nil)
  }
  try #require(code == SQLITE_OK, "\(String(cString: sqlite3_errmsg(handle)))")
  return last
}
