import DeviceModel

/// The meters that a station's components are bound to, on as many buses as they name.
public struct ModbusMeters: Sendable {
  /// In the order of the bindings.
  public let meters: [ModbusMeter]
  public let buses: [ModbusBus]

  /// Meters that have their buses to themselves.
  public init(_ bindings: [MeterBinding]) {
    self.init(bindings, buses: ModbusBuses(bindings.map(DriverBinding.meter)))
  }

  /// Meters on buses that they share with other drivers; `buses` was made from their bindings too.
  public init(_ bindings: [MeterBinding], buses shared: ModbusBuses) {
    meters = bindings.compactMap { binding in
      guard let bus = shared.bus(binding.bus) else { return nil }
      return ModbusMeter(evse: binding.evse, model: binding.model, bus: bus, options: Self.options(binding))
    }
    buses = shared.all.filter { bus in bindings.contains { ModbusEndpoint($0.bus) == bus.endpoint } }
  }

  /// Ends all reading and stops the buses, whoever else is on them; they close by themselves.
  public func stop() {
    for meter in meters { meter.stop() }
    for bus in buses { bus.stop() }
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
