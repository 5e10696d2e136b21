import ArgumentParser
import DeviceModel
import Hardware
import OCPP

extension MeterCommand {
  struct Read: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Read everything that a meter tells.",
      discussion: """
          station meter read --bus /dev/ttyS1 --unit 1 --model eastron-sdm630
          station meter read --host 192.0.2.7 --unit 1 --model carlo-gavazzi-em24-e1 --json
        """)

    @OptionGroup var library: MeterLibraryOptions
    @Option(help: "Serial device, e.g. /dev/ttyS1.")
    var bus: String?
    @Option(help: "Baud rate of the bus. (default: as the model comes, else 9600)")
    var baud: Int?
    @Option(help: "Parity of the bus: N, E or O. (default: as the model comes, else N)")
    var parity: String?
    @Option(help: "Stop bits of the bus: 1 or 2. (default: as the model comes, else 1)")
    var stopBits: Int?
    @Option(help: "Host of a Modbus TCP meter or gateway.")
    var host: String?
    @Option(help: "TCP port.")
    var port = 502
    @Option(help: "Unit id. (default: as the model comes, else 1)")
    var unit: Int?
    @Option(help: "Meter model; see station meter list.")
    var model: String
    @Option(help: "Time for the first byte of an answer, milliseconds.")
    var timeoutMs = 500
    @Option(help: "Time for everything, seconds.")
    var limitS = 15
    @Option(help: "Registers of one read at most. (default: the model's)")
    var maxRegisters: Int?
    @Option(help: "Silence before each request, milliseconds. (default: the model's)")
    var pauseMs: Int?
    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
      try MeterChecks.range("timeout-ms", timeoutMs, 10...10_000)
      try MeterChecks.range("limit-s", limitS, 1...300)
      try MeterChecks.range("unit", unit, host == nil ? 1...247 : 0...255)
      try MeterChecks.range("max-registers", maxRegisters, 1...125)
      try MeterChecks.range("pause-ms", pauseMs, 0...1000)
      try MeterChecks.endpoint(
        bus: bus, host: host, port: port, bauds: baud.map { [$0] }, parities: parity.map { [$0] })
      try MeterChecks.range("stop-bits", stopBits, 1...2)
    }

    func run() throws {
      let model = try library.model(model)
      let endpoint: ModbusEndpoint
      if let host {
        endpoint = .tcp(host: host, port: port)
      } else {
        endpoint = .serial(
          device: bus ?? "", baud: baud ?? model.serial?.baud ?? 9600,
          parity: (parity ?? model.serial?.parity ?? "N").first ?? "N",
          stopBits: stopBits ?? model.serial?.stopBits ?? 1)
      }
      let unit = self.unit ?? model.serial?.unit ?? 1
      var options = ModbusMeter.Options(unit: UInt8(unit), maxPowerW: 1)
      options.maxRegistersPerRead = maxRegisters
      options.pauseMs = pauseMs
      let bus = ModbusBus(endpoint, responseTimeout: .milliseconds(timeoutMs))
      let result = MeterTool.read(model, on: bus, options: options, limit: .seconds(limitS))
      let statistics = bus.statistics
      bus.stopAndWait()
      switch result {
      case .success(let snapshot):
        let wall = MeterChecks.wall(of: snapshot.acquiredAt)
        if json {
          put(Self.json(snapshot, model, endpoint, unit, wall, statistics) + [0x0A])
        } else {
          print(Self.text(snapshot, model, endpoint, unit, wall))
        }
        if !snapshot.invalid.isEmpty { throw ExitCode(1) }
      case .failure(let failure):
        complain("station meter read: \(endpoint), unit \(unit): \(failure.text)")
        throw ExitCode(statistics.opened == 0 ? 2 : 1)
      }
    }

    private static func text(
      _ snapshot: MeterSnapshot, _ model: MeterModel, _ endpoint: ModbusEndpoint, _ unit: Int, _ wall: String
    ) -> String {
      var lines = ["\(snapshot.identity.vendor) \(model.id), \(endpoint), unit \(unit), at \(wall)"]
      if let serial = snapshot.identity.serialNumber { lines.append("  serial number     \(serial)") }
      for (name, text) in snapshot.identity.details.sorted(by: { $0.key < $1.key }) {
        lines.append("  \(padded(name, 18))\(text)")
      }
      for (quantity, value) in snapshot.values.sorted(by: { $0.key < $1.key }) {
        let shown =
          value.map { "\(DecimalNumber(mantissa: $0, exponent: -3)) \(quantity.kind.unit)" }
          ?? snapshot.invalid[quantity].map { "unreadable: \($0)" } ?? "none"
        lines.append("  \(padded("\(quantity)", 18))\(shown)")
      }
      return lines.joined(separator: "\n")
    }

    private static func padded(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(1, width - text.count))
    }

    private static func json(
      _ snapshot: MeterSnapshot, _ model: MeterModel, _ endpoint: ModbusEndpoint, _ unit: Int, _ wall: String,
      _ statistics: ModbusBus.Statistics
    ) -> [UInt8] {
      let values = snapshot.values.sorted { $0.key < $1.key }.map { quantity, value -> JSONValue in
        var members = [
          JSONMember(name: "quantity", value: .string("\(quantity)")),
          JSONMember(
            name: "value", value: value.map { .number(DecimalNumber(mantissa: $0, exponent: -3)) } ?? .null),
          JSONMember(name: "unit", value: .string(quantity.kind.unit)),
        ]
        if let why = snapshot.invalid[quantity] { members.append(JSONMember(name: "invalid", value: .string(why))) }
        return .object(members)
      }
      var members = [
        JSONMember(name: "bus", value: .string("\(endpoint)")), JSONMember(name: "unit", value: .int(unit)),
        JSONMember(name: "model", value: .string(model.id)), JSONMember(name: "vendor", value: .string(model.vendor)),
        JSONMember(name: "acquiredAt", value: .string(wall)),
      ]
      if let serial = snapshot.identity.serialNumber {
        members.append(JSONMember(name: "serialNumber", value: .string(serial)))
      }
      members.append(
        JSONMember(
          name: "identity",
          value: .object(
            snapshot.identity.details.sorted { $0.key < $1.key }.map {
              JSONMember(name: $0.key, value: .string($0.value))
            })))
      members.append(JSONMember(name: "values", value: .array(values)))
      members.append(
        JSONMember(
          name: "statistics",
          value: .object([
            JSONMember(name: "exchanges", value: .int(statistics.exchanges)),
            JSONMember(name: "failures", value: .int(statistics.failures)),
            JSONMember(name: "lateAnswers", value: .int(statistics.lateAnswers)),
          ])))
      return JSONValue.object(members).bytes
    }
  }
}
