import Glibc
import NIOCore
import NIOPosix
import OCPP
import StationCore
import Testing

@testable import StationRuntime

/// Programs that the station starts, played by shell scripts.
@Suite("Child processes: transfers and the installer") struct ChildProcessTests {
  /// A directory of its own, and an event loop that runs.
  final class World {
    let path: String
    let loop = MultiThreadedEventLoopGroup.singleton.next()

    init() {
      var template = Array("/tmp/station-child-XXXXXX".utf8CString)
      path = template.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? ""
      }
    }

    deinit {
      for directory in ["/transfers", ""] {
        for name in ["f", "f.resume", "g", "g.resume", "program", "known_hosts"] {
          unlink(path + directory + "/" + name)
        }
        rmdir(path + directory)
      }
    }

    /// A shell script; returns its path.
    func program(_ text: String) -> String {
      let file = path + "/program"
      let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o700)
      let bytes = Array("#!/bin/sh\n\(text)\n".utf8)
      _ = write(descriptor, bytes, bytes.count)
      close(descriptor)
      return file
    }

    /// Does it on the loop and waits until it is done.
    func onLoop<T: Sendable>(_ body: @escaping @Sendable (any EventLoop, EventLoopPromise<T>) -> Void) async throws -> T
    {
      let promise = loop.makePromise(of: T.self)
      let loop = loop
      loop.execute { body(loop, promise) }
      return try await promise.futureResult.get()
    }
  }

  private static let upload = Transfer(
    kind: .log, direction: .upload, location: "ftp://u:s3cret@host/dir/", file: "f", maxBytes: 1000)

  /// What a transfer told, with the program in place of `station-transfer`.
  private func told(
    _ script: String, _ transfer: Transfer = ChildProcessTests.upload, cancelAfter: Int64? = nil, free: Int64? = nil
  ) async throws -> [TransferEvent] {
    let world = World()
    let program = world.program(script)
    let path = world.path
    mkdir(path + "/transfers", 0o700)
    close(open(path + "/transfers/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
    return try await world.onLoop { loop, promise in
      let desk = TransferDesk(
        program: program, dataDirectory: path, certificates: path, on: loop,
        freeSpace: { free ?? TransferFolder.freeSpace($0) }
      ) { _, _ in }
      var events: [TransferEvent] = []
      desk.carryOut(1, .start(transfer)) { event in
        events.append(event)
        if case .ended = event { promise.succeed(events) }
        _ = desk
      }
      #expect(events.isEmpty)
      if let cancelAfter {
        loop.assumeIsolated().scheduleTask(in: .milliseconds(cancelAfter)) { desk.carryOut(1, .cancel) { _ in } }
      }
    }
  }

  @Test func progressAndEnd() async throws {
    let events = try await told(
      #"""
      echo '{"progress":{"done":10,"total":20}}'; echo 'nonsense'; echo '{"progress":{"done":15}}'
      echo '{"done":{"bytes":20}}'
      """#)
    #expect(events == [.progress(done: 10, total: 20), .progress(done: 15, total: nil), .ended(.done(bytes: 20))])
  }

  @Test func aReasonIsTold() async throws {
    let events = try await told(#"echo '{"failed":{"reason":"refused","text":"530"}}'"#)
    #expect(events == [.ended(.failed(.refused, "ftp://host/dir/: 530"))])
  }

  /// What dies, says nothing, or says too much.
  @Test(arguments: ["exit 3", "kill -9 $$", "while :; do echo aaaaaaaa; done", "head -c 100000 /dev/zero; sleep 60"])
  func whatSaysNothingOfUse(_ script: String) async throws {
    let events = try await told(script)
    guard events.count == 1, case .ended(.failed(.process, _)) = events[0] else {
      Issue.record("told \(events)")
      return
    }
  }

  @Test func cancelled() async throws {
    #expect(try await told("sleep 60", cancelAfter: 50) == [.ended(.failed(.cancelled, "cancelled"))])
  }

  /// The order is on standard input, the file is descriptor 3, nothing else is there: no environment, no argument that tells
  /// anything, no descriptor of the station.
  @Test func whatItGetsToSee() async throws {
    let events = try await told(
      #"""
      order=$(cat)
      case "$order" in *'"location":"ftp://u:s3cret@host/dir/"'*) ;; *) exit 1 ;; esac
      case "$*" in --parent=*[!0-9]*) exit 2 ;; esac
      [ "$(tr '\0' '\n' </proc/$$/environ | grep -vc '^PWD=\|^OLDPWD=\|^SHLVL=\|^_=')" = 0 ] || exit 3
      for one in /proc/$$/fd/*; do
        # Listing them takes one.
        [ -L "$one" ] || continue
        case "${one##*/}" in 0 | 1 | 2 | 3 | 10 | 255) ;; *) exit 4 ;; esac
      done
      case "$(readlink /proc/$$/fd/3)" in */transfers/f) ;; *) exit 5 ;; esac
      echo '{"done":{"bytes":1}}'
      """#)
    #expect(events == [.ended(.done(bytes: 1))])
  }

  @Test(arguments: [("../f", "ftp://h/"), (".f", "ftp://h/"), ("f.resume", "ftp://h/"), ("f", "nowhere")])
  func whatIsNotBegun(file: String, location: String) async throws {
    var transfer = Self.upload
    transfer.file = file
    transfer.location = location
    let events = try await told("echo '{\"done\":{\"bytes\":1}}'", transfer)
    guard events.count == 1, case .ended(.failed(.unsupported, _)) = events[0] else {
      Issue.record("told \(events)")
      return
    }
  }

  @Test func aFileThatIsNotThere() async throws {
    var transfer = Self.upload
    transfer.file = "g"
    let events = try await told("exit 0", transfer)
    guard case .ended(.failed(.storage, _)) = events[0] else {
      Issue.record("told \(events)")
      return
    }
  }

  private static let download = Transfer(
    kind: .firmware, direction: .download, location: "ftp://u:s3cret@host/f", file: "f", maxBytes: 1 << 30)
  /// Says what it may fetch, and that it is not enough.
  private static let greedy = #"""
    limit=$(sed 's/.*"limit":\([0-9]*\).*/\1/')
    echo "{\"progress\":{\"done\":$limit}}"
    echo '{"failed":{"reason":"tooLarge","text":"more"}}'
    """#

  /// A download gets what the medium has room for, but for 32 MiB. That is not enough: another time it may be.
  @Test func theRoomOfTheMedium() async throws {
    let events = try await told(Self.greedy, Self.download, free: 40 << 20)
    #expect(events.first == .progress(done: 8 << 20, total: nil))
    guard events.count == 2, case .ended(.failed(.storage, let text)) = events[1] else {
      Issue.record("told \(events)")
      return
    }
    #expect(text.contains("room"))
  }

  /// There is room for more than may be fetched: it is too large, now and later.
  @Test func theLimitOfTheFile() async throws {
    let events = try await told(Self.greedy, Self.download, free: 1 << 40)
    #expect(events == [.progress(done: 1 << 30, total: nil), .ended(.failed(.tooLarge, "ftp://host/f: more"))])
  }

  @Test(arguments: [0, 32 << 20]) func noRoomAtAll(free: Int64) async throws {
    let events = try await told("exit 0", Self.download, free: free)
    #expect(events == [.ended(.failed(.storage, "the medium has no room for a file"))])
  }

  // MARK: The installer

  private func answer(_ script: String, _ request: InstallerRequest) async throws -> [InstallerReply] {
    let world = World()
    let program = world.program(script)
    let path = world.path
    return try await world.onLoop { loop, promise in
      let desk = InstallerDesk(program, dataDirectory: path, on: loop) { _, _ in }
      var replies: [InstallerReply] = []
      desk.carryOut(request) { reply in
        replies.append(reply)
        if case .progress = reply { return }
        promise.succeed(replies)
        _ = desk
      }
    }
  }

  @Test func installerAnswers() async throws {
    let state = #"[ "$1" = state ] && echo '{"version":"2.1","slot":"B","good":false}'"#
    #expect(try await answer(state, .state) == [.state(RunningFirmware(version: "2.1", slot: "B", isGood: false))])
    let install =
      #"[ "$1" = install ] && [ "$2" = "$STATION_DATA_DIR/transfers/f" ] && echo '{"progress":40}' && exit 10"#
    #expect(try await answer(install, .install(file: "f")) == [.progress(40), .restartNeeded])
    #expect(try await answer("exit 0", .install(file: "f")) == [.done])
    let invalid = #"echo '{"error":"another machine"}'; exit 20"#
    #expect(try await answer(invalid, .install(file: "f")) == [.invalid("another machine")])
    #expect(try await answer("echo no space >&2; exit 1", .install(file: "f")) == [.failed("exit code 1: no space")])
    #expect(try await answer("exit 10", .activate) == [.restartNeeded])
    #expect(try await answer("exit 0", .markGood) == [.done])
    #expect(try await answer("exit 10", .rollBack) == [.restartNeeded])
    #expect(try await answer(#"[ "$*" = keep ]"#, .keep) == [.done])
  }

  @Test(arguments: [
    (InstallerRequest.markGood, "exit 10"), (.keep, "exit 10"), (.state, "exit 0"), (.state, "echo '{\"version\":1}'"),
  ])
  func installerAnswersThatAreNone(_ request: InstallerRequest, script: String) async throws {
    guard case .failed? = try await answer(script, request).last else {
      Issue.record("no failure")
      return
    }
  }

  // MARK: Files and host keys

  @Test func theFolderIsTidied() throws {
    let world = World()
    let folder = TransferFolder(dataDirectory: world.path)
    for name in ["f", "g"] {
      let (file, state) = try folder.openForDownload(name, resumes: false)
      close(file)
      close(state)
    }
    folder.keepOnly(["f"])
    #expect(access(folder.place("f"), F_OK) == 0 && access(folder.place("f.resume"), F_OK) == 0)
    #expect(access(folder.place("g"), F_OK) != 0 && access(folder.place("g.resume"), F_OK) != 0)
    folder.remove("f")
    #expect(access(folder.place("f"), F_OK) != 0 && access(folder.place("f.resume"), F_OK) != 0)
  }

  @Test func firstHostKeysAreKept() throws {
    let world = World()
    let hosts = KnownHosts(certificates: world.path + "/none", dataDirectory: world.path)
    let location = try #require(FileLocation("sftp://u:p@Files.example:2222/f"))
    #expect(try hosts.keys(of: location) == ([], true))
    #expect(hosts.take("ssh-ed25519 AAAA", of: location))
    #expect(try hosts.keys(of: location) == (["ssh-ed25519 AAAA"], true))
    #expect(try hosts.keys(of: try #require(FileLocation("sftp://files.example/f"))) == ([], true))
    for number in 0..<KnownHosts.takenLimit {
      #expect(hosts.take("ssh-rsa B", of: try #require(FileLocation("sftp://h\(number)/"))))
    }
    #expect(try hosts.keys(of: location) == ([], true))
  }

  /// An administrator's list that is there and cannot be used trusts nobody, whatever was taken before.
  @Test func keysThatCannotBeReadTrustNobody() throws {
    let folder = TemporaryFolder()
    let given = folder.path + "/certs/ssh/known_hosts"
    let taken = folder.path + "/known_hosts"
    for name in ["/certs", "/certs/ssh"] { mkdir(folder.path + name, 0o700) }
    defer { for name in ["/certs/ssh/known_hosts", "/certs/ssh", "/certs"] { remove(folder.path + name) } }
    let hosts = KnownHosts(certificates: folder.path + "/certs", dataDirectory: folder.path)
    let location = try #require(FileLocation("sftp://u:p@h/f"))
    #expect(hosts.take("ssh-ed25519 AAAA", of: location))
    #expect(try hosts.keys(of: location) == (["ssh-ed25519 AAAA"], true))
    // No file, too long, a link to nowhere; in place of either.
    for path in [given, taken] {
      let makers: [() -> Bool] = [
        { mkdir(path, 0o700) == 0 }, { replaceFile(path, [UInt8](repeating: 0x20, count: KnownHosts.bytesLimit + 1)) },
        { symlink("/none/none", path) == 0 },
      ]
      for make in makers {
        remove(path)
        #expect(make())
        let error = #expect(throws: KnownHosts.Unreadable.self) { try hosts.keys(of: location) }
        #expect(error?.text.hasPrefix(path) == true)
        if path == taken { #expect(!hosts.take("ssh-ed25519 BBBB", of: location)) }
        remove(path)
      }
    }
    #expect(try hosts.keys(of: location) == ([], true))
    #expect(replaceFile(given, Array("h ssh-rsa CCCC\n".utf8)))
    #expect(try hosts.keys(of: location) == (["ssh-rsa CCCC"], false))
  }

  @Test func keysThatAreTakenStayBelowTheLimit() throws {
    let folder = TemporaryFolder()
    let hosts = KnownHosts(certificates: folder.path + "/none", dataDirectory: folder.path)
    let key = "ssh-rsa " + String(repeating: "A", count: 8000)
    for number in 0..<60 { #expect(hosts.take(key, of: try #require(FileLocation("sftp://h\(number)/")))) }
    #expect(try hosts.keys(of: try #require(FileLocation("sftp://h59/"))).keys == [key])
    #expect(try hosts.keys(of: try #require(FileLocation("sftp://h0/"))).keys == [])
  }

  @Test func withUnreadableKeysNothingIsStarted() async throws {
    let world = World()
    let program = world.program("echo '{\"done\":{\"bytes\":1}}'")
    let path = world.path
    mkdir(path + "/known_hosts", 0o700)
    defer { rmdir(path + "/known_hosts") }
    mkdir(path + "/transfers", 0o700)
    close(open(path + "/transfers/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
    let transfer = Transfer(kind: .log, direction: .upload, location: "sftp://u:p@h/", file: "f", maxBytes: 1000)
    let event: TransferEvent = try await world.onLoop { loop, promise in
      let desk = TransferDesk(program: program, dataDirectory: path, certificates: path, on: loop) { _, _ in }
      desk.carryOut(1, .start(transfer)) { event in
        promise.succeed(event)
        _ = desk
      }
    }
    guard case .ended(.failed(.untrusted, let text)) = event else {
      Issue.record("\(event)")
      return
    }
    #expect(text.contains("known_hosts"))
  }

  /// The process reads what servers send: nothing that it says is taken for granted.
  @Test func linesOfATransfer() {
    func read(_ text: String) -> TransferReport? { TransferReport(line: Array(text.utf8)) }
    #expect(read(#"{"progress":{"done":1,"total":2}}"#) == .progress(done: 1, total: 2))
    #expect(read(#"{"progress":{"done":1,"total":-2}}"#) == .progress(done: 1, total: nil))
    #expect(read(#"{"done":{"bytes":0}}"#) == .done(bytes: 0))
    #expect(read(#"{"hostKey":"ssh-rsa AAAA"}"#) == .hostKey("ssh-rsa AAAA"))
    #expect(read(#"{"failed":{"reason":"refused","text":"x"}}"#) == .failed(.refused, "x"))
    #expect(read(#"{"failed":{"reason":"strange","text":"x"}}"#) == .failed(.process, "x"))
    for none in [
      "", "{}", "[", #"{"progress":{"done":-1}}"#, #"{"done":{"bytes":-1}}"#, #"{"done":{"bytes":1e99}}"#,
      #"{"failed":{"reason":"refused"}}"#, #"{"hostKey":"ssh-rsa"}"#, #"{"hostKey":"ssh-rsa A\nother ssh-rsa B"}"#,
      #"{"hostKey":"ssh-rsa  A"}"#, #"{"hostKey":"ssh-rsa A b"}"#, #"{"hostKey":" A"}"#,
    ] { #expect(read(none) == nil, "\(none)") }
  }
}
