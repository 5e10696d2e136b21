import ArgumentParser
import DeviceModel
import Glibc
import Hardware
import OCPP

extension MeterCommand {
  struct Probe: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Find meters: which settings, which unit, which model.",
      discussion: """
        Asks every unit at every setting for one register; whoever answers is asked for the identity registers of every model. It only
        reads. Progress goes to standard error.

          station meter probe --bus /dev/ttyS1
          station meter probe --bus /dev/ttyS1 --baud 9600 --parity N,E --units 1-247
          station meter probe --host 192.0.2.7 --units 1,2,255
        """)

    @OptionGroup var library: MeterLibraryOptions
    @Option(help: "Serial device, e.g. /dev/ttyS1.")
    var bus: String?
    @Option(help: "Baud rates, e.g. 9600,19200.")
    var baud = "9600,19200,38400,115200,2400"
    @Option(help: "Parities, e.g. N,E.")
    var parity = "N,E"
    @Option(help: "Stop bits: 1 or 2.")
    var stopBits = 1
    @Option(help: "Host of a Modbus TCP meter or gateway.")
    var host: String?
    @Option(help: "TCP port.")
    var port = 502
    @Option(help: "Units, e.g. 1-10,33. (default: 1-10 and those that models come with)")
    var units: String?
    @Option(parsing: .upToNextOption, help: "Models to look for. (default: all)")
    var model: [String] = []
    @Option(help: "Time for the first byte of an answer, milliseconds.")
    var timeoutMs = 200
    @Option(help: "The search ends after this, seconds.")
    var limitS = 300
    @Flag(help: "Print one JSON object.")
    var json = false

    private var bauds: [Int]? {
      let parts = baud.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
      return parts.contains(nil) ? nil : parts.compactMap { $0 }
    }
    private var parities: [String] { parity.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }

    func validate() throws {
      try MeterChecks.range("timeout-ms", timeoutMs, 10...10_000)
      try MeterChecks.range("limit-s", limitS, 1...86_400)
      try MeterChecks.range("stop-bits", stopBits, 1...2)
      guard let bauds else { throw ValidationError("--baud \(baud): expected numbers separated by commas") }
      try MeterChecks.endpoint(bus: bus, host: host, port: port, bauds: bauds, parities: parities)
      if let units { _ = try MeterChecks.units(units, host == nil ? 1...247 : 0...255) }
    }

    func run() throws {
      let models = try library.models(model)
      let asked: [UInt8]
      if let units {
        asked = try MeterChecks.units(units, host == nil ? 1...247 : 0...255)
      } else {
        let defaults = Set(models.compactMap { $0.serial.map { UInt8($0.unit) } }).subtracting(1...10).sorted()
        asked = Array(1...10) + defaults
      }
      let search = MeterTool.Search(
        endpoints: endpoints, units: asked, models: models, responseTimeout: .milliseconds(timeoutMs),
        limit: .seconds(limitS))
      let seconds = min(search.longest.milliseconds / 1000 + 1, Int64(limitS))
      complain("\(asked.count) units at \(search.endpoints.count) settings: at most \(seconds) s if nobody answers")
      let result = MeterTool.search(search) { complain("  \($0)") }
      if json { put(Self.json(result) + [0x0A]) } else { Self.show(result) }
      for failure in result.failures { complain("station meter probe: \(failure)") }
      if result.timeWasOver {
        complain("station meter probe: the time of \(limitS) s was over before everything was asked")
      }
      if result.findings.contains(where: { !$0.candidates.isEmpty }) { return }
      throw ExitCode(result.failures.count == search.endpoints.count ? 2 : 1)
    }

    private var endpoints: [ModbusEndpoint] {
      if let host { return [.tcp(host: host, port: port)] }
      return (bauds ?? []).flatMap { baud in
        parities.map {
          .serial(device: bus ?? "", baud: baud, parity: $0.first ?? "N", stopBits: stopBits)
        }
      }
    }

    private static func show(_ result: MeterTool.SearchResult) {
      if result.findings.isEmpty { print("no unit answered") }
      for finding in result.findings {
        print(
          "\(finding.endpoint), unit \(finding.unit): \(finding.candidates.isEmpty ? "answers, but fits no model" : "")"
        )
        for candidate in finding.candidates {
          let serial = candidate.identity.serialNumber.map { ", serial number \($0)" } ?? ""
          let sure = candidate.match == .identified ? "says so itself" : "its values are plausible"
          print(
            "  \(candidate.identity.model) (\(candidate.identity.vendor)): \(sure), \(candidate.values) values\(serial)"
          )
        }
      }
    }

    private static func json(_ result: MeterTool.SearchResult) -> [UInt8] {
      let findings = result.findings.map { finding -> JSONValue in
        let candidates = finding.candidates.map { candidate -> JSONValue in
          var members = [
            JSONMember(name: "model", value: .string(candidate.identity.model)),
            JSONMember(name: "vendor", value: .string(candidate.identity.vendor)),
            JSONMember(name: "match", value: .string(candidate.match == .identified ? "identified" : "plausible")),
            JSONMember(name: "values", value: .int(candidate.values)),
          ]
          if let serial = candidate.identity.serialNumber {
            members.append(JSONMember(name: "serialNumber", value: .string(serial)))
          }
          return .object(members)
        }
        var members: [JSONMember]
        switch finding.endpoint {
        case .serial(let device, let baud, let parity, let stopBits):
          members = [
            JSONMember(name: "bus", value: .string(device)), JSONMember(name: "baud", value: .int(baud)),
            JSONMember(name: "parity", value: .string(String(parity))),
            JSONMember(name: "stopBits", value: .int(stopBits)),
          ]
        case .tcp(let host, let port):
          members = [JSONMember(name: "host", value: .string(host)), JSONMember(name: "port", value: .int(port))]
        }
        members.append(JSONMember(name: "unit", value: .int(Int(finding.unit))))
        members.append(JSONMember(name: "candidates", value: .array(candidates)))
        return .object(members)
      }
      return JSONValue.object([
        JSONMember(name: "findings", value: .array(findings)),
        JSONMember(name: "failures", value: .array(result.failures.map(JSONValue.string))),
        JSONMember(name: "complete", value: .bool(!result.isIncomplete)),
      ]).bytes
    }
  }
}

/// Checks of options that `read` and `probe` share.
enum MeterChecks {
  static func range(_ name: String, _ value: Int?, _ range: ClosedRange<Int>) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError("--\(name) \(value): expected \(range.lowerBound) to \(range.upperBound)")
  }

  static func endpoint(bus: String?, host: String?, port: Int, bauds: [Int]?, parities: [String]?) throws {
    guard (bus == nil) != (host == nil) else { throw ValidationError("give --bus DEVICE or --host HOST, one of them") }
    try range("port", port, 1...65_535)
    for baud in bauds ?? [] where !SerialLine.bauds.contains(baud) {
      let known = SerialLine.bauds.map(String.init).joined(separator: ", ")
      throw ValidationError("--baud \(baud): expected one of \(known)")
    }
    for parity in parities ?? [] where !SerialLine.parities.contains(parity) {
      throw ValidationError("--parity \(parity): expected one of \(SerialLine.parities.joined(separator: ", "))")
    }
  }

  /// `1-10,33` as a list without repetition.
  static func units(_ text: String, _ range: ClosedRange<Int>) throws -> [UInt8] {
    var units: [UInt8] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last,
        range.contains(first), range.contains(last)
      else {
        throw ValidationError("--units \(text): expected e.g. 1-10,33, each \(range.lowerBound) to \(range.upperBound)")
      }
      for unit in first...last where !units.contains(UInt8(unit)) { units.append(UInt8(unit)) }
    }
    return units
  }

  /// UTC of a moment of the monotonic clock, to the millisecond.
  static func wall(of time: MonotonicTime) -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    let wall = Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    return DateTime(unixMilliseconds: wall - (MonotonicTime.now - time).milliseconds).description
  }
}
