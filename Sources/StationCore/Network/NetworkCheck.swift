import OCPP

/// Why a network profile or an order of profiles is refused: a reason code of the appendix, and one line.
struct NetworkRefusal: Error, Hashable, Sendable {
  var reasonCode: String
  var text: String

  init(_ reasonCode: String, _ text: String) {
    self.reasonCode = reasonCode
    self.text = text
  }

  var statusInfo: StatusInfoType { StatusInfoType(reasonCode: reasonCode, additionalInfo: String(text.prefix(512))) }
}

/// What can be said of a profile without trying it.
enum NetworkCheck {
  /// `ws://` for profile 1, `wss://` for 2 and 3; host, port 1 to 65535, no user name, query or fragment, since the
  /// identity of the station is appended to the path (OCPP-J 3.1.1).
  static func url(_ url: String, securityProfile: Int) -> NetworkRefusal? {
    func refuse(_ text: String) -> NetworkRefusal { NetworkRefusal("InvalidURL", "ocppCsmsUrl: \(text)") }
    let bytes = Array(url.utf8)
    guard bytes.count <= 512 else { return refuse("longer than 512 characters") }
    guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else { return refuse("not only printable ASCII") }
    let scheme = securityProfile == 1 ? "ws://" : "wss://"
    guard url.lowercased().hasPrefix(scheme) else {
      return refuse("expected \(scheme) with security profile \(securityProfile)")
    }
    let rest = bytes[scheme.utf8.count...]
    if rest.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
      return refuse("a query or fragment is not possible")
    }
    let authority = rest.prefix { $0 != UInt8(ascii: "/") }
    if authority.contains(UInt8(ascii: "@")) { return refuse("a user name is not possible") }
    var host = authority
    var port: ArraySlice<UInt8>?
    if authority.first == UInt8(ascii: "[") {
      guard let end = authority.firstIndex(of: UInt8(ascii: "]")) else { return refuse("\"]\" is missing") }
      host = authority[...end]
      let tail = authority[(end + 1)...]
      guard tail.isEmpty || tail.first == UInt8(ascii: ":") else { return refuse("expected a port after \"]\"") }
      port = tail.isEmpty ? nil : tail.dropFirst()
      guard host.count > 4 else { return refuse("no IPv6 address") }
    } else if let colon = authority.firstIndex(of: UInt8(ascii: ":")) {
      host = authority[..<colon]
      port = authority[(colon + 1)...]
    }
    guard !host.isEmpty else { return refuse("the host is missing") }
    if let port {
      guard let number = Int(String(decoding: port, as: UTF8.self)), (1...65535).contains(number),
        port.allSatisfy({ (0x30...0x39).contains($0) })
      else { return refuse("the port is no number from 1 to 65535") }
    }
    return nil
  }

  /// The members that do not depend on what the station is at (B09.FR.02). `interfaces` are those that it has; none: not
  /// known.
  static func content(_ data: NetworkConnectionProfileType, interfaces: [String]) -> NetworkRefusal? {
    guard (1...3).contains(data.securityProfile) else {
      return NetworkRefusal("InvalidValue", "securityProfile: \(data.securityProfile), expected 1, 2 or 3")
    }
    guard data.ocppTransport == .json else {
      return NetworkRefusal("UnsupportedParam", "ocppTransport: only JSON is supported")
    }
    if let version = data.ocppVersion, version != .ocpp20, version != .ocpp201 {
      return NetworkRefusal("UnsupportedParam", "ocppVersion: \(version.rawValue), expected OCPP20")
    }
    if !interfaces.isEmpty, !interfaces.contains(data.ocppInterface.rawValue) {
      return NetworkRefusal(
        "UnsupportedParam",
        "ocppInterface: \(data.ocppInterface.rawValue), there are \(interfaces.joined(separator: ","))")
    }
    guard data.messageTimeout >= 0 else {
      return NetworkRefusal("ValuePositiveOnly", "messageTimeout: \(data.messageTimeout)")
    }
    // What the operating system sets up, and this station cannot: to accept it would promise a tunnel that is not there.
    if data.vpn != nil { return NetworkRefusal("UnsupportedParam", "vpn: not supported") }
    if data.apn != nil { return NetworkRefusal("UnsupportedParam", "apn: the modem is set up on the station") }
    return url(data.ocppCsmsUrl, securityProfile: data.securityProfile)
  }

  /// BasicAuthPassword: a passwordString of 16 characters to its maxLimit (A00.FR.205).
  static func password(_ password: String, longest: Int) -> NetworkRefusal? {
    let count = password.unicodeScalars.count
    guard count >= 16 else { return NetworkRefusal("ValueTooLow", "\(count) characters, expected at least 16") }
    guard count <= longest else {
      return NetworkRefusal("ValueTooHigh", "\(count) characters, expected at most \(longest)")
    }
    guard password.utf8.allSatisfy(isPasswordCharacter) else {
      return NetworkRefusal("InvalidValue", "expected letters, digits and * - _ = : + | @ .")
    }
    return nil
  }

  static func isPasswordCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      return true
    default: return Array("*-_=:+|@.".utf8).contains(byte)
    }
  }
}
