import DeviceModel
import Glibc
import Hardware
import OCPP
import StationCore

// Runs the meter drivers of a device-model folder for a while and prints every report as a line of JSON: the rig's view of
// the drivers.
//
//   modbus-poll CONFIG_DIR METERS_DIR SECONDS
//
// Times are CLOCK_MONOTONIC in nanoseconds.

func fail(_ text: String) -> Never {
  let line = "modbus-poll: \(text)\n"
  _ = Glibc.write(STDERR_FILENO, line, line.utf8.count)
  exit(2)
}

func write(_ evse: Int, _ update: MeterUpdate) {
  var members = [JSONMember(name: "evse", value: .int(evse))]
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
    let others = value.others.map { sample in
      let name = sample.measurand.rawValue + (sample.phase.map { " " + $0.rawValue } ?? "")
      return JSONMember(name: name, value: .int(Int(sample.thousandths)))
    }
    if !others.isEmpty { add("others", .object(others)) }
  }
  add("raised", .array(update.raised.map { .string($0.name) }))
  add("cleared", .array(update.cleared.map { .string($0.name) }))
  add("health", .string("\(update.health)"))
  let line = JSONValue.object(members).text + "\n"
  _ = Glibc.write(STDOUT_FILENO, line, line.utf8.count)
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 3, let seconds = UInt32(arguments[2]) else { fail("CONFIG_DIR METERS_DIR SECONDS") }
let loaded = DeviceModel.load(directory: arguments[0], metersDirectory: arguments[1])
guard loaded.errorCount == 0, !loaded.meters.isEmpty else {
  fail(CheckReport(loaded, directory: arguments[0]).text)
}
let all = ModbusMeters(loaded.meters)
for meter in all.meters { meter.start { write(meter.evse, $0) } }
sleep(seconds)
all.stop()
for bus in all.buses { bus.stopAndWait() }
for bus in all.buses {
  let statistics = bus.statistics
  print(
    "{\"exchanges\":\(statistics.exchanges),\"failures\":\(statistics.failures),"
      + "\"lateAnswers\":\(statistics.lateAnswers),\"opened\":\(statistics.opened)}")
}
