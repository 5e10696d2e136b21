/// The conversation with a device that is a stream of bytes, as a value in virtual time: what arrives and what time it is goes
/// in; bytes and outputs come out.
protocol DeviceSession: Sendable {
  associatedtype Output: Sendable

  /// The device is there and can be written to.
  mutating func opened(at now: MonotonicTime)
  /// Something arrived; never more than 4096 bytes at once.
  mutating func received(_ bytes: [UInt8], at now: MonotonicTime)
  /// The device is gone, or could not be opened: why. It is tried again.
  mutating func lost(_ why: String, at now: MonotonicTime)
  /// `deadline` is reached.
  mutating func timeIsUp(at now: MonotonicTime)
  var deadline: MonotonicTime? { get }
  /// Bytes to send, in the order of the calls; at most 4096.
  mutating func takeBytes() -> [UInt8]
  mutating func takeOutputs() -> [Output]
  /// True once when the device has to be closed and opened anew.
  mutating func takeReopen() -> Bool
}

/// Why a device cannot be used.
struct DeviceFailure: Error, Hashable, Sendable {
  var text: String
}
