import DeviceModel
import Glibc
import Hardware
import OCPP
import StationCore

// Runs the drivers of a device-model folder that are not meters, prints every report as a line of JSON, and carries out
// commands: the rigs' view of the drivers.
//
//   driver-watch CONFIG_DIR METERS_DIR
//
// Commands, one a line: offer EVSE MILLIAMPERES|none, contactor EVSE close|open, lock EVSE on|off, unavailable EVSE on|off,
// rcd-test EVSE, rcd-reset EVSE, probe. The end of input stops the drivers. Times are CLOCK_MONOTONIC in nanoseconds.

func fail(_ text: String) -> Never {
  let line = "driver-watch: \(text)\n"
  _ = Glibc.write(STDERR_FILENO, line, line.utf8.count)
  exit(2)
}

@Sendable func write(_ component: ComponentID, _ more: [JSONMember]) {
  let head = [
    JSONMember(name: "component", value: .string("\(component)")),
    JSONMember(name: "at", value: .int(Int(MonotonicTime.now.nanoseconds))),
  ]
  let line = JSONValue.object(head + more).text + "\n"
  _ = Glibc.write(STDOUT_FILENO, line, line.utf8.count)
}

@Sendable func write(_ component: ComponentID, _ update: DriverUpdate) {
  var members: [JSONMember] = []
  func add(_ name: String, _ value: JSONValue) { members.append(JSONMember(name: name, value: value)) }
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
  switch update.reading.value {
  case .pilot(let state): add("pilot", .string(state.rawValue))
  case .cable(let rating): add("cable", .int(rating ?? 0))
  case .contactor(let closed): add("closed", .bool(closed))
  case .lock(let locked): add("locked", .bool(locked))
  case .lockFailed: add("lockFailed", .bool(true))
  case .tripped(let tripped): add("tripped", .bool(tripped))
  case .temperature(let value): add("milliCelsius", .int(Int(value)))
  case .token(let token):
    add("token", .string(token.idToken.idToken))
    add("type", .string(token.idToken.type.rawValue))
    add("evses", .array((token.evses ?? []).map { .int($0) }))
  case nil: break
  }
  add("raised", .array(update.raised.map { .string($0.name) }))
  add("cleared", .array(update.cleared.map { .string($0.name) }))
  add("health", .string("\(update.health)"))
  write(component, members)
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 2 else { fail("CONFIG_DIR METERS_DIR") }
let loaded = DeviceModel.load(directory: arguments[0], metersDirectory: arguments[1])
guard loaded.errorCount == 0, !loaded.bindings.isEmpty else {
  fail(CheckReport(loaded, directory: arguments[0]).text)
}
let buses = ModbusBuses(loaded.bindings)
let controllers = ControlPilots(loaded.bindings, buses: buses)
let readers = TokenReaders(loaded.bindings)
let sensors = TemperatureSensors(loaded.bindings)
let meters = ModbusMeters(loaded.meters, buses: buses)
var drivers: [any Hardware.Driver] = controllers.parts
drivers += controllers.pilots.map { $0 as any Hardware.Driver }
drivers += readers.readers.map { $0 as any Hardware.Driver } + sensors.sensors.map { $0 as any Hardware.Driver }
for driver in drivers {
  let component = driver.component
  driver.start { write(component, $0) }
}
for meter in meters.meters {
  let component = ComponentID("FiscalMetering", evse: meter.evse)
  meter.start { update in
    let isGood = if case .good = update.reading.quality { true } else { false }
    write(
      component,
      [
        JSONMember(name: "acquiredAt", value: .int(Int(update.reading.acquiredAt.nanoseconds))),
        JSONMember(name: "quality", value: isGood ? "good" : "none"),
        JSONMember(name: "raised", value: .array(update.raised.map { .string($0.name) })),
      ])
  }
}

while let line = readLine() {
  let words = line.split(separator: " ").map(String.init)
  let evse = words.count > 1 ? Int(words[1]) : nil
  let pilot = controllers.pilots.first { $0.evse == evse }
  func part<T>(_: T.Type) -> T? { controllers.parts.first { $0.evse == evse && $0 is T } as? T }
  switch (words.first, words.last) {
  case ("offer", let value): pilot?.offer(milliamperes: value.flatMap { Int64($0) })
  case ("contactor", let value): part((any Contactor).self)?.command(close: value == "close")
  case ("lock", let value): part((any ConnectorLock).self)?.command(locked: value == "on")
  case ("unavailable", let value): pilot?.setUnavailable(value == "on")
  case ("rcd-test", _): _ = part((any ResidualCurrentDevice).self)?.selfTest()
  case ("rcd-reset", _): _ = part((any ResidualCurrentDevice).self)?.reset()
  case ("probe", _):
    for driver in drivers {
      let component = driver.component
      driver.probe { write(component, [JSONMember(name: "probe", value: .string("\($0)"))]) }
    }
  default: fail("unknown command \(line)")
  }
}

for meter in meters.meters { meter.stop() }
readers.stop()
sensors.stop()
controllers.stop()
for bus in buses.all { bus.stopAndWait() }
for bus in buses.all {
  let counts = bus.statistics
  write(
    ComponentID("bus"),
    [
      JSONMember(name: "exchanges", value: .int(counts.exchanges)),
      JSONMember(name: "failures", value: .int(counts.failures)),
      JSONMember(name: "lateAnswers", value: .int(counts.lateAnswers)),
    ])
}
