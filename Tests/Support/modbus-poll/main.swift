import DeviceModel
import Glibc
import Hardware
import OCPP
import StationCore

// Runs meter drivers on one bus for a while and prints every report as a line of JSON: the rig's view of the driver.
//
//   modbus-poll METERS_DIR MODEL SECONDS rtu:DEVICE:BAUD|tcp:HOST:PORT UNIT...
//
// Times are CLOCK_MONOTONIC in nanoseconds. MODBUS_TIMEOUT_MS (300), MODBUS_INTERVAL_MS (250), MODBUS_STALE_MS (2000).

func fail(_ text: String) -> Never {
  let line = "modbus-poll: \(text)\n"
  _ = Glibc.write(STDERR_FILENO, line, line.utf8.count)
  exit(2)
}

func number(_ name: String, _ standard: Int) -> Int {
  getenv(name).flatMap { Int(String(cString: $0)) } ?? standard
}

func write(_ unit: UInt8, _ update: MeterUpdate) {
  var members = [JSONMember(name: "unit", value: .int(Int(unit)))]
  func add(_ name: String, _ value: JSONValue) { members.append(JSONMember(name: name, value: value)) }
  add("reportedAt", .int(Int(MonotonicTime.now.nanoseconds)))
  add("acquiredAt", .int(Int(update.reading.acquiredAt.nanoseconds)))
  switch update.reading.quality {
  case .good: add("quality", "good")
  case .suspect(let why):
    add("quality", "suspect")
    add("why", .string(why))
  case .unknown(let why):
    add("quality", "unknown")
    add("why", .string(why))
  }
  if let value = update.reading.value {
    func milli(_ name: String, _ value: Int64?) { if let value { add(name, .int(Int(value))) } }
    milli("energyImport", value.energyImport)
    milli("energyExport", value.energyExport)
    milli("power", value.power)
    milli("frequency", value.frequency)
    add("voltage", .array(value.voltage.map { .int(Int($0)) }))
    add("current", .array(value.current.map { .int(Int($0)) }))
  }
  add("raised", .array(update.raised.map { .string($0.name) }))
  add("cleared", .array(update.cleared.map { .string($0.name) }))
  add("health", .string("\(update.health)"))
  let line = JSONValue.object(members).text + "\n"
  _ = Glibc.write(STDOUT_FILENO, line, line.utf8.count)
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 5, let seconds = Int(arguments[2]) else {
  fail("METERS_DIR MODEL SECONDS rtu:DEVICE:BAUD|tcp:HOST:PORT UNIT...")
}
let (found, problems) = MeterLibrary(directories: [arguments[0]]).model(arguments[1])
guard let model = found else { fail(problems.map(\.text).joined(separator: "\n")) }
let parts = arguments[3].split(separator: ":").map(String.init)
guard parts.count == 3, let rate = Int(parts[2]) else { fail("what bus is \(arguments[3])?") }
let endpoint: ModbusEndpoint =
  parts[0] == "rtu"
  ? .serial(device: parts[1], baud: rate, parity: "N", stopBits: 1) : .tcp(host: parts[1], port: rate)
let bus = ModbusBus(endpoint, responseTimeout: .milliseconds(number("MODBUS_TIMEOUT_MS", 300)))
let meters = arguments[4...].compactMap { UInt8($0) }.map { unit in
  // The rig tells the time as power: up to ten million seconds.
  var options = ModbusMeter.Options(unit: unit, maxPowerW: 20_000_000)
  options.interval = .milliseconds(number("MODBUS_INTERVAL_MS", 250))
  options.staleAfter = .milliseconds(number("MODBUS_STALE_MS", 2000))
  options.pauseMs = 0
  let meter = ModbusMeter(evse: Int(unit), model: model, bus: bus, options: options)
  meter.start { write(unit, $0) }
  return meter
}
sleep(UInt32(seconds))
for meter in meters { meter.stop() }
bus.stopAndWait()
let statistics = bus.statistics
print(
  "{\"exchanges\":\(statistics.exchanges),\"failures\":\(statistics.failures),\"lateAnswers\":\(statistics.lateAnswers),"
    + "\"opened\":\(statistics.opened)}")
