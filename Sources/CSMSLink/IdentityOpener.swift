import Certificates
import NIOCore
import StationCore
import Threads

/// Opens the client certificate with its key on a thread of its own: a key in a token takes as long as the token does, and
/// may never come. One at a time: while a token hangs, further attempts fail at once, so that threads do not pile up. After
/// `patience` they make do with the certificates whose keys are in files, also one at a time, until the token answers.
final class IdentityOpener: @unchecked Sendable {
  typealias Answer = Result<TLSIdentity, TLSError>

  /// Which keys an attempt may open.
  enum Keys: Hashable {
    case all, inFiles
  }

  private let patience: TimeAmount
  private let lock = Lock()
  /// Guarded by `lock`: since when an attempt opens `.all`, and whether one opens `.inFiles`.
  private var busySince: NIODeadline?
  private var isReadingFiles = false

  init(patience: TimeAmount = .seconds(30)) { self.patience = patience }

  /// - Parameter completion: called once, on the loop; before this returns when nothing can be opened now.
  func open(
    _ files: TLSFiles, _ options: TLSOptions, on eventLoop: any EventLoop, completion: @escaping (Answer) -> Void
  ) {
    func fail(_ text: String) { completion(.failure(TLSError(.noClientCertificate, text))) }
    guard let keys = begin() else {
      return fail("the key of an earlier attempt is still being opened: its token does not answer")
    }
    let bound = NIOLoopBound(completion, eventLoop: eventLoop)
    let isStarted = NamedThread.startDetached("client key") {
      let answer = Self.opened(files, options, keys)
      self.end(keys)
      eventLoop.execute { bound.value(answer) }
    }
    guard !isStarted else { return }
    end(keys)
    fail("there is no thread to open the client certificate's key")
  }

  /// Takes as long as the token does, unless it is not asked.
  static func opened(_ files: TLSFiles, _ options: TLSOptions, _ keys: Keys = .all) -> Answer {
    do throws(TLSError) {
      return .success(
        try TLSIdentity(
          files, fingerprint: options.clientCertificate, time: Transport.verificationTime(options),
          asksTokens: keys == .all))
    } catch {
      return .failure(error)
    }
  }

  /// `nil`: an earlier attempt is still at it.
  func begin() -> Keys? {
    lock.with {
      guard let since = busySince else {
        busySince = .now()
        return .all
      }
      guard !isReadingFiles, NIODeadline.now() - since >= patience else { return nil }
      isReadingFiles = true
      return .inFiles
    }
  }

  func end(_ keys: Keys) {
    lock.with {
      switch keys {
      case .all: busySince = nil
      case .inFiles: isReadingFiles = false
      }
    }
  }
}
