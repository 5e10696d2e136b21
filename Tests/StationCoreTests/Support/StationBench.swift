import DeviceModel
import OCPP
import StationCore
import Testing

/// A station on the bench: the real core in virtual time, hardware that follows at once, and a CSMS that the test
/// plays. Nothing sleeps; time passes when the test says so.
final class StationBench {
  private(set) var station: Station
  private(set) var now = StationTime(monotonic: 1_000_000, wall: 1_767_225_600_000)  // 2026-01-01T00:00:00Z
  /// The ledger: what a restart would find.
  private(set) var ledger = LedgerSnapshot()
  private(set) var timers: [TimerID: Int64] = [:]
  /// Every action, in order.
  private(set) var actions: [Action] = []
  /// Calls of the station that the test has not looked at yet.
  private(set) var calls: [Call] = []
  /// Answers of the station, by message id.
  private(set) var answers: [String: Answer] = [:]
  private(set) var contactorClosed: [Int: Bool] = [:]
  private(set) var offers: [Int: Int64] = [:]
  /// What the meters answer when they are read.
  var readings: [Int: MeterReading] = [:]
  private(set) var connectRequests: [ConnectionRequest] = []
  /// Set false to play the contactor and the lock by hand.
  var hardwareFollows = true
  /// A car that asks leaves C when its offer ends, and comes back with the next one.
  var carsFollow = true
  private var asking: Set<Int> = []
  var answersPing = true
  /// Set to make commits fail; they leave nothing behind.
  var ledgerFails: LedgerFailure.Kind?
  /// What the CSMS answers by action; `nil` leaves the call open.
  var responder: (Call) -> JSONValue? = StationBench.accepting
  /// Everything that went in and came out, as `station run --journal` records it.
  private(set) var journal: [UInt8] = []
  private var codes = KeyCodeNames()
  private(set) var inputCount = 0
  private var isLinkUp = false
  private let csmsURL: String?
  /// What the ledger was after each commit: where the power may be cut.
  private(set) var ledgerHistory: [LedgerSnapshot] = []
  /// The certificate folder, which answers at once unless `holdsCertificates`.
  var folder = FakeCertificateFolder()
  var holdsCertificates = false
  private(set) var heldCertificates: [(id: Int64, request: CertificateRequest)] = []
  private(set) var certificateRequests: [CertificateRequest] = []
  /// Ledger and folder after each change of one of them.
  private(set) var history: [(ledger: LedgerSnapshot, certificates: [InstalledCertificate])] = []
  /// What the logs answer; `nil` leaves the request open.
  var logs: (LogRequest) -> LogReply? = { request in
    switch request {
    case .bound, .erase: .done
    case .prepare: .prepared(bytes: 1000)
    case .customer: .customer(lines: [], count: 0, problems: [])
    }
  }
  private(set) var logRequests: [(id: Int64, request: LogRequest)] = []
  private var nextID = 1
  /// What runs, as the installer says at once; `nil`: it does not answer.
  var running: RunningFirmware?
  /// What the installer answers at once when it is to keep what runs; `nil`: nothing yet.
  var keeps: InstallerReply? = .done
  private(set) var installerRequests: [(id: Int64, request: InstallerRequest)] = []
  private(set) var transferRequests: [(id: Int64, request: TransferRequest)] = []

  struct Call {
    var id: String
    var action: String
    var payload: JSONValue

    subscript(path: String) -> JSONValue? {
      path.split(separator: ".").reduce(payload) { (value: JSONValue?, name) in
        if let index = Int(name) { return value?.arrayValue.flatMap { index < $0.count ? $0[index] : nil } }
        return value?[String(name)]
      }
    }
    func text(_ path: String) -> String? { self[path]?.stringValue }
  }

  enum Answer: Equatable {
    case result(JSONValue)
    case error(String)

    func text(_ path: String) -> String? {
      guard case .result(let payload) = self else { return nil }
      return Call(id: "", action: "", payload: payload).text(path)
    }
  }

  init(
    _ settings: [String: String] = [:], folder: String = "ac-two-evse", ledger: LedgerSnapshot = LedgerSnapshot(),
    wall: Int64? = nil, csmsURL: String? = "ws://127.0.0.1:1", certificates: [InstalledCertificate] = [],
    model: DeviceModel? = nil, hasInstaller: Bool = false
  ) {
    self.ledger = ledger
    self.folder.inventory.certificates = certificates
    if let wall { now.wall = wall }
    let start = StationStart(
      model: model ?? Self.model(folder, settings), ledger: ledger, seed: 42, bootReason: .powerUp,
      csmsURL: csmsURL, identity: "cp001",
      certificates: self.folder.inventory, hasInstaller: hasInstaller)
    self.csmsURL = csmsURL
    station = Station(start, at: now)
    journal = Journal.line(for: start, at: now, &codes) + [0x0A]
  }

  static func model(_ folder: String, _ settings: [String: String]) -> DeviceModel {
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
    return model(directory: root + "/DeviceModel/" + folder, settings)
  }

  static func model(directory: String, _ settings: [String: String]) -> DeviceModel {
    let all = [
      "AlignedDataCtrlr/Interval": "0", "SampledDataCtrlr/TxUpdatedInterval": "0",
      "SampledDataCtrlr/TxEndedInterval": "0", "AlignedDataCtrlr/TxEndedInterval": "0",
      "OCPPCommCtrlr/RetryBackOffWaitMinimum": "1", "OCPPCommCtrlr/RetryBackOffRandomRange": "1",
      "ClockCtrlr/TimeSource": "NTP",
    ].merging(settings) { $1 }
    let result = DeviceModel.load(
      directory: directory, settings: all.map { "\($0.key)=\($0.value)" }.sorted())
    #expect(result.problems.filter { $0.severity == .error }.isEmpty)
    return result.model
  }

  static func accepting(_ call: Call) -> JSONValue? {
    switch call.action {
    case "BootNotification":
      return ["currentTime": "2026-01-01T00:00:00Z", "interval": 300, "status": "Accepted"]
    case "Heartbeat": return ["currentTime": "2026-01-01T00:00:00Z"]
    case "Authorize": return ["idTokenInfo": ["status": "Accepted"]]
    case "DataTransfer": return ["status": "Accepted"]
    case "TransactionEvent":
      return call["idToken"] == nil ? [:] : ["idTokenInfo": ["status": "Accepted"]]
    default: return [:]
    }
  }

  // MARK: Inputs

  /// Starts, connects and lets the CSMS answer until nothing is left to do.
  @discardableResult
  func boot() -> StationBench {
    input(.start)
    linkUp()
    return self
  }

  func linkUp(_ tls: TLSSession? = nil) {
    isLinkUp = true
    input(.link(.up(subprotocol: "ocpp2.0.1", tls: tls)))
  }

  func linkDown(_ reason: LinkDownReason = .lost("test")) {
    isLinkUp = false
    input(.link(.down(reason)))
  }

  func input(_ input: Input) {
    var pending = [input]
    while !pending.isEmpty {
      let next = pending.removeFirst()
      let produced = station.handle(next, at: now)
      journal += Journal.line(for: next, at: now, clock: station.clockSource, actions: produced, &codes) + [0x0A]
      inputCount += 1
      actions.append(contentsOf: produced)
      for (position, action) in produced.enumerated() {
        if case .commit(let writes) = action, let kind = ledgerFails {
          // As ActionSequencer does: what is behind the commit is refused, unless it waits for nothing.
          let behind = produced[(position + 1)...].filter {
            if case .commit = $0 { return false }
            if case .disconnect = $0 { return false }
            return !$0.isImmediate
          }
          for action in produced[(position + 1)...] where action.isImmediate { pending += carryOut(action) }
          pending.append(.commitFailed(LedgerFailure(kind, "test", keys: writes.map(\.key)), refused: Array(behind)))
          for action in produced[(position + 1)...] {
            if case .disconnect = action { pending += carryOut(action) }
          }
          break
        }
        pending.append(contentsOf: carryOut(action))
      }
    }
  }

  private func carryOut(_ action: Action) -> [Input] {
    switch action {
    case .commit(let writes):
      for write in writes { apply(write) }
      ledgerHistory.append(ledger)
      history.append((ledger, folder.inventory.certificates))
    case .certificates(let id, let request):
      certificateRequests.append(request)
      guard !holdsCertificates else {
        heldCertificates.append((id, request))
        return []
      }
      return [carryOut(id, request)]
    case .logs(let id, let request):
      logRequests.append((id, request))
      return logs(request).map { [.logs(id: id, $0)] } ?? []
    case .transfer(let id, let request): transferRequests.append((id, request))
    case .installer(let id, let request):
      installerRequests.append((id, request))
      if request == .state, let running { return [.installer(id: id, .state(running))] }
      if request == .keep, let keeps { return [.installer(id: id, keeps)] }
    case .setTimer(let id, let at): timers[id] = at
    case .cancelTimer(let id): timers[id] = nil
    case .connect(let request): connectRequests.append(request)
    case .disconnect:
      isLinkUp = false
      return [.link(.down(.closedByUs(code: 1001, reason: "")))]
    case .send(let frame): return sent(frame)
    case .confirm: return [.stored]
    case .ping: return answersPing ? [.link(.pong)] : []
    case .hardware(let command): return follow(command)
    default: break
    }
    return []
  }

  private func carryOut(_ id: Int64, _ request: CertificateRequest) -> Input {
    let before = folder.inventory
    let reply = folder.carryOut(request)
    if folder.inventory != before { history.append((ledger, folder.inventory.certificates)) }
    return .certificates(id: id, reply, folder.inventory)
  }

  /// The folder does what it was asked for and has not done yet.
  func carryOutHeldCertificates() {
    let held = heldCertificates
    heldCertificates = []
    for (id, request) in held { input(carryOut(id, request)) }
  }

  private func apply(_ write: LedgerWrite) {
    switch write {
    case .put(let collection, let key, let value): ledger.records[collection, default: [:]][key] = value
    case .delete(let collection, let key): ledger.records[collection]?[key] = nil
    case .enqueue(let message):
      ledger.outbox.removeAll { $0.id == message.id }
      ledger.outbox.append(message)
      ledger.outbox.sort { $0.id < $1.id }
    case .dequeue(let id): ledger.outbox.removeAll { $0.id == id }
    }
  }

  private func follow(_ command: HardwareCommand) -> [Input] {
    switch command {
    case .offer(let evse, _, let milliamperes):
      offers[evse] = milliamperes
      guard hardwareFollows, carsFollow, asking.contains(evse) else { return [] }
      return [.hardware(.pilot(evse: evse, connector: 1, state: milliamperes == nil ? .b : .c))]
    case .contactor(let evse, let close):
      guard hardwareFollows else { return [] }
      contactorClosed[evse] = close
      return [.hardware(.contactor(evse: evse, closed: close))]
    case .available: return []
    case .readMeters:
      return readings.sorted { $0.key < $1.key }.map { .hardware(.meter($0.value)) }
    case .lock(let evse, let connector, let locked):
      guard hardwareFollows else { return [] }
      var inputs: [Input] = [.hardware(.lock(evse: evse, connector: connector, locked: locked))]
      if !locked, !isPluggedIn.contains(evse) {
        inputs.append(.hardware(.cable(evse: evse, connector: connector, ratingAmperes: nil)))
      }
      return inputs
    }
  }

  private func sent(_ frame: [UInt8]) -> [Input] {
    guard case .array(let items)? = try? JSONValue.parse(frame), items.count >= 3, let id = items[1].stringValue else {
      Issue.record("not a frame: \(String(decoding: frame, as: UTF8.self))")
      return []
    }
    switch items[0].intValue {
    case 2:
      let call = Call(id: id, action: items[2].stringValue ?? "", payload: items[3])
      calls.append(call)
      guard let answer = responder(call) else { return [] }
      return [.link(.message(JSONValue.array([3, .string(id), answer]).bytes))]
    case 3: answers[id] = .result(items[2])
    case 4: answers[id] = .error(items[2].stringValue ?? "")
    default: Issue.record("unexpected frame")
    }
    return []
  }

  // MARK: What happens at the station

  private var isPluggedIn: Set<Int> = []

  func plugIn(_ evse: Int = 1, cableAmperes: Int = 32) {
    isPluggedIn.insert(evse)
    input(.hardware(.cable(evse: evse, connector: 1, ratingAmperes: cableAmperes)))
    input(.hardware(.pilot(evse: evse, connector: 1, state: .b)))
  }

  /// The vehicle leaves; the plug leaves the socket when the lock is open.
  func plugOut(_ evse: Int = 1) {
    isPluggedIn.remove(evse)
    asking.remove(evse)
    let isLocked = station.snapshot.evses[evse - 1].connectors[0].locked
    input(.hardware(.pilot(evse: evse, connector: 1, state: .a)))
    if !isLocked { input(.hardware(.cable(evse: evse, connector: 1, ratingAmperes: nil))) }
  }

  func pilot(_ state: PilotState, _ evse: Int = 1) {
    if state == .c || state == .d { asking.insert(evse) } else { asking.remove(evse) }
    input(.hardware(.pilot(evse: evse, connector: 1, state: state)))
  }

  func swipe(_ token: String = "DEADBEEF", evses: [Int]? = nil) {
    input(
      .hardware(
        .token(TokenPresentation(idToken: IdTokenType(idToken: token, type: .iso14443), evses: evses))))
  }

  func meter(_ evse: Int = 1, wattHours: Int64) {
    let reading = MeterReading(
      evse: evse, energyImport: wattHours * 1000, power: 11_000_000, current: [16_000, 16_000, 16_000],
      voltage: [230_000, 230_000, 230_000], frequency: 50_000)
    readings[evse] = reading
    input(.hardware(.meter(reading)))
  }

  /// Lets time pass, timers included, in order.
  func wait(milliseconds: Int64) {
    let end = now.monotonic + milliseconds
    while let next = timers.filter({ $0.value <= end }).min(by: { ($0.value, $0.key.name) < ($1.value, $1.key.name) }) {
      timers[next.key] = nil
      advance(to: max(now.monotonic, next.value))
      input(.timer(next.key))
    }
    advance(to: end)
  }

  /// Somebody sets the wall clock.
  func jumpWall(milliseconds: Int64) { now.wall += milliseconds }

  func wait(seconds: Int64) { wait(milliseconds: seconds * 1000) }

  private func advance(to monotonic: Int64) {
    now.wall += monotonic - now.monotonic
    now.monotonic = monotonic
  }

  // MARK: The CSMS

  /// A call of the CSMS; returns the station's answer.
  @discardableResult
  func call(_ action: String, _ payload: JSONValue) -> Answer? {
    let id = "csms-\(nextID)"
    nextID += 1
    input(.link(.message(JSONValue.array([2, .string(id), .string(action), payload]).bytes)))
    return answers[id]
  }

  func forgetCalls() { calls = [] }

  func calls(_ action: String) -> [Call] { calls.filter { $0.action == action } }

  /// The transaction events since the last `forgetCalls`, e.g. `Started CablePluggedIn EVConnected`.
  var events: [String] {
    calls("TransactionEvent").map { event in
      [event.text("eventType"), event.text("triggerReason"), event.text("transactionInfo.chargingState")]
        .compactMap { $0 }.joined(separator: " ")
    }
  }

  /// The same station after a power cut: its ledger, nothing else.
  func restarted(_ settings: [String: String] = [:]) -> StationBench {
    var ledger = ledger
    ledger.damage = nil
    return StationBench(
      settings, ledger: ledger, wall: now.wall, csmsURL: csmsURL, certificates: folder.inventory.certificates)
  }

  /// The same station after a power cut at an earlier moment.
  func restarted(
    _ settings: [String: String] = [:], from ledger: LedgerSnapshot, certificates: [InstalledCertificate] = []
  ) -> StationBench {
    StationBench(settings, ledger: ledger, wall: now.wall, csmsURL: csmsURL, certificates: certificates)
  }

  /// The value of a variable, as GetVariables tells it; `nil` when it does not.
  func variable(_ component: String, _ name: String) -> String? {
    call(
      "GetVariables",
      ["getVariableData": [["component": ["name": .string(component)], "variable": ["name": .string(name)]]]]
    )?.text("getVariableResult.0.attributeValue")
  }

  /// SetVariables of one variable; its status, or the code of the error.
  @discardableResult
  func setVariable(_ component: String, _ name: String, _ value: String) -> String? {
    let answer = call(
      "SetVariables",
      [
        "setVariableData": [
          [
            "component": ["name": .string(component)], "variable": ["name": .string(name)],
            "attributeValue": .string(value),
          ]
        ]
      ])
    if case .error(let code) = answer { return code }
    return answer?.text("setVariableResult.0.attributeStatus")
  }
}
