import CCurl
import Glibc
import OCPP

/// Fetches a file into descriptor 3, with what a former attempt left where it still is the same file.
struct Download {
  let order: TransferOrder
  let file: Int32
  /// Descriptor of `ResumeState`.
  let stateFile: Int32

  func run() -> Report.Ending {
    var state = order.resumes ? ResumeState.read(stateFile) : nil
    if let known = state {
      if known.location != identity || !known.isVerifiable || known.flushed > size() { state = nil }
      // A former attempt was complete, and nobody heard of it.
      if let state, state.total == state.flushed { return .done(bytes: state.total) }
    }
    let offset = state?.flushed ?? 0
    if offset > 0 {
      let (ending, startsOver) = attempt(from: offset, known: state)
      if !startsOver { return ending }
    }
    return attempt(from: 0, known: nil).ending
  }

  private func attempt(from offset: Int64, known: ResumeState?) -> (ending: Report.Ending, startsOver: Bool) {
    // What is behind the part that is surely there may be anything.
    guard ftruncate(file, Int(offset)) == 0 else { return (storageFailed(errno), false) }
    let exchange = Exchange(order, file: file, offset: offset)
    var state: ResumeState?
    exchange.began = { remote in
      var found = ResumeState(
        location: identity,
        etag: withUnsafeBytes(of: remote.etag) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) },
        modified: remote.modified, total: remote.total, flushed: offset)
      if let known, !found.isSameFile(as: known) { return false }
      found.flushed = offset
      state = found
      return found.write(stateFile) == 0
    }
    exchange.flushed = { position in
      guard var now = state else { return 0 }
      now.flushed = position
      return now.write(stateFile)
    }
    let outcome = exchange.run()
    let flushCode = exchange.flush()
    switch outcome.failure {
    case CURL_DONE:
      if flushCode != 0 { return (storageFailed(flushCode), false) }
      return (.done(bytes: exchange.position), false)
    case CURL_NOT_RESUMABLE where offset > 0: return (.failed(.server, outcome.text), true)
    case CURL_STOPPED where state == nil: return (.failed(.server, "it is another file now"), true)
    case CURL_STOPPED: return (storageFailed(EIO), false)
    default: return (.failed(outcome.failure.reason, outcome.text), false)
    }
  }

  private var identity: String { ResumeState.digest(order.url) }

  private func size() -> Int64 {
    var status = stat()
    return fstat(file, &status) == 0 ? Int64(status.st_size) : 0
  }

  private func storageFailed(_ code: Int32) -> Report.Ending {
    .failed(.storage, "the file cannot be written: \(String(cString: strerror(code)))")
  }
}

extension curl_failure {
  var reason: Report.Reason {
    switch self {
    case CURL_NETWORK: .network
    case CURL_REFUSED: .refused
    case CURL_NOT_FOUND: .notFound
    case CURL_UNTRUSTED: .untrusted
    case CURL_TOO_LARGE: .tooLarge
    case CURL_STORAGE: .storage
    case CURL_UNSUPPORTED: .unsupported
    case CURL_BAD_MESSAGE: .badMessage
    default: .server
    }
  }
}
