import Glibc
import OCPP

/// What is known of a file that is half there: of which version of which file it is, and how much of it is surely on the
/// medium. In a file of its own (descriptor 4), written in place: what a power cut leaves of it is read as nothing, and the
/// transfer begins anew.
struct ResumeState: Hashable {
  /// Tells locations apart; no password can be found by it that is not known already.
  var location: String
  /// A strong one (RFC 9110), empty when there is none.
  var etag: String
  /// Unix time in seconds, -1 when the server does not say.
  var modified: Int64
  /// Bytes of the whole file, -1 when the server does not say.
  var total: Int64
  /// Bytes that were flushed.
  var flushed: Int64

  /// The server can be asked whether it is still the same file.
  var isVerifiable: Bool { !etag.isEmpty || (modified >= 0 && total >= 0) }

  func isSameFile(as other: ResumeState) -> Bool {
    isVerifiable && location == other.location && etag == other.etag && modified == other.modified
      && total == other.total
  }

  private static let size = 1024

  /// `nil` when there is none, or a damaged one.
  static func read(_ descriptor: Int32) -> ResumeState? {
    var bytes = [UInt8](repeating: 0, count: size)
    guard pread(descriptor, &bytes, size, 0) == size, let end = bytes.firstIndex(of: 0x0A),
      let value = try? JSONValue.parse(Array(bytes[..<end])),
      let location = value["location"]?.stringValue, let etag = value["etag"]?.stringValue,
      let modified = value["modified"]?.intValue, let total = value["total"]?.intValue,
      let flushed = value["flushed"]?.intValue
    else { return nil }
    let state = ResumeState(
      location: location, etag: etag, modified: Int64(modified), total: Int64(total), flushed: Int64(flushed))
    return value["check"]?.stringValue == state.check ? state : nil
  }

  /// - Returns: 0 or an errno.
  func write(_ descriptor: Int32) -> Int32 {
    let value = JSONValue.object([
      JSONMember(name: "location", value: .string(location)), JSONMember(name: "etag", value: .string(etag)),
      JSONMember(name: "modified", value: .int(Int(modified))), JSONMember(name: "total", value: .int(Int(total))),
      JSONMember(name: "flushed", value: .int(Int(flushed))), JSONMember(name: "check", value: .string(check)),
    ])
    var bytes = value.bytes
    guard bytes.count < Self.size else { return EFBIG }
    bytes.append(0x0A)
    bytes += [UInt8](repeating: 0x20, count: Self.size - bytes.count)
    guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else { return errno }
    return fdatasync(descriptor) == 0 ? 0 : errno
  }

  private var check: String { Self.digest("\(location)\n\(etag)\n\(modified)\n\(total)\n\(flushed)") }

  /// FNV-1a of 64 bits: against damage and mix-ups, not against people.
  static func digest(_ text: String) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return String(hash, radix: 16)
  }
}
