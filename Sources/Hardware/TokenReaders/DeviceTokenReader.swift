import DeviceModel
import OCPP
import StationCore
import Threads

/// A typing reader as a session: bytes of input_event in, tokens out.
struct KeyWedgeSession: DeviceSession {
  typealias Output = PN532Session.Output

  private var wedge: KeyWedge
  private let name: String
  private var outputs: [Output] = []

  init(_ wedge: KeyWedge, name: String) {
    self.wedge = wedge
    self.name = name
  }

  mutating func opened(at now: MonotonicTime) {
    wedge.reset()
    outputs.append(.ready(name))
  }

  mutating func received(_ bytes: [UInt8], at now: MonotonicTime) {
    outputs += wedge.take(bytes, at: now).map(Output.card)
  }

  mutating func lost(_ why: String, at now: MonotonicTime) {
    wedge.reset()
    outputs.append(.lost(why))
  }

  mutating func timeIsUp(at now: MonotonicTime) {}
  var deadline: MonotonicTime? { nil }
  mutating func takeBytes() -> [UInt8] { [] }
  mutating func takeOutputs() -> [Output] {
    defer { outputs = [] }
    return outputs
  }
  mutating func takeReopen() -> Bool { false }
}

/// A token reader on a thread of its own: a keyboard wedge (evdev) or a PN532. A reader that cannot be read has the fault
/// `TokenReaderFailure` (low: nobody is endangered) until it answers again.
public final class DeviceTokenReader: TokenReader, Sendable {
  public let component: ComponentID
  private let binding: TokenReaderBinding
  private let device: Device
  private let hearing: Hearing

  private enum Device: Sendable {
    case wedge(DeviceLoop<KeyWedgeSession>)
    case pn532(DeviceLoop<PN532Session>)
  }

  public convenience init(_ binding: TokenReaderBinding) {
    self.init(binding) {
      switch binding.source {
      case .evdev(let device, _, _): InputDevice.open(device)
      case .pn532(let device, _): SerialPort.open(device, baud: 115_200)
      }
    }
  }

  init(_ binding: TokenReaderBinding, open: @escaping @Sendable () -> Result<Int32, DeviceFailure>) {
    component = binding.component
    self.binding = binding
    let hearing = Hearing(binding)
    self.hearing = hearing
    switch binding.source {
    case .evdev(let device, let hexadecimal, let lengths):
      let wedge = KeyWedge(hexadecimal: hexadecimal, lengths: lengths)
      let session = KeyWedgeSession(wedge, name: InputDevice.text(device))
      self.device = .wedge(DeviceLoop("evdev", session, open: open) { hearing.hear($0) })
    case .pn532(_, let rearm):
      let session = PN532Session(rearm: .milliseconds(rearm))
      device = .pn532(DeviceLoop("pn532", session, open: open) { hearing.hear($0) })
    }
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) {
    hearing.begin(report)
    let started =
      switch device {
      case .wedge(let loop): loop.start()
      case .pn532(let loop): loop.start()
      }
    if !started { hearing.hear([.lost("cannot start a thread")]) }
  }

  public func stop() {
    switch device {
    case .wedge(let loop): loop.stop()
    case .pn532(let loop): loop.stop()
    }
    hearing.end()
  }

  /// What the last opening gave: answered at once.
  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) { answer(hearing.identity) }

  /// `@unchecked Sendable`: everything that changes is used under `lock`.
  private final class Hearing: @unchecked Sendable {
    private let binding: TokenReaderBinding
    private let lock = Lock()
    private var report: (@Sendable (DriverUpdate) -> Void)?
    private var isFailed = false
    private var ready: String?
    private var why = "not opened yet"

    init(_ binding: TokenReaderBinding) { self.binding = binding }

    func begin(_ report: @escaping @Sendable (DriverUpdate) -> Void) { lock.with { self.report = report } }

    func end() { lock.with { report = nil } }

    var identity: ProbeResult<DeviceIdentity> {
      lock.with { ready.map { .found(DeviceIdentity($0)) } ?? .absent(why) }
    }

    func hear(_ outputs: [PN532Session.Output]) {
      for output in outputs {
        let (report, update) = lock.with { (self.report, self.update(output)) }
        if let update { report?(update) }
      }
    }

    /// Under the lock.
    private func update(_ output: PN532Session.Output) -> DriverUpdate? {
      let fault = HardwareFault(
        name: PilotFaults.reader, evse: binding.component.evse ?? 0, connector: binding.component.connector,
        severity: .low)
      switch output {
      case .card(let text):
        let token = IdTokenType(idToken: text, type: IdTokenEnumType(unchecked: binding.idTokenType))
        return DriverUpdate(.good(.token(TokenPresentation(idToken: token, evses: binding.evses)), at: .now))
      case .ready(let name):
        ready = name
        guard isFailed else { return nil }
        isFailed = false
        return DriverUpdate(.unknown("no token yet", since: .now), cleared: [fault])
      case .lost(let reason):
        ready = nil
        why = reason
        guard !isFailed else { return nil }
        isFailed = true
        return DriverUpdate(.unknown(reason, since: .now), raised: [fault], health: .failed(reason))
      }
    }
  }
}
