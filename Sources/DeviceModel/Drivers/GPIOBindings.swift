/// One line of a GPIO chip, with every setting resolved.
public struct GPIOLine: Hashable, Sendable {
  public enum Place: Hashable, Sendable {
    case name(String)
    case offset(Int)
  }
  /// What the chip does with the line while nobody drives it.
  public enum Bias: String, Hashable, Sendable, CaseIterable {
    case asIs = "as-is"
    case pullUp = "pull-up"
    case pullDown = "pull-down"
    case disabled
  }
  public enum Drive: String, Hashable, Sendable, CaseIterable {
    case pushPull = "push-pull"
    case openDrain = "open-drain"
    case openSource = "open-source"
  }

  /// `gpiochip0`, an absolute path, or the chip's label.
  public var chip: String
  public var place: Place
  /// The line is active while its level is low.
  public var activeLow: Bool
  public var bias: Bias
  public var drive: Drive

  public init(
    chip: String, place: Place, activeLow: Bool = false, bias: Bias = .asIs, drive: Drive = .pushPull
  ) {
    self.chip = chip
    self.place = place
    self.activeLow = activeLow
    self.bias = bias
    self.drive = drive
  }

  /// `line RELAY1 on gpiochip0`.
  public var text: String {
    switch place {
    case .name(let name): return "line \(name) on \(chip)"
    case .offset(let offset): return "line \(offset) on \(chip)"
    }
  }
}

/// An input behind a contact. The line is active while the contact is closed, so that current flows.
public struct GPIOContact: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// Open at rest.
    case normallyOpen = "NO"
    /// Closed at rest: a broken wire looks like the contact's action.
    case normallyClosed = "NC"
  }

  public var line: GPIOLine
  public var kind: Kind

  public init(line: GPIOLine, kind: Kind) {
    self.line = line
    self.kind = kind
  }

  /// Whether it is acted upon (tripped, closed, locked) while the line is active or not.
  public func isActuated(active: Bool) -> Bool { active == (kind == .normallyOpen) }
}

/// An output that is switched on for a time.
public struct GPIOPulse: Hashable, Sendable {
  public var line: GPIOLine
  public var pulseMs: Int
  /// From the beginning of the pulse: when its effect must have been seen.
  public var timeoutMs: Int

  public init(line: GPIOLine, pulseMs: Int, timeoutMs: Int) {
    self.line = line
    self.pulseMs = pulseMs
    self.timeoutMs = timeoutMs
  }
}

/// A power contactor on lines of station-relayd.
public struct GPIOContactorBinding: Hashable, Sendable {
  public struct Heartbeat: Hashable, Sendable {
    public var line: GPIOLine
    /// One change of the level up and one down.
    public var periodMs: Int

    public init(line: GPIOLine, periodMs: Int) {
      self.line = line
      self.periodMs = periodMs
    }
  }

  public var component: ComponentID
  /// 1 to 4, switched together.
  public var lines: [GPIOLine]
  /// `nil`: whether it is closed is what was commanded.
  public var mirror: GPIOContact?
  /// The most that the contactor may take, by its mirror.
  public var openingMs: Int
  public var closingMs: Int
  /// How long a contactor stays closed without a word from the station; one for all of a station.
  public var leaseMs: Int
  /// One for all of a station.
  public var heartbeat: Heartbeat?

  public init(
    component: ComponentID, lines: [GPIOLine], mirror: GPIOContact?, openingMs: Int = 100, closingMs: Int = 200,
    leaseMs: Int = 350, heartbeat: Heartbeat? = nil
  ) {
    self.component = component
    self.lines = lines
    self.mirror = mirror
    self.openingMs = openingMs
    self.closingMs = closingMs
    self.leaseMs = leaseMs
    self.heartbeat = heartbeat
  }

  public var evse: Int { component.evse ?? 0 }
}

/// Emergency stop, door, tilt, flood, supply-good; and the sensor of a parking bay, which stops nothing.
public struct GPIOSafetyInputBinding: Hashable, Sendable {
  public var component: ComponentID
  public var contact: GPIOContact
  /// How long the safe state must last to count. The dangerous one counts at its first edge.
  public var debounceMs: Int

  public init(component: ComponentID, contact: GPIOContact, debounceMs: Int = 50) {
    self.component = component
    self.contact = contact
    self.debounceMs = debounceMs
  }
}

public struct GPIORCDBinding: Hashable, Sendable {
  public var component: ComponentID
  public var trip: GPIOContact
  public var debounceMs: Int
  public var test: GPIOPulse?
  public var reset: GPIOPulse?

  public init(
    component: ComponentID, trip: GPIOContact, debounceMs: Int = 50, test: GPIOPulse? = nil, reset: GPIOPulse? = nil
  ) {
    self.component = component
    self.trip = trip
    self.debounceMs = debounceMs
    self.test = test
    self.reset = reset
  }
}

public struct GPIOLockBinding: Hashable, Sendable {
  public enum Actuator: Hashable, Sendable {
    /// A motor: `direction` is active for locking, `pulse` lets it run.
    case motor(direction: GPIOLine, pulse: GPIOLine, pulseMs: Int)
    /// A magnet: active is locked.
    case hold(GPIOLine)
  }

  public var component: ComponentID
  public var actuator: Actuator
  /// Acted upon while it is locked.
  public var feedback: GPIOContact
  public var debounceMs: Int
  /// From the command to the feedback, at most.
  public var timeoutMs: Int

  public init(
    component: ComponentID, actuator: Actuator, feedback: GPIOContact, debounceMs: Int = 20, timeoutMs: Int = 1500
  ) {
    self.component = component
    self.actuator = actuator
    self.feedback = feedback
    self.debounceMs = debounceMs
    self.timeoutMs = timeoutMs
  }
}

public struct GPIOIndicatorBinding: Hashable, Sendable {
  public enum Colour: String, Hashable, Sendable, CaseIterable {
    case red, green, blue
  }
  public enum Light: Hashable, Sendable {
    case line(GPIOLine)
    /// A name in /sys/class/leds.
    case led(String)
  }

  public var component: ComponentID
  public var lights: [Colour: Light]

  public init(component: ComponentID, lights: [Colour: Light]) {
    self.component = component
    self.lights = lights
  }
}
