import ArgumentParser
import OCPP

// The stimuli of the simulated hardware, named as in the control socket's contract.

extension Ctl {
  struct PlugIn: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Connect an EV by a cable.")

    @OptionGroup var control: ControlOptions
    @OptionGroup var place: ConnectorOptions

    @Option(help: "AC or DC. (default: AC)")
    var mode: String?
    @Option(help: "Most current that the EV takes, amperes. (default: 32)")
    var maxCurrentA: DecimalNumber?
    @Option(help: "Phases that its charger uses, 1 to 3. (default: 1)")
    var phases: Int?
    @Option(help: "Time from energy being offered to power flowing. (default: 1000)")
    var chargeDelayMs: Int?
    @Option(help: "Rating of the cable that it brings to a socket: 13, 20, 32 or 63. (default: 32)")
    var cableA: Int?
    @Option(help: "State of charge in percent.")
    var soc: DecimalNumber?
    @Option(help: "Capacity of its battery. (default: 60000)")
    var batteryCapacityWh: DecimalNumber?
    @Option(help: "The EV stops by itself after this energy.")
    var energyNeededWh: DecimalNumber?

    func run() throws {
      var ev: [JSONMember] = []
      func add(_ name: String, _ value: JSONValue?) { if let value { ev.append(JSONMember(name: name, value: value)) } }
      add("mode", mode.map(JSONValue.string))
      add("maxCurrentA", maxCurrentA.map(JSONValue.number))
      add("phases", phases.map(JSONValue.int))
      add("chargeDelayMs", chargeDelayMs.map(JSONValue.int))
      add("cableA", cableA.map(JSONValue.int))
      add("soc", soc.map(JSONValue.number))
      add("batteryCapacityWh", batteryCapacityWh.map(JSONValue.number))
      add("energyNeededWh", energyNeededWh.map(JSONValue.number))
      _ = try control.send("plugIn", place.fields + [("ev", .object(ev))])
    }
  }

  struct PlugOut: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Pull the plug, also while charging.")

    @OptionGroup var control: ControlOptions
    @OptionGroup var place: ConnectorOptions

    func run() throws { _ = try control.send("plugOut", place.fields) }
  }

  struct Swipe: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a token to the reader; again ends the transaction.")

    @OptionGroup var control: ControlOptions
    @Argument(help: "The token's id, e.g. DEADBEEF.")
    var idToken: String
    @Option(help: "OCPP IdTokenEnumType. (default: ISO14443)")
    var type: String?
    @Option(parsing: .upToNextOption, help: "The EVSEs that this reader serves. (default: all)")
    var evses: [Int] = []

    func run() throws {
      _ = try control.send(
        "swipe",
        [
          ("idToken", .string(idToken)), ("type", type.map(JSONValue.string)),
          ("evses", evses.isEmpty ? nil : .array(evses.map(JSONValue.int))),
        ])
    }
  }

  struct EV: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let the connected EV take energy, pause or finish.")

    @OptionGroup var control: ControlOptions
    @Option(help: "EVSE id, from 1.")
    var evse: Int
    @Argument(help: "charging, suspended or stopped.")
    var state: String
    @Option(help: "State of charge in percent.")
    var soc: DecimalNumber?

    func run() throws {
      _ = try control.send(
        "ev", [("evse", .int(evse)), ("state", .string(state)), ("soc", soc.map(JSONValue.number))])
    }
  }

  struct Fault: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Raise or clear a hardware fault.")

    @OptionGroup var control: ControlOptions
    @Argument(help: "raise or clear.")
    var action: String
    @Argument(help: "Its name, e.g. UnderVoltage, OverTemperature, GroundFailure.")
    var fault: String
    @Option(help: "EVSE id; 0 is the station. (default: 0)")
    var evse: Int?
    @Option(help: "Connector id. (default: the whole EVSE)")
    var connector: Int?
    @Option(help: "high makes the connector Faulted, low is only reported. (default: high)")
    var severity: String?

    func run() throws {
      _ = try control.send(
        "fault",
        [
          ("action", .string(action)), ("fault", .string(fault)), ("evse", evse.map(JSONValue.int)),
          ("connector", connector.map(JSONValue.int)), ("severity", severity.map(JSONValue.string)),
        ])
    }
  }

  struct Meter: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Set what a meter reads.")

    @OptionGroup var control: ControlOptions
    @Option(help: "EVSE id; 0 is the main meter. (default: 0)")
    var evse: Int?
    @Option(help: "Import register.")
    var energyWh: DecimalNumber?
    @Option(help: "Active power.")
    var powerW: DecimalNumber?
    @Option(help: "Current of L1,L2,L3.")
    var currentA: String?
    @Option(help: "Voltage of L1,L2,L3.")
    var voltageV: String?
    @Option(help: "Frequency.")
    var frequencyHz: DecimalNumber?
    @Option(help: "State of charge in percent.")
    var soc: DecimalNumber?
    @Option(help: "When the values were acquired, e.g. 2026-03-14T09:26:53Z. (default: now)")
    var timestamp: String?
    @Flag(inversion: .prefixedNo, help: "Stay at these values until changed; --no-hold lets the simulation go on.")
    var hold = true

    func run() throws {
      _ = try control.send(
        "meter",
        [
          ("evse", evse.map(JSONValue.int)), ("energyWh", energyWh.map(JSONValue.number)),
          ("powerW", powerW.map(JSONValue.number)), ("currentA", try JSONValue.list(currentA, "current-a")),
          ("voltageV", try JSONValue.list(voltageV, "voltage-v")),
          ("frequencyHz", frequencyHz.map(JSONValue.number)), ("soc", soc.map(JSONValue.number)),
          ("timestamp", timestamp.map(JSONValue.string)), ("hold", .bool(hold)),
        ])
    }
  }

  struct Park: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Drive a vehicle into the parking bay, or out of it.",
      discussion: """
        Needs a BayOccupancySensor at the EVSE, which is simulated. On the control socket:
          {"cmd":"park","evse":1,"occupied":true}
        """)

    @OptionGroup var control: ControlOptions
    @Option(help: "EVSE id, from 1.")
    var evse: Int
    @Flag(inversion: .prefixedNo, help: "Whether a vehicle is in the bay.")
    var occupied: Bool

    func run() throws {
      _ = try control.send("park", [("evse", .int(evse)), ("occupied", .bool(occupied))])
    }
  }

  struct Select: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Select at the station's UI which transactions a master pass stops.",
      discussion: """
        Counts for 60 s after a token of the master pass' group was accepted, where UIInput/Enabled is true; the event \
        "display" says when. On the control socket, without "evses" all, with [] none:
          {"cmd":"select","evses":[1]}
        """)

    @OptionGroup var control: ControlOptions
    @Option(parsing: .upToNextOption, help: "The EVSEs. (default: all)")
    var evses: [Int] = []
    @Flag(help: "None: close the UI.")
    var none = false

    func run() throws {
      let chosen = none ? [] : evses
      _ = try control.send(
        "select", [("evses", chosen.isEmpty && !none ? nil : .array(chosen.map(JSONValue.int)))])
    }
  }

  struct Lock: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make the connector lock stick, or work again.")

    @OptionGroup var control: ControlOptions
    @OptionGroup var place: ConnectorOptions
    @Flag(inversion: .prefixedNo, help: "Whether it refuses to move.")
    var stuck: Bool

    func run() throws { _ = try control.send("lock", place.fields + [("stuck", .bool(stuck))]) }
  }
}
