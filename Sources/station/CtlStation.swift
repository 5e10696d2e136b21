import ArgumentParser
import OCPP

// Commands about the station as a whole.

extension Ctl {
  struct State: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the station's state.")

    @OptionGroup var control: ControlOptions
    @Flag(help: "Print the answer as JSON.")
    var json = false

    func run() throws {
      let answer = try control.send("state")
      print(json ? answer.text : StateText(answer).text)
    }
  }

  struct Network: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Cut or restore the uplink.")

    enum Position: String, ExpressibleByArgument, CaseIterable { case online, offline }

    @OptionGroup var control: ControlOptions
    @Argument(help: "online or offline.")
    var position: Position

    func run() throws { _ = try control.send("network", [("online", .bool(position == .online))]) }
  }

  struct Reboot: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Restart the station as its hardware would.")

    @OptionGroup var control: ControlOptions
    @Argument(help: "powerLoss, watchdog (both at once) or localReset (in an orderly way).")
    var cause: String

    func run() throws { _ = try control.send("reboot", [("cause", .string(cause))]) }
  }

  struct DataTransfer: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Send a DataTransfer and print the CSMS' answer.")

    @OptionGroup var control: ControlOptions
    @Argument(help: "Vendor id.")
    var vendorId: String
    @Option(help: "Message id.")
    var messageId: String?
    @Option(help: "Data: JSON, or text that is none, which is sent as a string.")
    var data: String?

    func run() throws {
      let value = data.map { (try? JSONValue.parse($0)) ?? JSONValue.string($0) }
      let answer = try control.send(
        "dataTransfer",
        [("vendorId", .string(vendorId)), ("messageId", messageId.map(JSONValue.string)), ("data", value)])
      print(answer.text)
    }
  }

  struct CertificateRequest: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "iso15118.certificate-request", abstract: "As if an EV asked for a contract certificate.")

    @OptionGroup var control: ControlOptions
    @Option(help: "EVSE id, from 1.")
    var evse: Int
    @Option(help: "Install or Update.")
    var action: String
    @Option(help: "The EV's request, base64.")
    var exiRequest: String
    @Option(help: "Schema version of the request.")
    var schemaVersion: String

    func run() throws {
      let answer = try control.send(
        "iso15118.certificateRequest",
        [
          ("evse", .int(evse)), ("action", .string(action)), ("exiRequest", .string(exiRequest)),
          ("schemaVersion", .string(schemaVersion)),
        ])
      print(answer.text)
    }
  }

  struct Quirks: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the deviations of the CSMS that the station has tolerated, with counts.")

    @OptionGroup var control: ControlOptions
    @Flag(help: "Print the answer as JSON.")
    var json = false

    func run() throws {
      let answer = try control.send("quirks")
      if json { return print(answer.text) }
      let quirks = answer["quirks"]?.objectValue ?? []
      if quirks.isEmpty { print("no deviation met since the station started") }
      for quirk in quirks { print("\(quirk.name)  \(quirk.value.text)") }
    }
  }

  struct Maintenance: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "What somebody in front of real hardware may do.",
      discussion: """
        acceptMeter: the meter was exchanged or set, counting goes on from what it shows now (fault EnergyRegisterChanged). \
        resetRCD: the RCD is closed again after a trip, where it can be done by a line. \
        recheckContactor: a welded contactor was repaired, its mirror is looked at again (fault ContactorWelded).
        """)

    @OptionGroup var control: ControlOptions
    @Argument(help: "acceptMeter, resetRCD or recheckContactor.")
    var action: String
    @Option(help: "EVSE id, from 1; for the main meter 0.")
    var evse: Int

    func run() throws { _ = try control.send("maintenance", [("action", .string(action)), ("evse", .int(evse))]) }
  }

  struct Undelivered: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Print the messages that the CSMS refused until the station had to give them up, one JSON object a line.",
      discussion: "Their total, over the station's life, goes to standard error. Key codes are shown as ***.")

    @OptionGroup var control: ControlOptions
    @Flag(help: "Delete them in the station once they are printed.")
    var discard = false

    func run() throws {
      let answer = try control.send("undelivered", [("discard", .bool(discard))])
      for message in answer["messages"]?.arrayValue ?? [] { print(message.text) }
      complain("total: \(answer["total"]?.text ?? "0")")
    }
  }

  struct Display: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the messages, tariff and cost now displayed.")

    @OptionGroup var control: ControlOptions

    func run() throws { print(try control.send("display").text) }
  }

  struct Subscribe: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print events as they happen, until interrupted.")

    @OptionGroup var control: ControlOptions
    @Argument(help: "connector, transaction, meter, display, csms. (default: all)")
    var events: [String] = []

    func run() throws {
      var command = [JSONMember(name: "id", value: 1), JSONMember(name: "cmd", value: "subscribe")]
      if !events.isEmpty {
        command.append(JSONMember(name: "events", value: .array(events.map(JSONValue.string))))
      }
      let client = try control.client()
      do {
        try client.send(JSONValue.object(command).bytes)
        let answer = try JSONValue.parse(client.receive(within: 90))
        guard answer["ok"] == true else {
          complain("station ctl: \(answer["error"]?.stringValue ?? answer.text)")
          throw ExitCode(1)
        }
        while true { putLine(try client.receive()) }
      } catch let error as ExitCode {
        throw error
      } catch {
        complain("station ctl: \(error)")
        throw ExitCode(1)
      }
    }
  }

  struct Raw: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Send one line as it is and print the answer.", discussion: "E.g. '{\"id\":1,\"cmd\":\"state\"}'.")

    @OptionGroup var control: ControlOptions
    @Argument(help: "A JSON object.")
    var line: String

    func run() throws {
      guard !line.utf8.contains(0x0A) else { throw ValidationError("the command must be one line") }
      let answer = try control.exchange(Array(line.utf8))
      print(answer.text)
      if answer["ok"] != true { throw ExitCode(1) }
    }
  }
}
