import StationCore

/// The resolved options of `stationd`: `--name=value`, in any order; flags have no value.
///
/// | name | value | when absent |
/// |---|---|---|
/// | `config-dir` | directory of the component files | required |
/// | `data-dir` | directory of what survives | required |
/// | `control-socket` | path of the Unix socket | `control.sock` in the data directory |
/// | `certs-dir` | certificate directory | `certs` in the data directory |
/// | `key-password-file` | file with the password of encrypted keys | the environment variable STATION_KEY_PASSWORD, else none |
/// | `csms-url` | `ws://host:port[/path]`; the station id is appended | the network profiles of the device model |
/// | `station-id` | identity towards the CSMS | SecurityCtrlr.Identity, else InternalCtrlr.ChargePointId |
/// | `ocpp-version` | `ocpp2.0.1`: the only version offered | InternalCtrlr.SupportedOcppVersions |
/// | `overrides` | file of factory values | none |
/// | `set` | `Component/Variable=value`, may be repeated; those of the environment variable STATION_SET, one per line, come first | none |
/// | `log-level` | `trace` `debug` `info` `notice` `warning` `error` | `info` |
/// | `message-log` | file to which every OCPP frame is appended, up to 1 GiB | none |
/// | `journal` | file to which every input is recorded | none |
/// | `time-scale` | 1...10000: how much faster than real time the station's clocks run | 1 |
/// | `simulation-state` | `keep`: the simulated hardware is as it was after a restart; `fresh`: it is not | `fresh` |
/// | `boot-reason` | the reason in BootNotification | `PowerUp`, or the one left by the process before |
/// | `meters-dir` | directory of meter models | `meters` in or beside the config directory, then the installed one |
/// | `relayd` | program that holds the power lines; `socket:PATH`: the socket of one that runs by itself | `station-relayd` beside this program |
/// | `transfer` | program that up- and downloads files | `station-transfer` beside this program |
/// | `installer` | program that installs firmware (`Packaging/firmware`), or `rauc` or `rauc:PATH` | none: UpdateFirmware is rejected |
/// | `supervised` | flag: a restart ends the process with exit code 0, the supervisor starts it again | the process executes itself again |
public struct RuntimeOptions: Hashable, Sendable {
  public var configDirectory: String
  public var dataDirectory: String
  public var certsDirectory: String
  public var keyPasswordFile: String?
  public var controlSocket: String
  public var csmsURL: String?
  public var stationID: String?
  public var ocppVersion: String?
  public var overrides: String?
  public var settings: [String] = []
  public var logLevel: LogLevel = .info
  public var messageLog: String?
  public var journal: String?
  public var timeScale = 1
  public var keepsSimulation = false
  public var bootReason: String?
  public var metersDirectory: String?
  public var relayd: String?
  public var transfer: String?
  public var installer: String?
  public var isSupervised = false

  public init(configDirectory: String, dataDirectory: String) {
    self.configDirectory = configDirectory
    self.dataDirectory = dataDirectory
    certsDirectory = dataDirectory + "/certs"
    controlSocket = dataDirectory + "/control.sock"
  }

  /// Takes the settings of the environment, one per line; those of the command line win.
  mutating func inherit(settings text: String) { settings = text.split(separator: "\n").map(String.init) + settings }

  /// Names the option, what was given and what was expected.
  public struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
  }

  /// - Parameter arguments: without the program's name.
  public init(arguments: [String]) throws(ParseError) {
    var values: [String: String] = [:]
    var settings: [String] = []
    var supervised = false
    for argument in arguments {
      if argument == "--supervised" {
        supervised = true
        continue
      }
      guard argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") else {
        throw ParseError(description: "argument \(argument): expected --name=value; `station run` passes them so")
      }
      let name = String(argument[argument.index(argument.startIndex, offsetBy: 2)..<equals])
      let value = String(argument[argument.index(after: equals)...])
      if name == "set" {
        settings.append(value)
      } else if values.updateValue(value, forKey: name) != nil {
        throw ParseError(description: "--\(name) is given twice, expected once")
      }
    }

    func required(_ name: String) throws(ParseError) -> String {
      guard let value = values.removeValue(forKey: name), !value.isEmpty else {
        throw ParseError(description: "--\(name) is missing")
      }
      return value
    }
    self.init(configDirectory: try required("config-dir"), dataDirectory: try required("data-dir"))
    self.settings = settings
    isSupervised = supervised
    if let value = values.removeValue(forKey: "certs-dir") { certsDirectory = value }
    if let value = values.removeValue(forKey: "control-socket") { controlSocket = value }
    keyPasswordFile = values.removeValue(forKey: "key-password-file")
    csmsURL = values.removeValue(forKey: "csms-url")
    stationID = values.removeValue(forKey: "station-id")
    ocppVersion = values.removeValue(forKey: "ocpp-version")
    overrides = values.removeValue(forKey: "overrides")
    messageLog = values.removeValue(forKey: "message-log")
    journal = values.removeValue(forKey: "journal")
    bootReason = values.removeValue(forKey: "boot-reason")
    metersDirectory = values.removeValue(forKey: "meters-dir")
    relayd = values.removeValue(forKey: "relayd")
    installer = values.removeValue(forKey: "installer")
    transfer = values.removeValue(forKey: "transfer")
    if let value = values.removeValue(forKey: "log-level") {
      guard let level = LogLevel.allCases.first(where: { "\($0)" == value }) else {
        let names = LogLevel.allCases.map { "\($0)" }.joined(separator: ", ")
        throw ParseError(description: "--log-level \(value): expected one of \(names)")
      }
      logLevel = level
    }
    if let value = values.removeValue(forKey: "time-scale") {
      guard let scale = Int(value), StationClock.scales.contains(scale) else {
        throw ParseError(description: "--time-scale \(value): expected a whole number from 1 to 10000")
      }
      timeScale = scale
    }
    if let value = values.removeValue(forKey: "simulation-state") {
      guard value == "keep" || value == "fresh" else {
        throw ParseError(description: "--simulation-state \(value): expected keep or fresh")
      }
      keepsSimulation = value == "keep"
    }
    if let unknown = values.keys.sorted().first {
      throw ParseError(description: "unknown option --\(unknown)")
    }
  }
}
