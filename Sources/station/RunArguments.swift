import Glibc

/// The options of `station run`: what they are called, and how `stationd` gets them.
///
/// Each one is also an environment variable: `STATION_` and the name in capitals, `-` as `_` (`STATION_CONFIG_DIR`). The
/// command line wins. `STATION_SET` holds one setting per line; `stationd` reads it itself, because everybody sees a command
/// line and a setting may be a password.
struct RunArguments {
  static let values = [
    "config-dir", "data-dir", "certs-dir", "key-password-file", "control-socket", "csms-url", "station-id",
    "ocpp-version", "overrides",
    "log-level", "message-log", "journal", "time-scale", "simulation-state", "meters-dir", "relayd", "transfer",
    "installer",
  ]
  static let list = "set"
  static let flag = "supervised"
  /// Goes to `stationd` in its environment, since everybody can see arguments.
  static let secret = "key-password"

  private var options: [String: String] = [:]
  private var settings: [String] = []
  private var isSupervised = false

  init() {}

  /// Reads `--name value` and `--name=value`. `nil` for everything else, which the argument parser then explains.
  init?(_ arguments: some Sequence<String>) {
    var rest = arguments.makeIterator()
    while let argument = rest.next() {
      guard argument.hasPrefix("--") else { return nil }
      var name = String(argument.dropFirst(2))
      if name == Self.flag {
        isSupervised = true
        continue
      }
      var value: String?
      if let equals = name.firstIndex(of: "=") {
        value = String(name[name.index(after: equals)...])
        name = String(name[..<equals])
      }
      guard name == Self.list || name == Self.secret || Self.values.contains(name), let value = value ?? rest.next()
      else { return nil }
      set(name, value)
    }
  }

  /// Sets an option; `set` may come repeatedly.
  mutating func set(_ name: String, _ value: String?) {
    guard let value else { return }
    if name == Self.list { settings.append(value) } else { options[name] = value }
  }

  mutating func set(supervised: Bool) { isSupervised = supervised }

  /// The arguments of `stationd`, with what the environment adds.
  func resolved(environment: (String) -> String?) -> [String] {
    var result: [String] = []
    for name in Self.values {
      if let value = options[name] ?? environment(Self.variable(name)) { result.append("--\(name)=\(value)") }
    }
    for setting in settings { result.append("--\(Self.list)=\(setting)") }
    let supervised = environment(Self.variable(Self.flag)).map { !["", "0", "false", "no"].contains($0) } ?? false
    if isSupervised || supervised { result.append("--\(Self.flag)") }
    return result
  }

  static func variable(_ name: String) -> String {
    "STATION_" + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
  }

  /// Becomes `stationd`. Returns only by ending the process, with code 1 and one line when there is no `stationd`.
  func execute() -> Never {
    let path = environmentVariable("STATIOND") ?? Self.besideThisProgram ?? "stationd"
    if let secret = options[Self.secret] { setenv(Self.variable(Self.secret), secret, 1) }
    var pointers = (["stationd"] + resolved(environment: environmentVariable)).map { strdup($0) }
    pointers.append(nil)
    execv(path, pointers)
    complain(
      "station: cannot start \(path): \(String(cString: strerror(errno))); it belongs beside station, or where STATIOND says"
    )
    exit(1)
  }

  /// `stationd` in the directory of this program.
  private static var besideThisProgram: String? { programDirectory.map { $0 + "/stationd" } }
}

/// The value of an environment variable; an empty one counts as absent.
func environmentVariable(_ name: String) -> String? {
  guard let value = getenv(name) else { return nil }
  let text = String(cString: value)
  return text.isEmpty ? nil : text
}

/// Prints a line on standard error.
func complain(_ line: String) {
  let bytes = Array("\(line)\n".utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
}
