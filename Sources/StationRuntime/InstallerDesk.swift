import Glibc
import NIOCore
import OCPP
import StationCore

/// Firmware installation as the runtime uses it; all on the loop.
public protocol InstallerPort: AnyObject {
  /// - Parameter tell: any number of `progress`, then one answer; never called before this returns.
  func carryOut(_ request: InstallerRequest, tell: @escaping (InstallerReply) -> Void)
  /// What is under way ends at once, as by a power cut; nothing more is told.
  func close()
}

/// Runs the installer: one command at a time, in a process group of its own, with `PATH`, `STATION_DATA_DIR` and those variables of
/// the station whose names begin with `STATION_INSTALLER_`; standard error is in its output. What it says is logged. One that is at
/// work for somebody else is asked again for two hours; but not what runs: nobody waits for that so long.
final class InstallerDesk: InstallerPort {
  /// Lines that are kept for the answer.
  private static let linesKept = 50
  /// Time and times that an installer at work for somebody else is waited for.
  static let busyInterval = TimeAmount.seconds(10)
  private static let busyLimit = 720
  private static let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  private let backend: any InstallerBackend
  private let folder: TransferFolder
  private let variables: [String]
  private let loop: any EventLoop
  private let log: (LogLevel, String) -> Void
  private let busyInterval: TimeAmount
  private var child: ChildProcess?
  /// Until a busy installer is asked again.
  private var wait: Scheduled<Void>?

  /// - Parameter installer: a program of the script protocol, or `rauc` or `rauc:PATH`.
  init(
    _ installer: String, dataDirectory: String, on loop: any EventLoop, busyInterval: TimeAmount = busyInterval,
    log: @escaping (LogLevel, String) -> Void
  ) {
    if installer == "rauc" {
      backend = RAUCInstaller()
    } else if installer.hasPrefix("rauc:") {
      backend = RAUCInstaller(program: String(installer.dropFirst(5)))
    } else {
      backend = ScriptInstaller(program: installer)
    }
    folder = TransferFolder(dataDirectory: dataDirectory)
    variables = [Self.path, "STATION_DATA_DIR=\(dataDirectory)"] + Self.inherited
    self.loop = loop
    self.busyInterval = busyInterval
    self.log = log
  }

  func carryOut(_ request: InstallerRequest, tell: @escaping (InstallerReply) -> Void) {
    if case .install(let file) = request, !TransferFolder.isName(file) {
      return loop.assumeIsolated().execute { tell(.failed("\(file) is no name for a file of the directory transfers")) }
    }
    guard child == nil, wait == nil else {
      return loop.assumeIsolated().execute { tell(.failed("the installer is busy")) }
    }
    run(backend.commands(for: request, file: folder.place)[...], request, tell)
  }

  func close() {
    child?.abandon()
    child = nil
    wait?.cancel()
    wait = nil
  }

  private func run(
    _ commands: ArraySlice<InstallerCommand>, _ request: InstallerRequest, waits: Int = 0,
    _ tell: @escaping (InstallerReply) -> Void
  ) {
    guard let command = commands.first else { return }
    var lines: [String] = []
    let program = ChildProcess.Program(
      path: command.program, arguments: command.arguments, variables: variables, includesErrors: true,
      timeLimit: request.timeLimit)
    do throws(ChildProcess.StartError) {
      child = try ChildProcess(program, on: loop) { [unowned self] bytes in
        let line = String(decoding: bytes, as: UTF8.self)
        if let percent = backend.progress(line) { return tell(.progress(percent)) }
        if request != .state { log(.info, "installer: \(line)") }
        if lines.count >= Self.linesKept { lines.removeFirst() }
        lines.append(line)
      } onEnd: { [unowned self] code in
        child = nil
        if code == 0, commands.count > 1 { return run(commands.dropFirst(), request, tell) }
        if code != 0, request != .state, waits < Self.busyLimit, backend.isBusy(lines) {
          wait = loop.assumeIsolated().scheduleTask(in: busyInterval) { [unowned self] in
            wait = nil
            run(commands, request, waits: waits + 1, tell)
          }
          return
        }
        tell(backend.reply(to: request, exitCode: code, lines: lines))
      }
    } catch {
      let text = error.text
      loop.assumeIsolated().execute { tell(.failed(text)) }
    }
  }

  /// Variables of this process that are meant for the installer.
  private static var inherited: [String] {
    var found: [String] = []
    var next = environ
    while let text = next.pointee {
      let variable = String(cString: text)
      if variable.hasPrefix("STATION_INSTALLER_") { found.append(variable) }
      next += 1
    }
    return found
  }
}
