import ArgumentParser
import OCPP

struct Ctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look at a running station and act on it, through its control socket.",
    discussion: "Exit code 0 when the station said ok, 1 otherwise.",
    subcommands: [
      State.self, PlugIn.self, PlugOut.self, Swipe.self, EV.self, Fault.self, Network.self, Meter.self, Lock.self,
      Park.self, Select.self,
      Reboot.self, DataTransfer.self, CertificateRequest.self, Display.self, Quirks.self, Undelivered.self,
      Maintenance.self,
      Subscribe.self, Raw.self,
    ])

  /// Moves a `--control-socket PATH` between `ctl` and the subcommand behind the subcommand's own arguments.
  static func withSocketOptionLast(_ arguments: [String]) -> [String] {
    guard arguments.first == "ctl", arguments.count > 2 else { return arguments }
    if arguments[1] == "--control-socket", arguments.count > 3 {
      return ["ctl"] + arguments[3...] + arguments[1...2]
    }
    if arguments[1].hasPrefix("--control-socket=") { return ["ctl"] + arguments[2...] + [arguments[1]] }
    return arguments
  }
}

/// What all commands of `station ctl` share.
struct ControlOptions: ParsableArguments {
  @Option(help: "The station's control socket. (default: STATION_CONTROL_SOCKET)")
  var controlSocket: String?

  func client() throws -> ControlSocketClient {
    guard let path = controlSocket ?? environmentVariable("STATION_CONTROL_SOCKET") else {
      throw ValidationError("give --control-socket PATH, or set STATION_CONTROL_SOCKET")
    }
    do {
      return try ControlSocketClient(path: path)
    } catch {
      complain("station ctl: \(error)")
      throw ExitCode(1)
    }
  }

  /// Sends a command and returns the answer's fields; a refusal is printed and ends the program with 1.
  func send(_ command: String, _ fields: [(String, JSONValue?)] = []) throws -> JSONValue {
    var members = [JSONMember(name: "id", value: 1), JSONMember(name: "cmd", value: .string(command))]
    for (name, value) in fields { if let value { members.append(JSONMember(name: name, value: value)) } }
    let answer = try exchange(JSONValue.object(members).bytes)
    guard answer["ok"] == true else {
      complain("station ctl: \(answer["error"]?.stringValue ?? answer.text)")
      throw ExitCode(1)
    }
    return answer
  }

  /// Sends a line and returns the answer to it.
  func exchange(_ line: [UInt8]) throws -> JSONValue {
    let client = try client()
    do {
      try client.send(line)
      // The station gives a CSMS 60 s for its part.
      return try JSONValue.parse(client.receive(within: 90))
    } catch {
      complain("station ctl: \(error)")
      throw ExitCode(1)
    }
  }
}

/// Which connector a command is about.
struct ConnectorOptions: ParsableArguments {
  @Option(help: "EVSE id, from 1.")
  var evse: Int

  @Option(help: "Connector id, from 1. (default: 1)")
  var connector: Int?

  var fields: [(String, JSONValue?)] { [("evse", .int(evse)), ("connector", connector.map(JSONValue.int))] }
}

/// A decimal number, kept exactly.
extension DecimalNumber: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

extension JSONValue {
  /// Comma-separated numbers as a list; `nil` when one is none.
  static func numbers(_ text: String) -> JSONValue? {
    var numbers: [JSONValue] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let number = DecimalNumber(part) else { return nil }
      numbers.append(.number(number))
    }
    return .array(numbers)
  }

  static func list(_ option: String?, _ name: String) throws -> JSONValue? {
    guard let option else { return nil }
    guard let list = numbers(option) else {
      throw ValidationError("--\(name) \(option): expected numbers separated by commas, e.g. 32,32,32")
    }
    return list
  }
}
