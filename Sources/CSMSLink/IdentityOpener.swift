import Certificates
import NIOCore
import StationCore
import Threads

/// Opens the client certificate with its key on a thread of its own: a key in a token takes as long as the token does, and
/// may never come. One at a time: while a token hangs, further attempts fail at once, so that threads do not pile up.
final class IdentityOpener: @unchecked Sendable {
  typealias Answer = Result<TLSIdentity, TLSError>

  private let lock = Lock()
  /// Guarded by `lock`.
  private var isWorking = false

  /// - Parameter completion: called once, on the loop; before this returns when nothing can be opened now.
  func open(
    _ files: TLSFiles, _ options: TLSOptions, on eventLoop: any EventLoop, completion: @escaping (Answer) -> Void
  ) {
    func fail(_ text: String) { completion(.failure(TLSError(.noClientCertificate, text))) }
    guard begin() else { return fail("the key of an earlier attempt is still being opened: its token does not answer") }
    let bound = NIOLoopBound(completion, eventLoop: eventLoop)
    let isStarted = NamedThread.startDetached("client key") {
      let answer = Self.opened(files, options)
      self.end()
      eventLoop.execute { bound.value(answer) }
    }
    guard !isStarted else { return }
    end()
    fail("there is no thread to open the client certificate's key")
  }

  /// Takes as long as the token does.
  static func opened(_ files: TLSFiles, _ options: TLSOptions) -> Answer {
    do throws(TLSError) {
      return .success(
        try TLSIdentity(files, fingerprint: options.clientCertificate, time: Transport.verificationTime(options)))
    } catch {
      return .failure(error)
    }
  }

  /// False while an earlier one is still being opened.
  func begin() -> Bool {
    lock.with {
      defer { isWorking = true }
      return !isWorking
    }
  }

  func end() { lock.with { isWorking = false } }
}
