import OCPP
import StationCore

/// A line that `station-transfer` says: a JSON object. That process reads what servers send, so nothing in it is trusted.
enum TransferReport: Hashable {
  case progress(done: Int64, total: Int64?)
  /// A host key that was taken because none was known: type and Base64, one blank between them.
  case hostKey(String)
  case done(bytes: Int64)
  case failed(TransferFailure, String)

  /// Characters of a reason and of a host key.
  static let textLimit = 1000
  static let keyLimit = 16 << 10

  /// `nil`: no such line.
  init?(line: [UInt8]) {
    guard let value = try? JSONValue.parse(line, maxDepth: 4) else { return nil }
    func count(_ value: JSONValue?) -> Int64? { value?.intValue.flatMap { $0 >= 0 ? Int64($0) : nil } }
    if let progress = value["progress"], let done = count(progress["done"]) {
      self = .progress(done: done, total: count(progress["total"]))
    } else if let key = value["hostKey"]?.stringValue, Self.isHostKey(key) {
      self = .hostKey(key)
    } else if let bytes = count(value["done"]?["bytes"]) {
      self = .done(bytes: bytes)
    } else if let failed = value["failed"], let text = failed["text"]?.stringValue {
      let failure = failed["reason"]?.stringValue.flatMap(TransferFailure.init) ?? .process
      self = .failed(failure, String(text.unicodeScalars.prefix(Self.textLimit)))
    } else {
      return nil
    }
  }

  /// It becomes a line of known_hosts: whatever else is in it could name another server.
  private static func isHostKey(_ text: String) -> Bool {
    let fields = text.split(separator: " ", omittingEmptySubsequences: false)
    return text.utf8.count <= keyLimit && fields.count == 2
      && fields.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } }
  }
}
