import Glibc
import NIOCore
import OCPP
import StationCore

/// File transfers as the runtime uses them; all on the loop.
public protocol TransferPort: AnyObject {
  /// - Parameter tell: what comes of a `start`; never called before this returns.
  func carryOut(_ id: Int64, _ request: TransferRequest, tell: @escaping (TransferEvent) -> Void)
  /// What is under way ends at once; nothing more is told.
  func close()
}

/// Starts a `station-transfer` for each transfer and hears what it says.
///
/// TLS servers are verified against the CSMS and manufacturer roots of the certificate directory and, where the core says
/// so, those of the system; SFTP servers by `KnownHosts`. The location, with what is secret in it, is in the order only, which
/// the process reads from its standard input; the environment is empty.
final class TransferDesk: TransferPort {
  private static let rootFiles = ["ca/csms/CSMS_ROOT_CA.pem", "ca/mf/MF_ROOT_CA.pem"]
  private static let rootBytesLimit = 1 << 20
  private static let redirects = 5
  /// What one attempt may take in all, seconds.
  private static let totalSeconds = 86_400
  /// Bytes of the medium that no download takes: the ledger, the logs and what is unpacked are on it too.
  private static let margin: Int64 = 32 << 20

  private struct Active {
    var id: Int64
    var kind: Transfer.Kind
    var child: ChildProcess
    /// The limit is what the medium has room for, less than what may be fetched.
    var isBoundByRoom: Bool
    var isCancelled = false
    /// Said by the process, told when it has ended.
    var result: TransferResult?
  }

  private let program: String
  private let folder: TransferFolder
  private let certificates: String
  private let hosts: KnownHosts
  private let freeSpace: (String) -> Int64
  private let loop: any EventLoop
  private let log: (LogLevel, String) -> Void
  private var active: [Active] = []

  /// - Parameters:
  ///   - program: `station-transfer`.
  ///   - freeSpace: bytes that may still be written where this directory is.
  init(
    program: String, dataDirectory: String, certificates: String, on loop: any EventLoop,
    freeSpace: @escaping (String) -> Int64 = TransferFolder.freeSpace, log: @escaping (LogLevel, String) -> Void
  ) {
    self.program = program
    self.freeSpace = freeSpace
    self.certificates = certificates
    self.loop = loop
    self.log = log
    folder = TransferFolder(dataDirectory: dataDirectory)
    hosts = KnownHosts(certificates: certificates, dataDirectory: dataDirectory)
  }

  func carryOut(_ id: Int64, _ request: TransferRequest, tell: @escaping (TransferEvent) -> Void) {
    switch request {
    case .start(let transfer):
      cancel { $0.kind == transfer.kind }
      do throws(Refusal) {
        try start(id, transfer, tell)
      } catch {
        loop.assumeIsolated().execute { tell(.ended(.failed(error.failure, error.text))) }
      }
    case .cancel: cancel { $0.id == id }
    case .remove(let file): if TransferFolder.isName(file) { folder.remove(file) }
    case .keepOnly(let files): folder.keepOnly(files)
    }
  }

  func close() {
    for entry in active { entry.child.abandon() }
    active = []
  }

  private func cancel(_ which: (Active) -> Bool) {
    for index in active.indices where which(active[index]) {
      active[index].isCancelled = true
      active[index].child.kill()
    }
  }

  private struct Refusal: Error {
    var failure: TransferFailure
    var text: String
  }

  private func start(_ id: Int64, _ transfer: Transfer, _ tell: @escaping (TransferEvent) -> Void) throws(Refusal) {
    guard let location = FileLocation(transfer.location) else {
      throw Refusal(
        failure: .unsupported,
        text: "the location is no URL of \(FileLocation.Scheme.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    guard TransferFolder.isName(transfer.file), TransferFolder.isName(transfer.remoteName) else {
      throw Refusal(failure: .unsupported, text: "\(transfer.file) is no name for a file of the directory transfers")
    }
    var transfer = transfer
    var isBoundByRoom = false
    var files: [Int32] = []
    defer { for file in files { Glibc.close(file) } }
    do {
      switch transfer.direction {
      case .download:
        let (file, state) = try folder.openForDownload(transfer.file, resumes: transfer.resumes)
        files = [file, state]
        let room = freeSpace(folder.path) + TransferFolder.taken(file) - Self.margin
        isBoundByRoom = room < transfer.maxBytes
        transfer.maxBytes = min(room, transfer.maxBytes)
      case .upload: files = [try folder.openForUpload(transfer.file)]
      }
    } catch {
      throw Refusal(failure: .storage, text: error.text)
    }
    guard transfer.maxBytes > 0 else { throw Refusal(failure: .storage, text: "the medium has no room for a file") }
    let input = try order(transfer, location)
    let job = ChildProcess.Program(
      path: program, arguments: ["--parent=\(getpid())"], input: input.bytes, files: files,
      timeLimit: .seconds(Int64(Self.totalSeconds) + 60))
    do {
      let child = try ChildProcess(job, on: loop) { [unowned self] line in
        said(id, line, location, tell)
      } onEnd: { [unowned self] code in
        ended(id, code, tell)
      }
      active.append(Active(id: id, kind: transfer.kind, child: child, isBoundByRoom: isBoundByRoom))
    } catch {
      throw Refusal(failure: .process, text: error.text)
    }
  }

  private func order(_ transfer: Transfer, _ location: FileLocation) throws(Refusal) -> JSONValue {
    var keys: [String] = []
    var takesNew = false
    if location.scheme == .sftp {
      do throws(KnownHosts.Unreadable) {
        (keys, takesNew) = try hosts.keys(of: location)
      } catch {
        throw Refusal(failure: .untrusted, text: error.text)
      }
    }
    let roots = Self.rootFiles.compactMap { readFile("\(certificates)/\($0)", limit: Self.rootBytesLimit) }
    let members: KeyValuePairs<String, JSONValue> = [
      "direction": .string(transfer.direction.rawValue), "location": .string(transfer.location),
      "resumes": .bool(transfer.resumes), "limit": .int(Int(transfer.maxBytes)),
      "connectSeconds": .int(transfer.connectSeconds), "stallSeconds": .int(transfer.stallSeconds),
      "totalSeconds": .int(Self.totalSeconds), "redirects": .int(Self.redirects),
      "name": .string(transfer.remoteName),
      "roots": .string(String(decoding: Array(roots.joined(separator: [0x0A])), as: UTF8.self)),
      "systemRoots": .bool(transfer.trustsSystemRoots), "hostKeys": .array(keys.map { .string($0) }),
      "takesNewHostKey": .bool(takesNew),
    ]
    return .object(members.map { JSONMember(name: $0, value: $1) })
  }

  private func said(
    _ id: Int64, _ line: [UInt8], _ location: FileLocation, _ tell: (TransferEvent) -> Void
  ) {
    guard let index = active.firstIndex(where: { $0.id == id }), !active[index].isCancelled else { return }
    switch TransferReport(line: line) {
    case .progress(let done, let total): tell(.progress(done: done, total: total))
    case .hostKey(let key):
      let isKept = hosts.take(key, of: location)
      log(.notice, "the SFTP server \(KnownHosts.host(location)) is known from now on by \(key)")
      if !isKept { log(.warning, "\(hosts.takenFile) cannot be written: the host key will be taken again") }
    case .done(let bytes): active[index].result = .done(bytes: bytes)
    case .failed(let failure, let text):
      // Another time there may be more room.
      let isShort = failure == .tooLarge && active[index].isBoundByRoom
      active[index].result = .failed(
        isShort ? .storage : failure,
        "\(location.loggable): \(text)\(isShort ? ", which is the room that the medium has for it" : "")")
    case nil: break
    }
  }

  private func ended(_ id: Int64, _ code: Int32, _ tell: (TransferEvent) -> Void) {
    guard let index = active.firstIndex(where: { $0.id == id }) else { return }
    let entry = active.remove(at: index)
    if entry.isCancelled {
      tell(.ended(.failed(.cancelled, "cancelled")))
    } else {
      tell(.ended(entry.result ?? .failed(.process, "\(program) ended with \(code) and said nothing")))
    }
  }
}
