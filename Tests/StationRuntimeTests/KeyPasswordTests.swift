import Glibc
import Testing

@testable import StationRuntime

/// The password of keys: where it may come from, and where it must not stay. One after the other: the environment is one.
@Suite(.serialized) struct KeyPasswordTests {
  private let folder = TemporaryFolder()

  private func file(_ text: String) -> String {
    let path = folder.path + "/password"
    let stream = fopen(path, "w")
    fputs(text, stream)
    fclose(stream)
    return path
  }

  @Test func fromAFile() throws {
    #expect(try KeyPassword(file: file("open sesame\nmore")).text == "open sesame")
    #expect(try KeyPassword(file: file("open sesame")).text == "open sesame")
    #expect(try KeyPassword(file: nil).text == nil)
    for (path, part) in [
      (file("\n"), "the first line is empty"), (folder.path + "/none", "No such file"),
    ] {
      let problem = #expect(throws: KeyPassword.Problem.self) { try KeyPassword(file: path) }
      #expect(problem?.text.hasPrefix("--key-password-file \(path): ") == true)
      #expect(problem?.text.contains(part) == true || path.hasSuffix("/password"), "\(problem?.text ?? "")")
    }
    let long = #expect(throws: KeyPassword.Problem.self) {
      try KeyPassword(file: file(String(repeating: "x", count: KeyPassword.maxLength + 1)))
    }
    #expect(long?.text.contains("at most 1024 bytes") == true)
  }

  /// It is gone from the environment, and from the memory that `/proc/PID/environ` shows; the program that this one
  /// becomes gets it again.
  @Test func fromTheEnvironment() throws {
    setenv(KeyPassword.variable, "open sesame", 1)
    let inherited = getenv(KeyPassword.variable)
    let password = try KeyPassword(file: nil)
    #expect(password.text == "open sesame")
    #expect(getenv(KeyPassword.variable) == nil)
    #expect(inherited?.pointee == 0)
    password.handOver()
    #expect(getenv(KeyPassword.variable).map { String(cString: $0) } == "open sesame")
    let problem = #expect(throws: KeyPassword.Problem.self) { try KeyPassword(file: file("other")) }
    #expect(problem?.text == "--key-password-file and STATION_KEY_PASSWORD are both given, expected one")
    #expect(getenv(KeyPassword.variable) == nil)
  }
}
