import DeviceModel
import Glibc
import Hardware
import StationCore

// Runs the GPIO drivers of a device-model folder, with station-relayd as its child, and says what they report: the rig's view of the
// drivers, and a station reduced to its safety path.
//
//   gpio-drivers CONFIG_DIR RELAYD
//
// Lines on stdout: `NS ACQUIRED COMPONENT EVSE VALUE [+FAULT]... [-FAULT]...`, times in nanoseconds of CLOCK_MONOTONIC; first
// `NS relayd PID`. On stdin: `close EVSE`, `open EVSE`, `lock EVSE`, `unlock EVSE`, `selftest`, `reset`, and
// `hang`: the lease is fed no more while everything else goes on. An input that trips opens all contactors at once, in the
// callback of its driver.

func fail(_ text: String) -> Never {
  let line = "gpio-drivers: \(text)\n"
  _ = Glibc.write(STDERR_FILENO, line, line.utf8.count)
  exit(2)
}

@Sendable func say(_ text: String) {
  let line = "\(MonotonicTime.now.nanoseconds) \(text)\n"
  _ = Glibc.write(STDOUT_FILENO, line, line.utf8.count)
}

@Sendable func text(_ reading: Reading<CapabilityValue>) -> String {
  switch reading.value {
  case .contactor(let closed): closed ? "closed" : "open"
  case .tripped(let tripped): tripped ? "tripped" : "clear"
  case .lock(let locked): locked ? "locked" : "unlocked"
  case .lockFailed: "lockFailed"
  case nil: "unknown"
  default: "other"
  }
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count == 2 else { fail("CONFIG_DIR RELAYD") }
let loaded = DeviceModel.load(directory: arguments[0])
guard loaded.errorCount == 0, !loaded.bindings.isEmpty else { fail(CheckReport(loaded, directory: arguments[0]).text) }
let gpio = GPIODrivers(loaded.bindings, relayd: .child(program: arguments[1]))
let contactors = gpio.contactors

for driver in gpio.all {
  let (name, evse) = (driver.component.name, driver.evse)
  let isTrip = driver is any SafetyInput || driver is any ResidualCurrentDevice
  driver.start { update in
    // Unknown is the dangerous case.
    if isTrip, update.reading.value != .tripped(false) {
      for contactor in contactors { contactor.command(close: false) }
    }
    let faults = update.raised.map { " +\($0.name)" } + update.cleared.map { " -\($0.name)" }
    say("\(update.reading.acquiredAt.nanoseconds) \(name) \(evse) \(text(update.reading))\(faults.joined())")
  }
}

var feeds = true
var child: Int32?
var waiting: [UInt8] = []
var nextFeed = MonotonicTime.now
while true {
  if MonotonicTime.now >= nextFeed {
    if feeds { gpio.lease?.feed() }
    nextFeed = .now + .milliseconds(100)
  }
  if let process = gpio.lease?.childProcess, process != child {
    child = process
    say("relayd \(process)")
  }
  var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
  let left = max(0, (nextFeed - .now).milliseconds + 1)
  guard poll(&input, 1, CInt(left)) > 0 else { continue }
  var buffer = [UInt8](repeating: 0, count: 256)
  let count = read(STDIN_FILENO, &buffer, buffer.count)
  if count <= 0 { break }
  waiting += buffer.prefix(count)
  while let end = waiting.firstIndex(of: UInt8(ascii: "\n")) {
    let words = String(decoding: waiting[..<end], as: UTF8.self).split(separator: " ")
    waiting.removeSubrange(...end)
    let evse = words.count > 1 ? Int(words[1]) : nil
    switch words.first {
    case "close": for contactor in contactors where contactor.evse == evse { contactor.command(close: true) }
    case "open": for contactor in contactors where contactor.evse == evse { contactor.command(close: false) }
    case "lock": for lock in gpio.locks where lock.evse == evse { lock.command(locked: true) }
    case "unlock": for lock in gpio.locks where lock.evse == evse { lock.command(locked: false) }
    case "selftest": for rcd in gpio.rcds { _ = rcd.selfTest() }
    case "reset": for rcd in gpio.rcds { _ = rcd.reset() }
    case "hang": feeds = false
    default: fail("unknown command: \(words.joined(separator: " "))")
    }
  }
}
gpio.stop()
