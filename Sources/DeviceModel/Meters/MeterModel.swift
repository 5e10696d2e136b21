import OCPP

/// What a Modbus meter of one make and type answers where: a file of `meters/`.
public struct MeterModel: Hashable, Sendable {
  /// How well founded a register map is: `high`: two independent sources agree; `medium`: one maintained driver;
  /// `low`: one source, not confirmed.
  public enum Confidence: String, Hashable, Sendable, CaseIterable {
    case high, medium, low
  }

  /// The serial line a meter comes with.
  public struct SerialDefaults: Hashable, Sendable {
    public var baud: Int
    /// `N`, `E` or `O`.
    public var parity: String
    public var stopBits: Int
    public var unit: Int
    public var confidence: Confidence
  }

  /// A register that tells what the device is.
  public struct IdentityField: Hashable, Sendable {
    /// `serialNumber`, `model`, `deviceCode`, ...
    public var name: String
    public var field: MeterField
    /// What the register holds on devices of this model, and what that means; empty: anything.
    public var values: [UInt64: String]
    /// How the text begins on devices of this model.
    public var prefix: String?

    /// The field decides whether a device is of this model.
    public var decides: Bool { !values.isEmpty || prefix != nil }
  }

  /// Its name in `driver` objects; the name of its file without `.json`.
  public var id: String
  public var vendor: String
  /// The type designations that it stands for.
  public var names: [String]
  /// 1 or 3.
  public var phases: Int
  public var confidence: Confidence
  /// Where the map comes from; at least one.
  public var sources: [String]
  public var notes: [String]
  public var serial: SerialDefaults?
  /// Registers that one read may ask for, 1 to 125.
  public var maxRegistersPerRead: Int
  /// Registers between two quantities that may be read over to join two reads; 0: the device may refuse them.
  public var maxGap: Int
  /// Silence on the bus before each request, in milliseconds.
  public var pauseMs: Int
  public var identity: [IdentityField]
  public var quantities: [MeterQuantity: MeterField]
}

/// A quantity that a meter measures, for all phases together or for one.
public struct MeterQuantity: Hashable, Sendable, Comparable, CustomStringConvertible {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case energyImport, energyExport, energySum, power, current, voltage, frequency, powerReactive, powerFactor,
      temperature

    /// The SI unit of its values; the decoder counts in thousandths of it.
    public var unit: String {
      switch self {
      case .energyImport, .energyExport, .energySum: return "Wh"
      case .power: return "W"
      case .current: return "A"
      case .voltage: return "V"
      case .frequency: return "Hz"
      case .powerReactive: return "var"
      case .powerFactor: return ""
      case .temperature: return "Cel"
      }
    }
  }

  public var kind: Kind
  /// 1 to 3; `nil` is the device as a whole.
  public var phase: Int?

  public init(_ kind: Kind, phase: Int? = nil) {
    self.kind = kind
    self.phase = phase
  }

  /// Reads `power`, `current.L1`.
  public init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard let first = parts.first, let kind = Kind(rawValue: String(first)), parts.count <= 2 else { return nil }
    self.kind = kind
    if parts.count == 2 {
      switch parts[1] {
      case "L1": phase = 1
      case "L2": phase = 2
      case "L3": phase = 3
      default: return nil
      }
    }
  }

  public var description: String { phase.map { "\(kind.rawValue).L\($0)" } ?? kind.rawValue }

  /// In the order of the kinds, the total before the phases.
  public static func < (a: Self, b: Self) -> Bool { a.rank < b.rank }

  private var rank: Int { (Kind.allCases.firstIndex(of: kind) ?? 0) * 4 + (phase ?? 0) }
}

/// A value as it lies in registers: one number or text, or several numbers that are added.
public struct MeterField: Hashable, Sendable {
  public enum FieldType: String, Hashable, Sendable, CaseIterable {
    case int16, uint16, int32, uint32, int64, uint64, float32, float64
    /// 32 bits: a signed decimal exponent in the high byte, and a signed (`decimal32`) or unsigned value of 24 bits.
    case decimal32, udecimal32
    /// Two characters a register, the first in the high byte; ends at a zero byte.
    case string

    /// Registers that it takes; `nil` for a string.
    public var registers: Int? {
      switch self {
      case .int16, .uint16: return 1
      case .int32, .uint32, .float32, .decimal32, .udecimal32: return 2
      case .int64, .uint64, .float64: return 4
      case .string: return nil
      }
    }
  }

  public struct Span: Hashable, Sendable {
    /// 3 reads holding registers, 4 input registers.
    public var function: UInt8
    /// As on the wire, from 0.
    public var address: Int
    public var registers: Int
    /// It must be read by itself.
    public var alone: Bool

    public init(function: UInt8, address: Int, registers: Int, alone: Bool = false) {
      self.function = function
      self.address = address
      self.registers = registers
      self.alone = alone
    }
  }

  /// A register with the power of ten that a value is multiplied by.
  public struct Exponent: Hashable, Sendable {
    public var span: Span
    public var signed: Bool
    public var bias: Int
  }

  public struct Part: Hashable, Sendable {
    public var span: Span
    public var type: FieldType
    /// The least significant register comes first.
    public var lowWordFirst: Bool
    /// What the number is multiplied by to be in the quantity's unit.
    public var scale: DecimalNumber
    public var exponent: Exponent?
    /// The bits that say "no value".
    public var unavailable: UInt64?
  }

  public var parts: [Part]

  /// Everything that must be read for it.
  public var spans: [Span] { parts.map(\.span) + parts.compactMap { $0.exponent?.span } }
}
