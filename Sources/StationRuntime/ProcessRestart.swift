import Glibc
import OCPP

/// Starts the program again, in this process or by its supervisor, and hands the boot reason over.
struct ProcessRestart {
  private let isSupervised: Bool
  private let arguments: [String]
  /// The file that the program was started from, found at start: an update replaces it.
  private let program: String?
  /// Carries the boot reason to the next process under a supervisor.
  private let reasonFile: String
  private let keyPassword: KeyPassword

  /// - Parameter arguments: those that the process was started with, without the program's name.
  init(_ options: RuntimeOptions, _ arguments: [String], _ keyPassword: KeyPassword) {
    self.keyPassword = keyPassword
    isSupervised = options.isSupervised
    self.arguments = arguments
    reasonFile = options.dataDirectory + "/boot-reason"
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { bytes in
      bytes.withMemoryRebound(to: CChar.self) {
        $0.baseAddress.map { readlink("/proc/self/exe", $0, bytes.count) } ?? -1
      }
    }
    program = count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
  }

  /// The reason that the process before left for this one, once.
  func takeReasonLeftBehind() -> BootReasonEnumType? {
    let descriptor = open(reasonFile, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = read(descriptor, &buffer, buffer.count)
    unlink(reasonFile)
    guard count > 0 else { return nil }
    return BootReasonEnumType(rawValue: String(decoding: buffer.prefix(count), as: UTF8.self))
  }

  /// Does not return: executes the program again with the reason, or ends with code 0 for the supervisor to start it.
  func carryOut(_ reason: BootReasonEnumType) -> Never {
    guard !isSupervised, let program else {
      leaveBehind(reason)
      exit(ExitCode.success.rawValue)
    }
    closeOnExec()
    ProcessSignals.handOver()
    keyPassword.handOver()
    let all = ["stationd"] + arguments.filter { !$0.hasPrefix("--boot-reason=") } + ["--boot-reason=\(reason.rawValue)"]
    var pointers = all.map { strdup($0) }
    pointers.append(nil)
    execv(program, pointers)
    // The program is gone, e.g. in the middle of an update: let somebody else try.
    leaveBehind(reason)
    exit(ExitCode.runtimeFailure.rawValue)
  }

  private func leaveBehind(_ reason: BootReasonEnumType) {
    let descriptor = open(reasonFile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    let text = Array(reason.rawValue.utf8)
    _ = write(descriptor, text, text.count)
    fsync(descriptor)
    close(descriptor)
  }

  /// Sockets of the loop must not live on in the new program.
  private func closeOnExec() {
    guard let directory = opendir("/proc/self/fd") else { return }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if let descriptor = CInt(name), descriptor > STDERR_FILENO { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }
  }
}
