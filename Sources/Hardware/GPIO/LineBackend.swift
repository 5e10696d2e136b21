import CGPIOD
import DeviceModel
import Threads

/// What asking for a line or using it gave instead: for people.
struct LineFailure: Error, Hashable, Sendable {
  var text: String
}

/// An edge of an input.
struct LineEdge: Hashable, Sendable {
  /// The logical value after it.
  var active: Bool
  var at: MonotonicTime
}

/// What is asked of a line.
struct LineRequest: Hashable, Sendable {
  enum Direction: Hashable, Sendable {
    /// `debounce`: by the kernel, where it can (libgpiod 2); only for inputs where a late answer does no harm. Drivers
    /// debounce in any case.
    case input(debounce: TimeSpan)
    /// With its value from the request on.
    case output(active: Bool)
  }

  var line: GPIOLine
  var direction: Direction
}

/// A line that was taken. Used by one thread.
protocol TakenLine: AnyObject {
  /// Readable while edges wait; negative: nothing to poll.
  var descriptor: Int32 { get }
  func value() throws(LineFailure) -> Bool
  func set(_ active: Bool) throws(LineFailure)
  /// `nil`: none waits.
  func nextEdge() throws(LineFailure) -> LineEdge?
  func release()
}

/// Where lines come from: the kernel, or a test.
protocol LineBackend: AnyObject, Sendable {
  func take(_ request: LineRequest) throws(LineFailure) -> any TakenLine
  /// For people: chip with its label, and line. Without taking it.
  func describe(_ line: GPIOLine) throws(LineFailure) -> String
}

/// Lines of the kernel, through libgpiod.
final class KernelLines: LineBackend {
  func take(_ request: LineRequest) throws(LineFailure) -> any TakenLine {
    var error = [CChar](repeating: 0, count: 400)
    let taken = Self.with(request) { config -> OpaquePointer? in
      switch request.direction {
      case .input: return cgpio_request_input(&config, &error, error.count)
      case .output(let active): return cgpio_request_output(&config, active ? 1 : 0, &error, error.count)
      }
    }
    guard let taken else { throw LineFailure(text: Self.text(error)) }
    return KernelLine(taken, request.line.text)
  }

  func describe(_ line: GPIOLine) throws(LineFailure) -> String {
    var error = [CChar](repeating: 0, count: 400)
    var label = [CChar](repeating: 0, count: 100)
    var count: UInt32 = 0
    guard cgpio_chip(line.chip, &label, label.count, &count, &error, error.count) == 0 else {
      throw LineFailure(text: Self.text(error))
    }
    let offset: Int32
    switch line.place {
    case .name(let name): offset = cgpio_find(line.chip, name, 0, &error, error.count)
    case .offset(let number):
      offset = cgpio_find(line.chip, nil, UInt32(truncatingIfNeeded: number), &error, error.count)
    }
    guard offset >= 0 else { throw LineFailure(text: Self.text(error)) }
    let name = if case .name(let name) = line.place { " \(name)" } else { "" }
    return "chip \(line.chip) (\(Self.text(label)), \(count) lines), line \(offset)\(name)"
  }

  private static func with<T>(_ request: LineRequest, _ body: (inout cgpio_config) -> T) -> T {
    var config = cgpio_config()
    let line = request.line
    config.active_low = line.activeLow ? 1 : 0
    switch line.bias {
    case .asIs: config.bias = CGPIO_BIAS_AS_IS
    case .pullUp: config.bias = CGPIO_BIAS_PULL_UP
    case .pullDown: config.bias = CGPIO_BIAS_PULL_DOWN
    case .disabled: config.bias = CGPIO_BIAS_DISABLED
    }
    switch line.drive {
    case .pushPull: config.drive = CGPIO_PUSH_PULL
    case .openDrain: config.drive = CGPIO_OPEN_DRAIN
    case .openSource: config.drive = CGPIO_OPEN_SOURCE
    }
    if case .input(let debounce) = request.direction {
      config.debounce_us = UInt32(clamping: debounce.nanoseconds / 1000)
    }
    return line.chip.withCString { chip in
      "station".withCString { consumer in
        config.chip = chip
        config.consumer = consumer
        switch line.place {
        case .offset(let offset):
          config.offset = UInt32(truncatingIfNeeded: offset)
          return body(&config)
        case .name(let name):
          return name.withCString { text in
            config.name = text
            return body(&config)
          }
        }
      }
    }
  }

  static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

private final class KernelLine: TakenLine {
  private let line: OpaquePointer
  private let text: String
  private var isReleased = false

  init(_ line: OpaquePointer, _ text: String) {
    self.line = line
    self.text = text
  }

  deinit { release() }

  var descriptor: Int32 { cgpio_fd(line) }

  func value() throws(LineFailure) -> Bool {
    let value = cgpio_get(line)
    if value < 0 { throw LineFailure(text: "cannot read \(text)") }
    return value == 1
  }

  func set(_ active: Bool) throws(LineFailure) {
    if cgpio_set(line, active ? 1 : 0) != 0 { throw LineFailure(text: "cannot set \(text)") }
  }

  func nextEdge() throws(LineFailure) -> LineEdge? {
    var edge = cgpio_edge()
    switch cgpio_next_edge(line, &edge) {
    case 0: return nil
    case 1: return LineEdge(active: edge.active == 1, at: MonotonicTime(nanoseconds: edge.time))
    default: throw LineFailure(text: "cannot read edges of \(text)")
    }
  }

  func release() {
    guard !isReleased else { return }
    isReleased = true
    cgpio_release(line)
  }
}

/// Looks for lines without taking them, on a thread of its own.
enum GPIOProbe {
  static func run(
    _ lines: [GPIOLine], backend: any LineBackend = KernelLines(),
    _ answer: @escaping @Sendable (ProbeResult<DeviceIdentity>) -> Void
  ) {
    let started = NamedThread.startDetached("gpio-probe") { answer(find(lines, backend)) }
    if !started { answer(.absent("no thread to look for lines on")) }
  }

  static func find(_ lines: [GPIOLine], _ backend: any LineBackend) -> ProbeResult<DeviceIdentity> {
    do throws(LineFailure) {
      var texts: [String] = []
      for line in lines { texts.append(try backend.describe(line)) }
      return .found(DeviceIdentity(texts.joined(separator: "; ")))
    } catch {
      return .absent(error.text)
    }
  }
}
