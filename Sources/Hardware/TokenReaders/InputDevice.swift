import DeviceModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Finds and opens an input device of the kernel (evdev).
enum InputDevice {
  /// Devices that are looked at.
  static let maxDevices = 64

  // linux/input.h: EVIOCGRAB, EVIOCGID, EVIOCGNAME(256) as made by _IOW and _IOR of asm-generic/ioctl.h.
  private static let grab: UInt = 0x4004_4590
  private static let identity: UInt = 0x8008_4502
  private static let name: UInt = 0x8100_4506

  /// The first device that fits, for this process alone (EVIOCGRAB), so that nothing of it is typed elsewhere.
  static func open(_ wanted: TokenReaderBinding.InputDevice) -> Result<Int32, DeviceFailure> {
    if let path = wanted.path {
      switch examine(path, wanted) {
      case .fits(let descriptor): return take(descriptor, path)
      case .other(let what): return .failure(DeviceFailure(text: "\(path) is \(what), not \(text(wanted))"))
      case .failed(let why): return .failure(DeviceFailure(text: "\(path): \(why)"))
      }
    }
    var refused: String?
    for number in 0..<maxDevices {
      let path = "/dev/input/event\(number)"
      switch examine(path, wanted) {
      case .fits(let descriptor): return take(descriptor, path)
      case .other: continue
      case .failed(let why): if access(path, F_OK) == 0 { refused = refused ?? "\(path): \(why)" }
      }
    }
    let more = refused.map { "; \($0)" } ?? ""
    return .failure(DeviceFailure(text: "no input device is \(text(wanted))\(more)"))
  }

  private enum Examined {
    case fits(Int32)
    case other(String)
    case failed(String)
  }

  private static func examine(_ path: String, _ wanted: TokenReaderBinding.InputDevice) -> Examined {
    let descriptor = Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return .failed(DeviceText.error(errno)) }
    // bustype, vendor, product, version
    var numbers = [UInt16](repeating: 0, count: 4)
    var letters = [UInt8](repeating: 0, count: 256)
    guard numbers.withUnsafeMutableBytes({ ioctl(descriptor, identity, $0.baseAddress!) }) >= 0,
      letters.withUnsafeMutableBytes({ ioctl(descriptor, name, $0.baseAddress!) }) >= 0
    else {
      let why = errno == ENOTTY ? "no input device" : DeviceText.error(errno)
      close(descriptor)
      return .failed(why)
    }
    let called = String(decoding: letters.prefix { $0 != 0 }, as: UTF8.self)
    let fits =
      (wanted.vendor ?? numbers[1]) == numbers[1] && (wanted.product ?? numbers[2]) == numbers[2]
      && (wanted.name ?? called) == called
    if fits { return .fits(descriptor) }
    close(descriptor)
    return .other("\(hex(numbers[1])):\(hex(numbers[2])) \"\(called)\"")
  }

  private static func take(_ descriptor: Int32, _ path: String) -> Result<Int32, DeviceFailure> {
    guard ioctl(descriptor, grab, 1 as Int32) == 0 else {
      let why = errno == EBUSY ? "in use by another process" : DeviceText.error(errno)
      close(descriptor)
      return .failure(DeviceFailure(text: "\(path): \(why)"))
    }
    return .success(descriptor)
  }

  static func text(_ device: TokenReaderBinding.InputDevice) -> String {
    var parts: [String] = []
    if let vendor = device.vendor, let product = device.product { parts.append("\(hex(vendor)):\(hex(product))") }
    if let name = device.name { parts.append("\"\(name)\"") }
    if let path = device.path { parts.append(path) }
    return parts.joined(separator: " ")
  }

  private static func hex(_ number: UInt16) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 4 - digits.count) + digits
  }
}
