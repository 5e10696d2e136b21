import CRelay
import DeviceModel
import Glibc
import Hardware
import StationCore
import Testing

/// Lines that are bytes of a file: see `Tests/Support/relayd-fake`. RELAY1 and 2, with mirrors of kind NC that follow them, and BEAT.
final class FakeLines: @unchecked Sendable {
  static let names = ["RELAY1", "RELAY2", "MIRROR1", "MIRROR2", "BEAT"]
  private static let size = 32 * 64
  let path: String
  private let bytes: UnsafeMutablePointer<UInt8>

  init() throws {
    var template = Array("/tmp/relay-XXXXXX".utf8CString)
    let file = mkstemp(&template)
    try #require(file >= 0 && ftruncate(file, Self.size) == 0)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let mapped = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    close(file)
    bytes = try #require(mapped).assumingMemoryBound(to: UInt8.self)
    for (slot, name) in Self.names.enumerated() {
      for (index, byte) in name.utf8.enumerated() { bytes[slot * 64 + index] = byte }
    }
    for evse in 1...2 { follow(evse) }
  }

  deinit {
    munmap(bytes, Self.size)
    unlink(path)
  }

  private func byte(_ name: String, _ offset: Int) -> UnsafeMutablePointer<UInt8> {
    bytes + (Self.names.firstIndex(of: name) ?? 31) * 64 + offset
  }

  func level(_ name: String) -> Bool { byte(name, 48).pointee != 0 }
  func refuse(_ name: String, _ refused: Bool) { byte(name, 52).pointee = refused ? 1 : 0 }

  /// The mirror follows its relay, closed while that is off.
  func follow(_ evse: Int) {
    byte("MIRROR\(evse)", 50).pointee = UInt8(evse - 1)
    byte("MIRROR\(evse)", 51).pointee = 1
    byte("MIRROR\(evse)", 49).pointee = 1
  }

  /// The contactor stays as it is, whatever its coil does.
  func stick(_ evse: Int, closed: Bool) {
    byte("MIRROR\(evse)", 48).pointee = closed ? 0 : 1
    byte("MIRROR\(evse)", 49).pointee = 0
  }

  func bindings(heartbeat: Bool = false, mirrors: Bool = true) -> [GPIOContactorBinding] {
    (1...2).map { (evse: Int) in
      GPIOContactorBinding(
        component: ComponentID("PowerContactor", evse: evse),
        lines: [GPIOLine(chip: path, place: .name("RELAY\(evse)"))],
        mirror: mirrors
          ? GPIOContact(line: GPIOLine(chip: path, place: .name("MIRROR\(evse)")), kind: .normallyClosed) : nil,
        heartbeat: heartbeat ? .init(line: GPIOLine(chip: path, place: .name("BEAT")), periodMs: 20) : nil)
    }
  }

  func configuration(heartbeat: Bool = false) -> RelayConfiguration {
    RelayConfiguration(bindings(heartbeat: heartbeat))
  }
}

/// Programs beside the tests.
func program(_ name: String) -> String {
  var path = [CChar](repeating: 0, count: 4096)
  let length = max(0, readlink("/proc/self/exe", &path, path.count - 1))
  let own = String(decoding: path.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  return own.prefix(through: own.lastIndex(of: "/") ?? own.startIndex) + name
}

func milliseconds() -> Int64 { relay_now() / 1_000_000 }

/// Waits until it holds, and says how long that took, milliseconds; `nil`: it did not within the limit.
func elapsed(limit: Int = 5000, until condition: () -> Bool) -> Int? {
  let start = milliseconds()
  while milliseconds() - start <= limit {
    if condition() { return Int(milliseconds() - start) }
    usleep(500)
  }
  return nil
}

/// A process with arguments and environment of its own.
struct Child {
  let process: pid_t

  init(_ arguments: [String], environment: [String] = [], socket: Int32? = nil) throws {
    var vector: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for text in vector + variables { free(text) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let socket { posix_spawn_file_actions_adddup2(&actions, socket, 3) }
    var identifier: pid_t = 0
    try #require(posix_spawn(&identifier, arguments[0], &actions, nil, &vector, &variables) == 0)
    process = identifier
  }

  /// The exit code, or minus the signal.
  func end() -> Int32 {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F)
  }
}

/// What a contactor reported.
final class Reports: @unchecked Sendable {
  private var lock = pthread_mutex_t()
  private var updates: [DriverUpdate] = []

  init() { pthread_mutex_init(&lock, nil) }

  func add(_ update: DriverUpdate) {
    pthread_mutex_lock(&lock)
    updates.append(update)
    pthread_mutex_unlock(&lock)
  }

  var all: [DriverUpdate] {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    return updates
  }

  var closed: Bool? { if case .contactor(let closed) = all.last?.reading.value { closed } else { nil } }

  var faults: Set<String> {
    all.reduce(into: []) { faults, update in
      faults.subtract(update.cleared.map(\.name))
      faults.formUnion(update.raised.map(\.name))
    }
  }
}

/// A station's loop, which feeds the lease every 50 ms until told to hang.
final class Loop: @unchecked Sendable {
  private let lease: RelayLease
  private let flags = UnsafeMutablePointer<Bool>.allocate(capacity: 2)
  private var thread = pthread_t()

  init(_ lease: RelayLease) {
    self.lease = lease
    flags.initialize(repeating: false, count: 2)
    lease.feed()
    pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let loop = Unmanaged<Loop>.fromOpaque(argument).takeUnretainedValue()
        while !loop.flags[1] {
          if !loop.flags[0] { loop.lease.feed() }
          usleep(50_000)
        }
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  func hang(_ hangs: Bool) { flags[0] = hangs }

  func end() {
    flags[1] = true
    pthread_join(thread, nil)
  }
}
