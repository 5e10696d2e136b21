import CCurl
import Glibc
import OCPP

/// Brings descriptor 3 to a server. By FTP and SFTP a former attempt is gone on with where the server has the beginning of
/// the same file; HTTP has no way to ask that (N01.FR.23), there it is always the whole.
struct Upload {
  let order: TransferOrder
  let file: Int32

  /// How many bytes before the end of what is there are compared.
  private static let compared: Int64 = 4096

  func run() -> Report.Ending {
    var status = stat()
    guard fstat(file, &status) == 0 else { return .failed(.storage, "the file cannot be read") }
    let size = Int64(status.st_size)
    guard size <= order.limit else { return .failed(.tooLarge, "\(size) bytes, \(order.limit) are allowed") }
    let there = order.resumes && !order.isHTTP ? bytesThere(of: size) : 0
    if there == size, size > 0 { return .done(bytes: size) }
    let outcome = Exchange(order, file: file, offset: there).run(uploading: size)
    guard outcome.failure == CURL_DONE else { return .failed(outcome.failure.reason, outcome.text) }
    return .done(bytes: size)
  }

  /// Bytes that the server has and that are those of the file, as far as it lets itself be asked; else 0.
  private func bytesThere(of size: Int64) -> Int64 {
    let look = Exchange(order, file: file, offset: 0)
    look.onlyLooks = true
    var there: Int64 = 0
    look.began = { remote in
      there = remote.total
      return true
    }
    guard look.run().failure == CURL_DONE, there > 0, there <= size else { return 0 }
    let first = max(0, there - Self.compared)
    let tail = Exchange(order, file: file, offset: 0)
    tail.range = "\(first)-\(there - 1)"
    var remote: [UInt8] = []
    tail.sink = { bytes in if remote.count <= Self.compared { remote += bytes } }
    _ = tail.run()
    var local = [UInt8](repeating: 0, count: Int(there - first))
    guard pread(file, &local, local.count, Int(first)) == local.count else { return 0 }
    return remote == local ? there : 0
  }
}
