import OCPP

/// What this process is started for: the JSON on its standard input, written by `StationRuntime`.
final class TransferOrder {
  enum Direction: String {
    case download, upload
  }

  let direction: Direction
  let location: FileLocation
  /// What a former attempt left may be gone on with.
  let resumes: Bool
  /// Most bytes of the file.
  let limit: Int64
  let connectSeconds: Int
  /// Seconds without a byte.
  let stallSeconds: Int
  let totalSeconds: Int
  let redirects: Int
  /// What the file is called at the server where the location ends with a slash (N01.FR.21), and in Content-Disposition.
  let name: String
  /// Root certificates, PEM.
  let roots: [UInt8]
  let systemRoots: Bool
  /// Keys of this SFTP server, as lines of OpenSSH: type and Base64.
  private(set) var hostKeys: [String]
  /// No key is known yet, and the first one counts.
  let takesNewHostKey: Bool

  struct Problem: Error {
    var text: String
  }

  init(_ bytes: [UInt8]) throws(Problem) {
    let value: JSONValue
    do {
      value = try JSONValue.parse(bytes)
    } catch {
      throw Problem(text: "the order is no JSON: \(error.message)")
    }
    func member<T>(_ name: String, _ convert: (JSONValue) -> T?) throws(Problem) -> T {
      guard let member = value[name], let result = convert(member) else {
        throw Problem(text: "the order's \(name) is missing or not as expected")
      }
      return result
    }
    direction = try member("direction") { $0.stringValue.flatMap(Direction.init) }
    location = try member("location") { $0.stringValue.flatMap { FileLocation($0) } }
    resumes = try member("resumes", \.boolValue)
    limit = try member("limit") { $0.intValue.map { Int64($0) } }
    connectSeconds = try member("connectSeconds", \.intValue)
    stallSeconds = try member("stallSeconds", \.intValue)
    totalSeconds = try member("totalSeconds", \.intValue)
    redirects = try member("redirects", \.intValue)
    name = try member("name", \.stringValue)
    roots = Array(try member("roots", \.stringValue).utf8)
    systemRoots = try member("systemRoots", \.boolValue)
    hostKeys = try member("hostKeys") { $0.arrayValue?.compactMap(\.stringValue) }
    takesNewHostKey = try member("takesNewHostKey", \.boolValue)
  }

  /// The server has shown its first key: from now on it counts.
  func take(_ key: String) { hostKeys.append(key) }

  /// For libcurl: without user and password.
  var url: String {
    var scheme = location.scheme.rawValue
    if usesExplicitTLS { scheme = "ftp" }
    var path = location.path
    if direction == .upload, path.prefix(while: { $0 != "?" }).last == "/" {
      let end = path.firstIndex(of: "?") ?? path.endIndex
      path.insert(contentsOf: name, at: end)
    }
    return "\(scheme)://\(location.authority)\(path)"
  }

  var usesExplicitTLS: Bool { location.scheme == .ftpes || (location.scheme == .ftps && location.port == 21) }
  var isHTTP: Bool { location.scheme == .http || location.scheme == .https }
}
