import CCurl
import Glibc
import OCPP

/// One attempt of libcurl, and what it calls back.
final class Exchange {
  let order: TransferOrder
  /// The local file.
  let file: Int32
  /// Bytes that were there before this attempt.
  var offset: Int64
  var began: (borrowing curl_remote) -> Bool = { _ in true }
  /// Takes content in place of the file.
  var sink: (([UInt8]) -> Void)?
  var onlyLooks = false
  var range: String?
  /// After every so many bytes the file is flushed and this is called.
  var flushed: (Int64) -> Int32 = { _ in 0 }
  /// Why there is no trust in the host key.
  private var keyProblem: String?
  private(set) var position: Int64
  private var flushedAt: Int64
  private var told: Int64 = 0

  private static let flushInterval: Int64 = 4 << 20
  /// Milliseconds between two reports of progress.
  private static let reportInterval: Int64 = 1000

  init(_ order: TransferOrder, file: Int32, offset: Int64) {
    self.order = order
    self.file = file
    self.offset = offset
    position = offset
    flushedAt = offset
  }

  struct Outcome {
    var failure: curl_failure
    var text: String
  }

  /// - Parameter size: of the local file, for an upload; `nil`: a download.
  func run(uploading size: Int64? = nil) -> Outcome {
    var transfer = curl_transfer()
    transfer.explicit_tls = order.usesExplicitTLS ? 1 : 0
    transfer.upload = size == nil ? 0 : 1
    transfer.only_look = onlyLooks ? 1 : 0
    transfer.offset = offset
    transfer.size = size ?? 0
    transfer.limit = order.limit
    transfer.connect_seconds = order.connectSeconds
    transfer.stall_seconds = order.stallSeconds
    transfer.total_seconds = order.totalSeconds
    transfer.redirects = order.redirects
    transfer.system_roots = order.systemRoots ? 1 : 0
    transfer.context = Unmanaged.passUnretained(self).toOpaque()
    transfer.began = { context, remote in
      guard let remote else { return 1 }
      return Exchange.of(context).began(remote.pointee) ? 0 : 1
    }
    transfer.write = { context, bytes, size in Exchange.of(context).take(bytes, size) }
    transfer.read = { context, position, buffer, size in
      Int64(pread(Exchange.of(context).file, buffer, size, Int(position)))
    }
    transfer.host_key = { context, key, size in
      Exchange.of(context).trusts(Array(UnsafeRawBufferPointer(start: key, count: size))) ? 0 : 1
    }
    transfer.progress = { context, done, total in Exchange.of(context).report(done, total) }
    let outcome = withText(order.url) { url in
      withText(order.location.user) { user in
        withText(order.location.password) { password in
          withText(disposition) { disposition in
            withText(range) { range in
              order.roots.withUnsafeBytes { roots in
                transfer.url = url
                transfer.user = user
                transfer.password = password
                transfer.disposition = disposition
                transfer.range = range
                transfer.roots = roots.baseAddress
                transfer.roots_size = roots.count
                return curl_perform(&transfer)
              }
            }
          }
        }
      }
    }
    var text = withUnsafeBytes(of: outcome.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if let keyProblem { text = keyProblem }
    if outcome.failure == CURL_TOO_LARGE { text = "more than \(order.limit) bytes" }
    if outcome.status >= 400 { text += " (\(outcome.status))" }
    return Outcome(failure: outcome.failure, text: text)
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> Exchange {
    guard let context else { fatalError("a call back without its context") }
    return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
  }

  /// A name that needs no quoting is all that the station makes.
  private var disposition: String? {
    order.direction == .upload ? "Content-Disposition: attachment; filename=\"\(order.name)\"" : nil
  }

  private func take(_ bytes: UnsafeRawPointer?, _ size: Int) -> Int32 {
    guard let bytes else { return 0 }
    if let sink {
      sink(Array(UnsafeRawBufferPointer(start: bytes, count: size)))
      return 0
    }
    var written = 0
    while written < size {
      let count = pwrite(file, bytes + written, size - written, Int(position) + written)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return 1 }
      written += count
    }
    position += Int64(size)
    return position - flushedAt >= Self.flushInterval ? flush() : 0
  }

  /// - Returns: 0 or an errno.
  func flush() -> Int32 {
    guard fdatasync(file) == 0 else { return errno }
    flushedAt = position
    return flushed(position)
  }

  private func report(_ done: Int64, _ total: Int64) {
    guard sink == nil, !onlyLooks, done > 0 else { return }
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    guard now - told >= Self.reportInterval else { return }
    told = now
    Report.progress(done: offset + done, total: total > 0 ? offset + total : nil)
  }

  // MARK: SFTP

  /// The key counts when it is one of those known; the first one when none is known.
  private func trusts(_ key: [UInt8]) -> Bool {
    let line = HostKey.line(key)
    if order.hostKeys.contains(line) { return true }
    if order.hostKeys.isEmpty, order.takesNewHostKey {
      order.take(line)
      Report.hostKey(line)
      return true
    }
    let type = line.prefix { $0 != " " }
    keyProblem =
      order.hostKeys.isEmpty
      ? "no host key is known for this server; it shows one of type \(type)"
      : "the server shows a host key of type \(type) that is not the one known for it"
    return false
  }

  private func withText<R>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> R) -> R {
    guard let text else { return body(nil) }
    return text.withCString(body)
  }
}

enum HostKey {
  /// As in OpenSSH's known_hosts: type and Base64. The type is the first string of the blob.
  static func line(_ blob: [UInt8]) -> String {
    var type = "unknown"
    if blob.count > 4 {
      let length = blob.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      if length <= 64, blob.count >= 4 + length { type = String(decoding: blob[4..<4 + length], as: UTF8.self) }
    }
    return "\(type) \(base64(blob))"
  }
}
