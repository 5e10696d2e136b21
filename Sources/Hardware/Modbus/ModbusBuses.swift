import DeviceModel

/// The buses of a station: one for each line or address, however many drivers are on it.
public final class ModbusBuses: Sendable {
  /// In the order of the bindings.
  public let all: [ModbusBus]
  private let byEndpoint: [ModbusEndpoint: ModbusBus]

  /// Opens nothing: a bus is opened by its first request. Bindings of one folder that has no errors agree on each bus; the
  /// longest response time-out of its users is the bus's.
  public init(_ bindings: [DriverBinding]) {
    var timeouts: [(endpoint: ModbusEndpoint, milliseconds: Int)] = []
    for binding in bindings {
      let (bus, timeout): (MeterBinding.Bus, Int)
      switch binding {
      case .meter(let meter): (bus, timeout) = (meter.bus, meter.timeoutMs)
      case .evseController(let controller): (bus, timeout) = (controller.bus, controller.timeoutMs)
      default: continue
      }
      let endpoint = ModbusEndpoint(bus)
      if let index = timeouts.firstIndex(where: { $0.endpoint == endpoint }) {
        timeouts[index].milliseconds = max(timeouts[index].milliseconds, timeout)
      } else {
        timeouts.append((endpoint, timeout))
      }
    }
    all = timeouts.map { ModbusBus($0.endpoint, responseTimeout: .milliseconds($0.milliseconds)) }
    byEndpoint = Dictionary(uniqueKeysWithValues: all.map { ($0.endpoint, $0) })
  }

  /// The bus of a binding that this was made from.
  public func bus(_ bus: MeterBinding.Bus) -> ModbusBus? { byEndpoint[ModbusEndpoint(bus)] }

  /// Everything that waits fails; the wires are closed after what is under way. To be called when the drivers have stopped.
  public func stop() {
    for bus in all { bus.stop() }
  }
}

extension ModbusEndpoint {
  init(_ bus: MeterBinding.Bus) {
    switch bus {
    case .serial(let device, let baud, let parity, let stopBits):
      self = .serial(device: device, baud: baud, parity: parity.first ?? "N", stopBits: stopBits)
    case .tcp(let host, let port): self = .tcp(host: host, port: port)
    }
  }
}
