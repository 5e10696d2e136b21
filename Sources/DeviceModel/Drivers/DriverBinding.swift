/// What a component is bound to, with every setting resolved: what a driver is made from.
public enum DriverBinding: Hashable, Sendable {
  /// The simulated hardware, by the file's word or because no component has a driver.
  case simulated(ComponentID)
  case meter(MeterBinding)
  case contactor(GPIOContactorBinding)
  case safetyInput(GPIOSafetyInputBinding)
  case rcd(GPIORCDBinding)
  case lock(GPIOLockBinding)
  case indicator(GPIOIndicatorBinding)

  public var component: ComponentID {
    switch self {
    case .simulated(let component): return component
    case .meter(let binding): return binding.component
    case .contactor(let binding): return binding.component
    case .safetyInput(let binding): return binding.component
    case .rcd(let binding): return binding.component
    case .lock(let binding): return binding.component
    case .indicator(let binding): return binding.component
    }
  }
}

extension LoadResult {
  /// The meters that components are bound to; complete only when there are no errors.
  public var meters: [MeterBinding] {
    bindings.compactMap { if case .meter(let binding) = $0 { binding } else { nil } }
  }
}
