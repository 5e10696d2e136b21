import CSMSLink
import Certificates
import DeviceModel
import Glibc
import Hardware
import Ledger
import Logs
import NIOCore
import NIOPosix
import OCPP
import StationCore

/// The long-running process from its first instruction to its last: options, device model, ledger, control socket, loop.
///
/// Threads: the main thread is the event loop; the ledger has one; NIO's resolver has one while a host name is looked up,
/// the certificate folder one while it is worked on.
public enum StationProcess {
  /// Runs until the station is stopped.
  /// - Parameters:
  ///   - arguments: those of `RuntimeOptions`.
  ///   - makeCore: makes the core.
  /// - Returns: the exit code. Does not return when the process executes itself again.
  public static func run(
    arguments: [String], makeCore: (StationStart, StationTime) -> any CoreMachine
  ) -> ExitCode {
    var options: RuntimeOptions
    do {
      options = try RuntimeOptions(arguments: arguments)
      if let settings = getenv("STATION_SET") { options.inherit(settings: String(cString: settings)) }
    } catch {
      complain("stationd: \(error.description)")
      return .configuration
    }
    for problem in ProcessPrivileges.drop() { complain("stationd: \(problem)") }
    guard let signals = ProcessSignals.install() else {
      complain("stationd: no pipe for signals: \(String(cString: strerror(errno)))")
      return .runtimeFailure
    }
    let prepared: Prepared
    do {
      // First of all: no other program that is started gets to see it.
      let keyPassword = try keyPassword(options)
      prepared = try prepare(options, arguments, keyPassword, makeCore)
    } catch {
      for line in error.lines { complain(line) }
      return error.code
    }
    MultiThreadedEventLoopGroup.withCurrentThreadAsEventLoop { loop in prepared.run(signals: signals, on: loop) }
    return .success
  }

  /// Why the process does not start: what to print and the exit code.
  struct Failure: Error {
    var code: ExitCode
    var lines: [String]

    init(_ code: ExitCode, _ lines: [String]) {
      self.code = code
      self.lines = lines
    }
  }

  /// Everything that is opened before the loop runs.
  struct Prepared {
    var options: RuntimeOptions
    var restart: ProcessRestart
    var parts: StationRuntime.Parts
    var socket: ControlSocketFile
    var reports: LedgerReports
    var keyPassword: KeyPassword
    /// What the service manager's watchdog is fed for, beside the loop: the ledger.
    let watchdog = Watchdog()

    func run(signals: CInt, on loop: any EventLoop) {
      let runtime = StationRuntime(parts, on: loop)
      let server = ControlServer(socket, on: loop)
      let desk = ControlDesk(runtime, server)
      let files = TLSFiles(directory: options.certsDirectory, keyPassword: keyPassword.text)
      let memory = CodeMemory(on: loop)
      let link = CSMSLink(eventLoop: loop, files: files) { event in
        if case .up = event { memory.releaseSoon() }
        runtime.linkEvent(event)
      }
      let service = ServiceNotifier.ofProcess(watchdog: watchdog, ledger: parts.ledger, on: loop) { level, text in
        runtime.write(level, text)
      }
      runtime.onEnd = { ending in
        // Keeps the desk alive as long as the runtime.
        desk.close()
        finish(ending, service)
      }
      ProcessSignals.watch(signals, on: loop) {
        service?.stopping()
        runtime.stop()
      }
      server.start { error in
        runtime.write(.error, "the control socket \(options.controlSocket) does not accept clients: \(error)")
        finish(.exit(.controlSocket), service)
      }
      runtime.write(.info, "control socket \(options.controlSocket), \(runtime.hardwareText), process \(getpid())")
      runtime.start(link)
      memory.releaseSoon()
      service?.ready("control socket \(options.controlSocket)")
      let bound = NIOLoopBound(runtime, eventLoop: loop)
      reports.deliver { input in loop.execute { bound.value.give(input) } }
    }

    /// Ends the process.
    private func finish(_ ending: StationRuntime.Ending, _ service: ServiceNotifier?) -> Never {
      switch ending {
      case .exit(let code):
        service?.stopping()
        exit(code.rawValue)
      case .restart(let reason, _):
        service?.replaced()
        restart.carryOut(reason)
      }
    }
  }

  private static func prepare(
    _ options: RuntimeOptions, _ arguments: [String], _ keyPassword: KeyPassword,
    _ makeCore: (StationStart, StationTime) -> any CoreMachine
  ) throws(Failure) -> Prepared {
    let clock = StationClock(scale: options.timeScale)
    let log = StationLog(level: options.logLevel)
    var bootReason = BootReasonEnumType.powerUp
    if let text = options.bootReason {
      guard let reason = BootReasonEnumType(rawValue: text) else {
        let known = BootReasonEnumType.allCases.map(\.rawValue).joined(separator: ", ")
        throw Failure(.configuration, ["stationd: --boot-reason \(text): expected one of \(known)"])
      }
      bootReason = reason
    }
    if let version = options.ocppVersion, version != OCPPVersion.v201.rawValue {
      throw Failure(
        .configuration,
        ["stationd: --ocpp-version \(version): expected \(OCPPVersion.v201.rawValue), the only one so far"])
    }
    let loaded = try load(options, log, clock)
    let model = loaded.model
    let drivers = try drivers(loaded, options)

    let ledger: Ledger
    let snapshot: LedgerSnapshot
    let reports = LedgerReports()
    do {
      var ledgerOptions = Ledger.Options()
      ledgerOptions.spaceChanged = { reports.add(.storageLow($0)) }
      ledgerOptions.damageFound = { reports.add(.ledgerDamaged($0)) }
      (ledger, snapshot) = try Ledger.open(directory: options.dataDirectory, options: ledgerOptions)
    } catch {
      throw Failure(.dataDirectory, ["stationd: \(error.text)"])
    }
    let restart = ProcessRestart(options, arguments, keyPassword)
    if let left = restart.takeReasonLeftBehind() { bootReason = left }

    let now = clock.now
    let simulationFile = SimulationFile(path: options.dataDirectory + "/simulation.json")
    let saved = savedSimulation(simulationFile) { log.write(.warning, $0, wall: now.wall) }
    var certificates = CertificateStore(
      folder: CertificateFolder(path: options.certsDirectory), keyPassword: keyPassword.text)
    certificates.transfersDirectory = TransferFolder(dataDirectory: options.dataDirectory).path
    let inventory = certificates.inventoryAtStart()
    for problem in inventory.problems { log.write(.warning, "certificates: \(problem)", wall: now.wall) }
    let start = StationStart(
      model: model, ledger: snapshot, seed: .random(in: .min ... .max), bootReason: bootReason,
      csmsURL: options.csmsURL,
      identity: options.stationID, certificates: inventory, hasInstaller: options.installer != nil,
      clockIsVirtual: options.timeScale != 1)
    var parts = StationRuntime.Parts(
      core: makeCore(start, now),
      hardware: SimulatedHardware(
        topology: SimulatedEVSE.topology(of: model), at: now, restoring: saved, keepingCables: options.keepsSimulation),
      ledger: ledger, clock: clock, log: log)
    parts.certificates = CertificateWorker(certificates, inventory: inventory)
    parts.transfers = { loop in
      TransferDesk(
        program: options.transfer ?? beside("station-transfer"), dataDirectory: options.dataDirectory,
        certificates: options.certsDirectory, on: loop
      ) { log.write($0, $1, wall: clock.now.wall) }
    }
    if let installer = options.installer {
      parts.installer = { loop in
        InstallerDesk(installer, dataDirectory: options.dataDirectory, on: loop) {
          log.write($0, $1, wall: clock.now.wall)
        }
      }
    }
    parts.simulationFile = simulationFile
    parts.drivers = drivers
    let data = options.dataDirectory
    parts.logs = LogWorker(
      LogStore(directory: data + "/logs", transfers: data + "/transfers", bound: LogStore.defaultBound),
      line: DiagnosticsLog.line)
    let socket: ControlSocketFile
    do {
      if let path = options.messageLog { parts.messageLog = try MessageLog(path: path) }
      if let path = options.journal {
        parts.journal = try JournalFile(path: path, start, at: now) { log.write(.warning, $0, wall: clock.now.wall) }
      }
    } catch {
      throw Failure(.configuration, ["stationd: \(error)"])
    }
    do {
      socket = try ControlSocketFile(listeningAt: options.controlSocket)
    } catch {
      throw Failure(.controlSocket, ["stationd: \(error)"])
    }
    return Prepared(
      options: options, restart: restart, parts: parts, socket: socket, reports: reports, keyPassword: keyPassword)
  }

  private static func keyPassword(_ options: RuntimeOptions) throws(Failure) -> KeyPassword {
    do {
      return try KeyPassword(file: options.keyPasswordFile)
    } catch {
      throw Failure(.configuration, ["stationd: \(error.text)"])
    }
  }

  private static func load(
    _ options: RuntimeOptions, _ log: StationLog, _ clock: StationClock
  ) throws(Failure) -> LoadResult {
    let result = DeviceModel.load(
      directory: options.configDirectory, overridesFile: options.overrides, settings: options.settings,
      metersDirectory: options.metersDirectory)
    if result.errorCount > 0 {
      let report = CheckReport(result, directory: options.configDirectory)
      throw Failure(.configuration, [report.text + "stationd: the device model has errors, the station does not start"])
    }
    for problem in result.problems { log.write(.warning, problem.text, wall: clock.now.wall) }
    return result
  }

  /// The real hardware; `nil` when no component has a driver, or all are simulated.
  private static func drivers(_ loaded: LoadResult, _ options: RuntimeOptions) throws(Failure) -> HardwareDrivers? {
    let isReal = loaded.bindings.contains { if case .simulated = $0 { false } else { true } }
    guard isReal else { return nil }
    guard options.timeScale == 1 else {
      throw Failure(
        .configuration,
        ["stationd: --time-scale \(options.timeScale): expected 1, because the station has real hardware"])
    }
    var kinds: [ComponentID: String] = [:]
    for component in loaded.model.components { kinds[component.id] = component.driver?.kind }
    return HardwareDrivers(loaded.bindings, kinds: kinds, relayd: relayd(options.relayd))
  }

  private static func relayd(_ option: String?) -> RelayLease.Daemon {
    let prefix = "socket:"
    if let option, option.hasPrefix(prefix) { return .socket(path: String(option.dropFirst(prefix.count))) }
    return .child(program: option ?? beside("station-relayd"))
  }

  /// The path of a program that is installed with this one.
  private static func beside(_ name: String) -> String { (programDirectory.map { $0 + "/" } ?? "") + name }

  /// The directory of this program.
  private static var programDirectory: String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    guard count > 0 else { return nil }
    let path = String(decoding: buffer.prefix(count), as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) }
  }

  /// What the simulated hardware was like; what is not understood is said and taken as nothing.
  private static func savedSimulation(_ file: SimulationFile, warn: (String) -> Void) -> SavedSimulation? {
    guard let bytes = file.load(warn: warn) else { return nil }
    do {
      return try SavedSimulation(json: JSONValue.parse(bytes))
    } catch let error as StimulusError {
      warn("\(file.path): \(error.text); the simulated hardware starts afresh")
    } catch {
      warn("\(file.path): \(error); the simulated hardware starts afresh")
    }
    return nil
  }

  private static func complain(_ line: String) {
    StationLog(level: .error).writeRaw(line)
  }
}
