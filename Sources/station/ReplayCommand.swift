import ArgumentParser
import Glibc
import OCPP
import StationCore

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Run a journal through the station's core again and compare the actions byte for byte.",
    discussion: """
      A journal is recorded by `station run --journal FILE`. Nothing is sent, written or switched.

      Exit codes: 0 the same actions, 1 a difference, 2 the journal cannot be read.
      """)

  @Argument(help: "The journal.")
  var file: String

  @Flag(help: "Print the result as JSON.")
  var json = false

  func run() throws {
    do {
      let (inputs, difference) = try Replay.run(try read())
      report(inputs, difference)
      if difference != nil { throw ExitCode(1) }
    } catch let error as JournalError {
      complain("station replay: \(file): \(error)")
      throw ExitCode(2)
    }
  }

  private func report(_ inputs: Int, _ difference: Replay.Difference?) {
    if json {
      var members = [
        JSONMember(name: "identical", value: .bool(difference == nil)),
        JSONMember(name: "inputs", value: .int(inputs)),
      ]
      if let difference {
        members.append(JSONMember(name: "line", value: .int(difference.line)))
        members.append(JSONMember(name: "recorded", value: .string(text(difference.recorded))))
        members.append(JSONMember(name: "replayed", value: .string(text(difference.replayed))))
      }
      print(JSONValue.object(members).text)
    } else if let difference {
      print("line \(difference.line) differs")
      print("recorded: \(text(difference.recorded))")
      print("replayed: \(text(difference.replayed))")
    } else {
      print("\(inputs) inputs replayed: the same actions, byte for byte")
    }
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  private func read() throws(JournalError) -> [UInt8] {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw JournalError(String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw JournalError(String(cString: strerror(errno))) }
      guard count > 0 else { return bytes }
      bytes += buffer.prefix(count)
    }
  }
}
