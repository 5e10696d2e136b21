/// What a component is bound to, with every setting resolved: what a driver is made from.
public enum DriverBinding: Hashable, Sendable {
  /// The simulated hardware, by the file's word or because no component has a driver.
  /// `signing`: it is a meter that signs its readings.
  case simulated(ComponentID, signing: SimulatedSigning? = nil)
  case meter(MeterBinding)
  case contactor(GPIOContactorBinding)
  case safetyInput(GPIOSafetyInputBinding)
  case rcd(GPIORCDBinding)
  case lock(GPIOLockBinding)
  case indicator(GPIOIndicatorBinding)
  case evseController(EVSEControllerBinding)
  case safetyController(SafetyControllerBinding)
  case controllerPart(ControllerPartBinding)
  case tokenReader(TokenReaderBinding)
  case temperature(TemperatureBinding)

  public var component: ComponentID {
    switch self {
    case .simulated(let component, _): return component
    case .meter(let binding): return binding.component
    case .contactor(let binding): return binding.component
    case .safetyInput(let binding): return binding.component
    case .rcd(let binding): return binding.component
    case .lock(let binding): return binding.component
    case .indicator(let binding): return binding.component
    case .evseController(let binding): return binding.component
    case .safetyController(let binding): return binding.component
    case .controllerPart(let binding): return binding.component
    case .tokenReader(let binding): return binding.component
    case .temperature(let binding): return binding.component
    }
  }
}

extension LoadResult {
  /// The meters that components are bound to; complete only when there are no errors.
  public var meters: [MeterBinding] {
    bindings.compactMap { if case .meter(let binding) = $0 { binding } else { nil } }
  }

  /// The EVSEs whose simulated meters sign; 0 is the main meter.
  public var signingMeters: [Int] {
    bindings.compactMap { binding in
      guard case .simulated(let component, .some) = binding else { return nil }
      return component.evse ?? 0
    }
  }
}
