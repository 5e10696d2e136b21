import ArgumentParser
import Glibc
import OCPP
import StationCore

struct SecurityLogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "security-log",
    abstract: "Show or verify the security log, of a running station or from a file that it has uploaded.",
    discussion: """
      Each entry holds the hash of the one before; its own is the SHA-256 of the bytes of its line before ,"hash":.
      """,
    subcommands: [Show.self, Verify.self])

  struct Source: ParsableArguments {
    @Option(help: "Control socket of a running station. (default: STATION_CONTROL_SOCKET)")
    var controlSocket: String?
    @Argument(help: "A security log that was uploaded (GetLog), in place of the station.")
    var file: String?
    @Flag(help: "Print JSON.")
    var json = false

    struct Contents {
      var lines: [[UInt8]]
      var anchor: SecurityLog.Link
      /// `nil` where nobody says what it must end with.
      var last: SecurityLog.Link?
    }

    func read() throws -> Contents {
      do {
        if let file { return try Self.read(file: file) }
        guard let path = controlSocket ?? environmentVariable("STATION_CONTROL_SOCKET") else {
          throw ValidationError("missing a file, or --control-socket (or STATION_CONTROL_SOCKET)")
        }
        let client = try ControlSocketClient(path: path)
        try client.send(Array(#"{"id":1,"cmd":"securityLog"}"#.utf8))
        let answer = try JSONValue.parse(client.receive(within: 10))
        guard let entries = answer["entries"]?.arrayValue, let anchor = SecurityLog.Link(answer["anchor"]) else {
          throw ControlSocketClient.Failure(description: answer["error"]?.stringValue ?? "\(path): no security log")
        }
        return Contents(
          lines: entries.map { Array(($0.stringValue ?? "").utf8) }, anchor: anchor,
          last: SecurityLog.Link(answer["last"]))
      } catch let error as ValidationError {
        throw error
      } catch {
        complain("station security-log: \(error)")
        throw ExitCode(1)
      }
    }

    private static func read(file: String) throws -> Contents {
      guard let handle = fopen(file, "r") else {
        throw ControlSocketClient.Failure(description: "\(file): \(String(cString: strerror(errno)))")
      }
      defer { fclose(handle) }
      var bytes: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while case let count = fread(&buffer, 1, buffer.count, handle), count > 0 {
        bytes += buffer.prefix(count)
        guard bytes.count <= 64 << 20 else {
          throw ControlSocketClient.Failure(description: "\(file): more than 64 MiB, no security log")
        }
      }
      let lines = bytes.split(separator: 0x0A).map(Array.init)
      // A window of the log begins anywhere: its first entry says what it follows.
      let first = lines.first.flatMap { try? JSONValue.parse($0) }
      let anchor = SecurityLog.Link(
        number: Int64(max(1, first?["n"]?.intValue ?? 1) - 1), hash: first?["previous"]?.stringValue ?? "")
      return Contents(lines: lines, anchor: anchor, last: nil)
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the entries, oldest first.")

    @OptionGroup var source: Source

    func run() throws {
      for line in try source.read().lines {
        guard !source.json, let entry = try? JSONValue.parse(line) else {
          putLine(line)
          continue
        }
        let info = entry["info"]?.stringValue.map { ": \($0)" } ?? ""
        let clock = entry["clock"] == "unset" ? " (clock not set)" : ""
        print(
          "\(entry["n"]?.text ?? "?")  \(entry["ts"]?.stringValue ?? "?")\(clock)  \(entry["type"]?.stringValue ?? "?")\(info)"
        )
      }
    }
  }

  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Recompute the chain.",
      discussion: "Exit code 0 when it holds, 1 when an entry was changed, left out or put in.")

    @OptionGroup var source: Source

    func run() throws {
      let contents = try source.read()
      let problems = SecurityLog.problems(contents.lines, after: contents.anchor, last: contents.last)
      let range = "\(contents.lines.count) entries after number \(contents.anchor.number)"
      if source.json {
        let answer = JSONValue.object([
          JSONMember(name: "ok", value: .bool(problems.isEmpty)),
          JSONMember(name: "entries", value: .int(contents.lines.count)),
          JSONMember(name: "anchor", value: contents.anchor.json),
          JSONMember(name: "problems", value: .array(problems.map { .string($0) })),
        ])
        putLine(answer.bytes)
      } else {
        for problem in problems { print(problem) }
        print(problems.isEmpty ? "\(range): the chain holds" : "\(range): the chain is broken")
      }
      if !problems.isEmpty { throw ExitCode(1) }
    }
  }
}
