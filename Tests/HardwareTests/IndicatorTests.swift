import DeviceModel
import Glibc
import StationCore
import Testing

@testable import Hardware

@Suite struct IndicatorTests {
  private static let red = GPIOLine(chip: "c", place: .name("RED"))
  private static let green = GPIOLine(chip: "c", place: .name("GREEN"))

  private func binding(_ lights: [GPIOIndicatorBinding.Colour: GPIOIndicatorBinding.Light]) -> GPIOIndicatorBinding {
    GPIOIndicatorBinding(component: ComponentID("ChargingStatusIndicator", evse: 1), lights: lights)
  }

  @Test func statesHaveColours() {
    let bench = DeviceBench(IndicatorLogic(binding([.red: .line(Self.red), .green: .line(Self.green)])))
    func show(_ state: IndicatedState) { bench.perform(IndicatorLogic.self) { $0.show(state, at: $1) } }
    show(.available)
    #expect(!bench.output(Self.red) && bench.output(Self.green))
    show(.reserved)
    #expect(bench.output(Self.red) && bench.output(Self.green))
    show(.fault)
    #expect(bench.output(Self.red) && !bench.output(Self.green))
    bench.pass(500)
    #expect(!bench.output(Self.red))
    bench.pass(500)
    #expect(bench.output(Self.red))
    show(.charging)
    bench.pass(5000)
    #expect(!bench.output(Self.red) && !bench.output(Self.green))
  }

  @Test func ledsOfTheKernel() throws {
    var template = Array("/tmp/leds-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } }
    _ = try #require(made)
    let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let led = directory + "/ready"
    mkdir(led, 0o700)
    defer {
      for file in ["/brightness", "/max_brightness", ""] { remove(led + file) }
      rmdir(directory)
    }
    for (name, text) in [("/brightness", "0\n"), ("/max_brightness", "255\n")] {
      let file = open(led + name, O_WRONLY | O_CREAT, 0o600)
      _ = write(file, text, text.utf8.count)
      close(file)
    }
    func brightness() -> String {
      let file = open(led + "/brightness", O_RDONLY)
      defer { close(file) }
      var bytes = [UInt8](repeating: 0, count: 20)
      return String(decoding: bytes.prefix(max(0, read(file, &bytes, 20))), as: UTF8.self)
    }
    let bench = DeviceBench(IndicatorLogic(binding([.green: .led("ready")]), leds: directory))
    bench.perform(IndicatorLogic.self) { $0.show(.available, at: $1) }
    #expect(brightness().hasPrefix("255"))
    bench.perform(IndicatorLogic.self) { $0.show(.fault, at: $1) }
    #expect(brightness().hasPrefix("0"))
    #expect(bench.raised == [])
  }

  @Test func anLEDThatIsNotThereIsAFault() {
    let bench = DeviceBench(IndicatorLogic(binding([.blue: .led("none")]), leds: "/nonexistent"))
    bench.perform(IndicatorLogic.self) { $0.show(.charging, at: $1) }
    bench.perform(IndicatorLogic.self) { $0.show(.fault, at: $1) }
    #expect(bench.raised == ["GPIOFailure"])
    #expect(bench.log.updates.first?.raised.first?.severity == .low)
  }
}
