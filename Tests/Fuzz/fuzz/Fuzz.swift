#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What libFuzzer calls. One program for all targets; FUZZ_TARGET says which. `Scripts/fuzz` builds and runs it.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  target(Array(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}

/// SwiftPM's name for the main function of this program; libFuzzer's driver does the rest.
@_cdecl("fuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  var count = count
  var arguments = arguments
  return runDriver(&count, &arguments) { testOneInput($0, $1) }
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// By name. Each takes any bytes, and ends the process when something is wrong that is no crash by itself.
private let targets: [String: @Sendable ([UInt8]) -> Void] = [
  "frame": fuzzFrame, "message": fuzzMessage, "handshake": fuzzHandshake, "certificate": fuzzCertificate,
  "devicemodel": fuzzDeviceModel, "control": fuzzControl, "station": fuzzStation, "journal": fuzzJournal,
  "ledger": fuzzLedger, "serial": fuzzSerial, "text": fuzzText,
]

private let target: @Sendable ([UInt8]) -> Void = {
  let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = targets[name] else {
    say("FUZZ_TARGET=\(name): expected one of \(targets.keys.sorted().joined(separator: " "))")
    exit(2)
  }
  return target
}()

/// Ends the process: what must hold does not.
func broken(_ what: @autoclosure () -> String) -> Never {
  say("broken: \(what())")
  abort()
}

func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
  if !condition { broken(what()) }
}

private func say(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  _ = write(2, bytes, bytes.count)
}
