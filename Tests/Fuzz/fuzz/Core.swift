import DeviceModel
import OCPP

@testable import StationCore
@testable import StationRuntime

/// Lines of the control socket.
func fuzzControl(_ bytes: [UInt8]) {
  guard let object = try? JSONValue.parse(bytes), case .object = object else { return }
  _ = try? ControlCommand(object)
}

/// A station that is booted, each input a copy of it.
private let booted: Station = {
  let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
  let loaded = DeviceModel.load(directory: root + "/DeviceModel/ac-two-evse")
  expect(loaded.errorCount == 0, "the device model has errors")
  let now = StationTime(monotonic: 0, wall: 1_767_225_600_000)
  let start = StationStart(
    model: loaded.model, ledger: LedgerSnapshot(), seed: 1, bootReason: .powerUp, csmsURL: "ws://127.0.0.1:1",
    identity: "cp001")
  var station = Station(start, at: now)
  _ = station.handle(.start, at: now)
  let sent = station.handle(.link(.up(subprotocol: "ocpp2.0.1")), at: now)
  for case .send(let frame) in sent {
    guard let id = (try? JSONValue.parse(frame))?.arrayValue?[1].stringValue else { broken("no id") }
    let answer = #"[3,"\#(id)",{"currentTime":"2026-01-01T00:00:00Z","interval":300,"status":"Accepted"}]"#
    _ = station.handle(.link(.message(Array(answer.utf8))), at: now)
  }
  return station
}()

/// Frames of the CSMS, a line each, to a station that is in operation: it lives, answers valid frames only, and never closes a
/// contactor, since nobody has plugged in. What it commits and sends is of bounded size.
func fuzzStation(_ bytes: [UInt8]) {
  var station = booted
  var now = StationTime(monotonic: 1000, wall: 1_767_225_601_000)
  for line in bytes.split(separator: UInt8(ascii: "\n")).prefix(20) {
    now = StationTime(monotonic: now.monotonic + 500, wall: now.wall + 500)
    for action in station.handle(.link(.message(Array(line))), at: now) {
      switch action {
      case .send(let frame):
        if case .array? = try? JSONValue.parse(frame, maxDepth: 200) { break }
        broken("a frame that is no JSON array: \(String(decoding: frame, as: UTF8.self))")
      case .hardware(.contactor(_, close: true)): broken("a contactor closes without a vehicle")
      default: break
      }
    }
  }
}

/// Lines of a journal: what is read is written again the same.
func fuzzJournal(_ bytes: [UInt8]) {
  if let (input, at) = try? Journal.input(of: bytes) {
    var codes = KeyCodeNames()
    let line = Journal.line(for: input, at: at, clock: .unset, actions: [], &codes)
    guard let (again, _) = try? Journal.input(of: line) else { broken("an input that is written is not read") }
    expect(
      Journal.line(for: again, at: at, clock: .unset, actions: [], &codes) == line,
      "an input changes when it is written")
  }
  _ = try? Journal.start(of: bytes)
  _ = try? DeviceModel(serialized: bytes)
}
