import DeviceModel
import StationCore
import Threads

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A temperature in a file of the kernel, read every `pollIntervalMs` on a thread of its own: a read of some sensors takes as long as
/// their bus. Every good value is reported with its time; the age of what is known is the reader's to watch.
///
/// `@unchecked Sendable`: everything that changes is used under `lock`.
public final class SysfsTemperature: TemperatureSensor, @unchecked Sendable {
  public let component: ComponentID
  private let binding: TemperatureBinding
  private let lock = Lock()
  private var report: (@Sendable (DriverUpdate) -> Void)?
  private var isStopping = false
  private var isRunning = false

  public init(_ binding: TemperatureBinding) {
    component = binding.component
    self.binding = binding
  }

  public func start(report: @escaping @Sendable (DriverUpdate) -> Void) {
    let started = lock.with {
      self.report = report
      isRunning = NamedThread.startDetached("temperature") { self.run() }
      return isRunning
    }
    if !started {
      report(DriverUpdate(.unknown("cannot start a thread", since: .now), health: .failed("cannot start a thread")))
    }
  }

  public func probe(_ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void) {
    let started = NamedThread.startDetached("temperature") { [binding] in
      let judge = TemperatureJudge(binding, at: .now)
      switch Self.read(binding.path).flatMap(judge.milliCelsius) {
      case .success(let value):
        answer(.found(DeviceIdentity("\(binding.path): \(value / 1000).\(abs(value % 1000) / 100) C")))
      case .failure(let failure): answer(.absent("\(binding.path): \(failure.text)"))
      }
    }
    if !started { answer(.absent("cannot start a thread")) }
  }

  public func stop() {
    let end = MonotonicTime.now + .seconds(1)
    lock.with {
      isStopping = true
      report = nil
      lock.signal()
      while isRunning, MonotonicTime.now < end { lock.wait(until: end) }
    }
  }

  private func run() {
    var judge = TemperatureJudge(binding, at: .now)
    while true {
      let begun = MonotonicTime.now
      let update = judge.read(Self.read(binding.path), at: begun)
      let report = lock.with { isStopping ? nil : self.report }
      if let update { report?(update) }
      let next = begun + .milliseconds(binding.pollIntervalMs)
      let isOver = lock.with {
        while !isStopping, MonotonicTime.now < next { lock.wait(until: next) }
        if isStopping {
          isRunning = false
          lock.signal()
        }
        return isStopping
      }
      if isOver { return }
    }
  }

  private static func read(_ path: String) -> Result<String, DeviceFailure> {
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { return .failure(DeviceFailure(text: DeviceText.error(errno))) }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = Glibc.read(file, &buffer, buffer.count)
    guard count > 0 else {
      return .failure(DeviceFailure(text: count == 0 ? "it is empty" : DeviceText.error(errno)))
    }
    return .success(String(decoding: buffer.prefix(count), as: UTF8.self))
  }
}
