/// Where a file is fetched from or brought to: the URL of UpdateFirmware and GetLog, `scheme://user:password@host:port/path`.
///
/// Only what the station has to know of it is taken apart; the rest is left as it is.
public struct FileLocation: Hashable, Sendable {
  /// What the station speaks. `ftps` is TLS from the first byte, but on port 21, where servers speak it after `AUTH TLS`
  /// only (RFC 4217); `ftpes` is that on any port.
  public enum Scheme: String, Hashable, Sendable, CaseIterable {
    case http, https, ftp, ftps, ftpes, sftp

    /// As FileTransferProtocolEnum of the device model names it.
    public var protocolName: String { self == .ftpes ? "FTPS" : rawValue.uppercased() }
  }

  public var scheme: Scheme
  /// Percent-decoded.
  public var user: String?
  public var password: String?
  /// Host and port, as given.
  public var authority: String
  public var port: Int?
  /// From the first slash on, with the query; as given, without a fragment.
  public var path: String

  /// `nil`: not a URL of a known scheme with a host, or one with characters that no URL has.
  public init?(_ text: String) {
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let separator = text.firstRange(of: "://"),
      let scheme = Scheme(rawValue: text[..<separator.lowerBound].lowercased())
    else { return nil }
    self.scheme = scheme
    var rest = text[separator.upperBound...]
    if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    var authority = rest[..<end]
    path = rest[end...].hasPrefix("/") ? String(rest[end...]) : "/" + rest[end...]
    if let at = authority.lastIndex(of: "@") {
      let credentials = authority[..<at]
      authority = authority[authority.index(after: at)...]
      let colon = credentials.firstIndex(of: ":")
      guard let user = Self.decoded(credentials[..<(colon ?? credentials.endIndex)]) else { return nil }
      self.user = user
      if let colon {
        guard let password = Self.decoded(credentials[credentials.index(after: colon)...]) else { return nil }
        self.password = password
      }
    }
    var host = authority
    if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
      guard let port = UInt16(authority[authority.index(after: colon)...]), port > 0 else { return nil }
      self.port = Int(port)
      host = authority[..<colon]
    }
    guard !host.isEmpty, !host.contains("@") else { return nil }
    self.authority = String(authority)
  }

  /// Without user name, password, query and fragment: what may be logged.
  public var loggable: String {
    "\(scheme.rawValue)://\(authority)\(path.prefix { $0 != "?" })"
  }

  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), value != 0
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
