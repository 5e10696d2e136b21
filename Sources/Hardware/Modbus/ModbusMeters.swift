import DeviceModel

/// The meters that a station's components are bound to, on as many buses as they name.
public struct ModbusMeters: Sendable {
  /// In the order of the bindings.
  public let meters: [ModbusMeter]
  public let buses: [ModbusBus]

  /// Opens nothing: a bus is opened by its first request. Bindings of one folder that has no errors agree on each bus;
  /// the longest response time-out of its meters is the bus's.
  public init(_ bindings: [MeterBinding]) {
    var byEndpoint: [ModbusEndpoint: ModbusBus] = [:]
    var buses: [ModbusBus] = []
    meters = bindings.map { binding in
      let endpoint = Self.endpoint(binding.bus)
      let bus: ModbusBus
      if let known = byEndpoint[endpoint] {
        bus = known
      } else {
        let timeout = bindings.filter { Self.endpoint($0.bus) == endpoint }.map(\.timeoutMs).max() ?? binding.timeoutMs
        bus = ModbusBus(endpoint, responseTimeout: .milliseconds(timeout))
        byEndpoint[endpoint] = bus
        buses.append(bus)
      }
      return ModbusMeter(evse: binding.evse, model: binding.model, bus: bus, options: Self.options(binding))
    }
    self.buses = buses
  }

  /// Ends all reading; the buses close by themselves.
  public func stop() {
    for meter in meters { meter.stop() }
    for bus in buses { bus.stop() }
  }

  static func endpoint(_ bus: MeterBinding.Bus) -> ModbusEndpoint {
    switch bus {
    case .serial(let device, let baud, let parity, let stopBits):
      return .serial(device: device, baud: baud, parity: parity.first ?? "N", stopBits: stopBits)
    case .tcp(let host, let port): return .tcp(host: host, port: port)
    }
  }

  static func options(_ binding: MeterBinding) -> ModbusMeter.Options {
    var options = ModbusMeter.Options(
      unit: UInt8(truncatingIfNeeded: binding.unit),
      maxPowerW: binding.maxPowerW ?? ModbusMeter.Options.defaultMaxPowerW(phases: binding.model.phases))
    options.inverted = binding.inverted
    options.interval = .milliseconds(binding.pollIntervalMs)
    options.staleAfter = .milliseconds(binding.staleAfterMs)
    options.serialNumber = binding.serialNumber
    options.maxRegistersPerRead = binding.maxRegisters
    options.pauseMs = binding.pauseMs
    return options
  }
}
