#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A point of the machine's monotonic clock (CLOCK_MONOTONIC), in nanoseconds. Comparable within one boot only.
public struct MonotonicTime: Hashable, Comparable, Sendable {
  public var nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public static var now: MonotonicTime {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
  public static func + (a: Self, b: TimeSpan) -> Self { Self(nanoseconds: a.nanoseconds + b.nanoseconds) }
  public static func - (a: Self, b: Self) -> TimeSpan { TimeSpan(nanoseconds: a.nanoseconds - b.nanoseconds) }
}

/// A length of time in nanoseconds.
public struct TimeSpan: Hashable, Comparable, Sendable {
  public var nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public static let zero = TimeSpan(nanoseconds: 0)
  public static func milliseconds(_ count: Int) -> Self { Self(nanoseconds: Int64(count) * 1_000_000) }
  public static func microseconds(_ count: Int) -> Self { Self(nanoseconds: Int64(count) * 1000) }
  public static func seconds(_ count: Int) -> Self { Self(nanoseconds: Int64(count) * 1_000_000_000) }

  /// Rounded towards zero.
  public var milliseconds: Int64 { nanoseconds / 1_000_000 }

  public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
  public static func + (a: Self, b: Self) -> Self { Self(nanoseconds: a.nanoseconds + b.nanoseconds) }
  public static func * (a: Self, factor: Int) -> Self { Self(nanoseconds: a.nanoseconds * Int64(factor)) }
}

/// How far a reading can be trusted.
public enum Quality: Hashable, Sendable {
  case good
  /// It was read, but contradicts what was read before; the text says how. Not to be acted on or billed.
  case suspect(String)
  /// There is no value; the text says why.
  case unknown(String)
}

/// What a device gave, or that it gave nothing.
public struct Reading<Value: Hashable & Sendable>: Hashable, Sendable {
  /// `nil` exactly when the quality is `unknown`.
  public let value: Value?
  /// When the value was acquired: the moment at which it was asked for, so that it is never older than it says. Of
  /// an unknown one: since when it has been unknown. A reading keeps this for ever; an old value is not stamped anew.
  public let acquiredAt: MonotonicTime
  public let quality: Quality

  public static func good(_ value: Value, at time: MonotonicTime) -> Self {
    Self(value: value, acquiredAt: time, quality: .good)
  }

  public static func suspect(_ value: Value, _ reason: String, at time: MonotonicTime) -> Self {
    Self(value: value, acquiredAt: time, quality: .suspect(reason))
  }

  public static func unknown(_ reason: String, since time: MonotonicTime) -> Self {
    Self(value: nil, acquiredAt: time, quality: .unknown(reason))
  }
}

/// How a device is doing.
public enum Health: Hashable, Sendable {
  /// Nothing has been heard of it yet.
  case starting
  case working
  /// It works, with failures: the last one.
  case degraded(String)
  /// It does not work: why.
  case failed(String)
}

/// What asking a device for its identity gave.
public enum ProbeResult<Identity: Hashable & Sendable>: Hashable, Sendable {
  /// The device answered; this is what it says it is.
  case found(Identity)
  /// Nothing answered: why.
  case absent(String)
  /// Something answered that is not what is expected: what.
  case different(String)
}
