import CProcess
import Glibc
import Testing

/// Serialized: what others run meanwhile brings code back.
@Suite(.serialized) struct CodeMemoryTests {
  @Test func codeIsGivenBackAndComesBackWhenItIsNeeded() {
    // A test run touches most of this; the margin is for what comes back while other tests go on.
    let before = residentFileKiB()
    let released = process_release_code()
    let after = residentFileKiB()
    #expect(released > 1 << 20)
    #expect(after < before)
    // Constants and code that were mapped from the file are what they were.
    #expect(String(cString: strerror(ENOENT)) == "No such file or directory")
    #expect((1...1000).map(String.init).joined().utf8.count == 2893)
  }

  /// RssFile of this process, KiB: proc(5).
  private func residentFileKiB() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      if text.hasPrefix("RssFile:") { return Int(text.split(separator: " ")[1]) ?? 0 }
    }
    return 0
  }
}
