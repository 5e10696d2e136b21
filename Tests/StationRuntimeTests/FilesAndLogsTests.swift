import DeviceModel
import Glibc
import OCPP
import StationCore
import Testing

@testable import StationRuntime

struct ControlSocketFileTests {
  private let folder = TemporaryFolder()
  private var path: String { folder.path + "/s" }

  private func isSocket() -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
  }

  @Test func theSocketIsForItsOwnerOnly() throws {
    let file = try ControlSocketFile(listeningAt: path)
    defer { close(file.descriptor) }
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
  }

  @Test func theFileOfADeadProcessIsReplaced() throws {
    let dead = try ControlSocketFile(listeningAt: path)
    close(dead.descriptor)
    #expect(isSocket())
    let file = try ControlSocketFile(listeningAt: path)
    close(file.descriptor)
  }

  @Test func aSocketInUseIsLeftAlone() throws {
    let first = try ControlSocketFile(listeningAt: path)
    defer { close(first.descriptor) }
    let error = #expect(throws: ControlSocketError.self) { try ControlSocketFile(listeningAt: path) }
    #expect(error?.description.contains("another process listens on it") == true)
    #expect(isSocket())
  }

  @Test func anythingElseInTheWayIsLeftAlone() throws {
    close(creat(path, 0o600))
    let error = #expect(throws: ControlSocketError.self) { try ControlSocketFile(listeningAt: path) }
    #expect(error?.description.contains("not a socket") == true)
    #expect(!isSocket())
  }

  @Test func aPathBeyondTheSystemsLimitIsExplained() {
    let long = folder.path + "/" + String(repeating: "x", count: 108)
    let error = #expect(throws: ControlSocketError.self) { try ControlSocketFile(listeningAt: long) }
    #expect(error?.description.contains("expected 1 to 107") == true)
  }

  @Test func removingTakesOnlyOnesOwnFile() throws {
    let first = try ControlSocketFile(listeningAt: path)
    unlink(path)
    let second = try ControlSocketFile(listeningAt: path)
    first.remove()
    #expect(isSocket())
    second.remove()
    #expect(!isSocket())
    close(first.descriptor)
    close(second.descriptor)
  }
}

struct SimulationFileTests {
  private let folder = TemporaryFolder()
  private var path: String { folder.path + "/simulation.json" }

  private func load() -> String? {
    SimulationFile(path: path).load { Issue.record("\($0)") }.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test func whatWasSavedIsLoaded() {
    #expect(load() == nil)
    let file = SimulationFile(path: path)
    file.save(Array("one".utf8))
    #expect(load() == "one")
    file.save(Array("two".utf8))
    #expect(load() == "two")
    #expect(file.failure == nil)
  }

  @Test func aFolderThatIsGoneIsAFailureUntilItIsBack() {
    let file = SimulationFile(path: folder.path + "/missing/x")
    file.save([1])
    #expect(file.failure?.contains("No such file") == true)
  }

  @Test func aFileBeyondTheLimitIsRefused() {
    let file = SimulationFile(path: path)
    file.save([UInt8](repeating: 0x20, count: SimulationFile.sizeLimit + 1))
    var warnings: [String] = []
    #expect(file.load { warnings.append($0) } == nil)
    #expect(warnings.count == 1)
  }
}

struct LogTests {
  private func line(_ text: String) -> String {
    String(decoding: StationLog.line(.warning, text, wall: 1_773_480_413_589), as: UTF8.self)
  }

  @Test func anEntryIsOneLineWithTimeAndLevel() {
    #expect(line("charged 1 kWh, naïve €") == "2026-03-14T09:26:53.589Z warning charged 1 kWh, naïve €\n")
  }

  @Test func nothingInATextCanForgeALineOrSteerATerminal() {
    #expect(line("a\nb\r\tc\\d").hasSuffix("warning a\\nb\\r\\tc\\\\d\n"))
    #expect(
      line("\u{1B}[31m\u{7F}\u{85}\u{2028}\u{202E}\u{0}").hasSuffix(
        "\\u{1b}[31m\\u{7f}\\u{85}\\u{2028}\\u{202e}\\u{0}\n"))
  }

  @Test func aLongEntryIsCutAtTheLimit() {
    let long = StationLog.line(.info, String(repeating: "é\n", count: 5000), wall: 0)
    #expect(long.count <= StationLog.lineLimit)
    #expect(long.count > StationLog.lineLimit - 16)
    #expect(String(decoding: long, as: UTF8.self).hasSuffix("...\n"))
  }

  @Test func aReaderThatDoesNotReadLosesLinesAndIsTold() {
    var ends: [CInt] = [0, 0]
    #expect(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    let log = StationLog(level: .info, descriptor: ends[1])
    log.write(.debug, "below the level", wall: 0)
    let text = String(repeating: "x", count: 3000)
    for _ in 0..<100 { log.write(.info, text, wall: 0) }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    let first = read(ends[0], &buffer, buffer.count)
    let lines = buffer.prefix(first).count { $0 == 0x0A }
    #expect(lines > 0 && lines < 100)
    log.write(.info, "again", wall: 0)
    let second = read(ends[0], &buffer, buffer.count)
    let rest = String(decoding: buffer.prefix(second), as: UTF8.self)
    #expect(rest.contains("warning \(100 - lines) log entries were dropped"))
    #expect(rest.hasSuffix("info again\n"))
  }

  // Proves: C04.FR.04
  @Test func theMessageLogHidesKeyCodes() {
    let tokens = [("4711", "KeyCode"), ("CAFE", "ISO14443")].map { #"{"idToken":"\#($0)","type":"\#($1)"}"# }
    let frame = #"[2,"1","Authorize",{"idToken":\#(tokens[0]),"x":\#(tokens[1])}]"#
    let line = String(decoding: MessageLog.line(Array(frame.utf8), .outgoing, wall: 0), as: UTF8.self)
    #expect(!line.contains("4711"))
    #expect(line.contains("CAFE"))
  }

  // Proves: A01 (the password never leaves the station in a log)
  @Test func theMessageLogHidesThePassword() {
    func log(_ frame: String) -> String {
      String(decoding: MessageLog.line(Array(frame.utf8), .incoming, wall: 0), as: UTF8.self)
    }
    let secret = log(
      #"[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"s3cret","component":{"name":"SecurityCtrlr"},"variable":{"name":"basicauthPASSWORD"}},{"attributeValue":"10","component":{"name":"X"},"variable":{"name":"Y"}}]}]"#
    )
    #expect(!secret.contains("s3cret"))
    #expect(secret.contains(#""attributeValue":"***""#))
    #expect(secret.contains(#""attributeValue":"10""#))
    // Written with escapes it is the same name.
    let escaped = log(
      #"[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"s3cret","component":{"name":"X"},"variable":{"name":"\u0042asicAuthPassword"}}]}]"#
    )
    #expect(!escaped.contains("s3cret"))
    // No member of OCPP 2.0.1, and so a message out of order.
    let profile = log(
      #"[2,"1","SetNetworkProfile",{"configurationSlot":1,"connectionData":{"basicAuthPassword":"s3cret","ocppCsmsUrl":"ws://x"}}]"#
    )
    #expect(!profile.contains("s3cret"))
  }

  /// Every message that can carry one, both ways (A01.FR.12).
  @Test(arguments: [
    setNetworkProfile(#""apn":{"apn":"a","apnAuthentication":"AUTO","apnPassword":"s3cret","simPin":4711}"#),
    setNetworkProfile(#""vpn":{"server":"s","type":"IPSec","user":"u","password":"s3cret","key":"s3cret"}"#),
    #"[3,"1",{"getVariableResult":[{"attributeValue":"[s3cret]","variable":{"name":"NetworkConnectionProfiles"}}],"x":"ws://x"}]"#,
    #"[2,"1","NotifyReport",{"reportData":[{"variable":{"name":"BasicAuthPassword"},"variableAttribute":[{"value":"s3cret"}]}],"x":"ws://x"}]"#,
    #"[2,"1","NotifyEvent",{"eventData":[{"actualValue":"s3cret","variable":{"name":"VpnPassword"}}],"x":"ws://x"}]"#,
    #"[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"s3cret","component":{"name":"ws://x"},"variable":{"name":"VpnKey"}}]}]"#,
  ])
  func theMessageLogHidesSecrets(frame: String) {
    let line = String(decoding: MessageLog.line(Array(frame.utf8), .incoming, wall: 0), as: UTF8.self)
    #expect(!line.contains("s3cret") && !line.contains("4711"))
    #expect(line.contains("***"))
    #expect(line.contains("ws://x"))
  }

  private static func setNetworkProfile(_ more: String) -> String {
    #"[2,"1","SetNetworkProfile",{"configurationSlot":1,"connectionData":{"messageTimeout":3,"ocppCsmsUrl":"ws://x","#
      + #""ocppInterface":"Wired0","ocppTransport":"JSON","ocppVersion":"OCPP20","securityProfile":1,\#(more)}}]"#
  }

  /// A SetVariables that is none holds its secret who knows where: it loses all its text.
  @Test func aMessageOutOfOrderLosesItsText() {
    let frame =
      #"[2,"1","SetVariables",{"setVariableData":{"attributeValue":"s3cret","variable":{"name":"BasicAuthPassword"}}}]"#
    let line = String(decoding: MessageLog.line(Array(frame.utf8), .incoming, wall: 0), as: UTF8.self)
    #expect(!line.contains("s3cret"))
    #expect(line.contains(#""SetVariables",{"setVariableData":{"attributeValue":"***"#))
  }

  @Test func aBrokenFrameThatNamesAPasswordIsNotShown() {
    let frame =
      #"[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"s3cret","variable":{"name":"BasicAuthPassword"}}]}"#
    let line = String(decoding: MessageLog.line(Array(frame.utf8), .incoming, wall: 0), as: UTF8.self)
    #expect(line.hasSuffix(#""dir":"in","frame":"*** \#(frame.utf8.count) bytes that are no JSON"}"#))
  }

  @Test func aFrameThatIsNoJSONIsLoggedAsText() {
    let line = MessageLog.line(Array("[2,\n".utf8) + [0xFF], .outgoing, wall: 0)
    #expect(
      String(decoding: line, as: UTF8.self)
        == #"{"ts":"1970-01-01T00:00:00.000Z","dir":"out","frame":"[2,\n"# + "\u{FFFD}\"}")
  }

  @Test func aLogFileTakesLinesAndCountsWhatItCannot() throws {
    let folder = TemporaryFolder()
    let file = try LogFile(path: folder.path + "/log")
    file.append(Array("one".utf8))
    file.append(Array("two".utf8))
    #expect(file.isWaiting)
    file.flush()
    #expect(!file.isWaiting)
    var buffer = [UInt8](repeating: 0, count: 64)
    let descriptor = open(folder.path + "/log", O_RDONLY)
    let count = read(descriptor, &buffer, buffer.count)
    close(descriptor)
    #expect(String(decoding: buffer.prefix(count), as: UTF8.self) == "one\ntwo\n")
    #expect(throws: LogFileError.self) { try LogFile(path: folder.path) }

    // Nothing that has gone into one can be taken back.
    #expect(try LogFile(path: "/dev/null").discarding()()?.contains("no regular file") == true)

    // A device that is always full.
    let full = try LogFile(path: "/dev/full")
    full.append([0x78])
    full.flush()
    #expect(full.failure?.contains("No space") == true)
    #expect(full.isWaiting)
    full.append([UInt8](repeating: 0x78, count: LogFile.waitingLimit))
    #expect(full.dropped == 1)
  }

  @Test func theMessageLogEndsAtItsLimit() throws {
    let folder = TemporaryFolder()
    let path = folder.path + "/messages"
    let frame = Array("[2]".utf8)
    let size = MessageLog.line(frame, .outgoing, wall: 0).count + 1
    for start in 0..<2 {  // What earlier starts have written counts.
      let log = try MessageLog(path: path, limit: 3 * size)
      for number in 0..<4 {
        log.record(frame, .outgoing, wall: 0)
        #expect((log.failure == nil) == (start == 0 && number < 3))
        // That it is full is told once.
        #expect(log.isWaiting == (start == 0 || number == 0))
        log.flush()
      }
      #expect(try LogFile(path: path).size == 3 * size)
      if start == 1 {
        #expect(log.discarding()() == nil)
        log.record(frame, .outgoing, wall: 0)
        log.flush()
        #expect(log.failure == nil)
        #expect(try LogFile(path: path).size == size)
      }
    }
  }
}

struct JournalFileTests {
  private let folder = TemporaryFolder()

  private func lines(_ path: String) throws -> Int { try #require(contents(path)).count { $0 == 0x0A } }

  private func contents(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    return Array(bytes.prefix(count))
  }

  @Test func theJournalOfTheStartBeforeStays() throws {
    let path = folder.path + "/journal"
    let time = StationTime(monotonic: 0, wall: 0)
    let start = StationStart(model: DeviceModel(), ledger: LedgerSnapshot(), seed: 1, bootReason: .powerUp)
    for inputs in 1...3 {
      let file = try JournalFile(path: path, start, at: time) { _ in }
      for _ in 0..<inputs { file.record(.start, at: time, clock: .system, actions: []) }
      file.flush()
      #expect(try lines(path) == 1 + inputs)
      if inputs > 1 { #expect(try lines(path + ".previous") == inputs) }
    }
  }

  /// What is no file is written to as it is.
  @Test func aDeviceIsNotRenamed() throws {
    let start = StationStart(model: DeviceModel(), ledger: LedgerSnapshot(), seed: 1, bootReason: .powerUp)
    _ = try JournalFile(path: "/dev/null", start, at: StationTime(monotonic: 0, wall: 0)) { _ in }
    var status = stat()
    #expect(lstat("/dev/null.previous", &status) != 0)
  }
}

struct RuntimeOptionsTests {
  private func parse(_ more: [String]) throws -> RuntimeOptions {
    try RuntimeOptions(arguments: ["--config-dir=c", "--data-dir=d"] + more)
  }

  @Test func whatIsNotGivenHasItsDefault() throws {
    let options = try parse([])
    #expect(options == RuntimeOptions(configDirectory: "c", dataDirectory: "d"))
    #expect(options.controlSocket == "d/control.sock")
    #expect(options.certsDirectory == "d/certs")
    #expect(options.timeScale == 1)
    #expect(!options.keepsSimulation)
  }

  @Test func everyOptionArrives() throws {
    let options = try parse([
      "--certs-dir=e", "--control-socket=s", "--csms-url=ws://h:1/x=y", "--station-id=a b", "--ocpp-version=ocpp2.0.1",
      "--overrides=o", "--set=A/B=1", "--set=C/D=x=y", "--log-level=debug", "--message-log=m", "--journal=j",
      "--time-scale=60", "--simulation-state=keep", "--boot-reason=Watchdog", "--supervised",
    ])
    var expected = RuntimeOptions(configDirectory: "c", dataDirectory: "d")
    expected.certsDirectory = "e"
    expected.controlSocket = "s"
    expected.csmsURL = "ws://h:1/x=y"
    expected.stationID = "a b"
    expected.ocppVersion = "ocpp2.0.1"
    expected.overrides = "o"
    expected.settings = ["A/B=1", "C/D=x=y"]
    expected.logLevel = .debug
    expected.messageLog = "m"
    expected.journal = "j"
    expected.timeScale = 60
    expected.keepsSimulation = true
    expected.bootReason = "Watchdog"
    expected.isSupervised = true
    #expect(options == expected)
  }

  @Test(arguments: [
    (["--data-dir=d"], "--config-dir is missing"), (["--config-dir=c"], "--data-dir is missing"),
    (["--config-dir=", "--data-dir=d"], "--config-dir is missing"),
    (["--config-dir=c", "--data-dir=d", "--data-dir=e"], "--data-dir is given twice, expected once"),
    (["--config-dir=c", "--data-dir=d", "--colour=red"], "unknown option --colour"),
    (
      ["--config-dir=c", "--data-dir=d", "start"], "argument start: expected --name=value; `station run` passes them so"
    ),
    (["--config-dir=c", "--data-dir=d", "--time-scale=0"], "--time-scale 0: expected a whole number from 1 to 10000"),
    (
      ["--config-dir=c", "--data-dir=d", "--log-level=loud"],
      "--log-level loud: expected one of trace, debug, info, notice, warning, error"
    ),
    (["--config-dir=c", "--data-dir=d", "--simulation-state=yes"], "--simulation-state yes: expected keep or fresh"),
  ]) func whatIsWrongIsNamed(arguments: [String], message: String) {
    let error = #expect(throws: RuntimeOptions.ParseError.self) { try RuntimeOptions(arguments: arguments) }
    #expect(error?.description == message)
  }
}
