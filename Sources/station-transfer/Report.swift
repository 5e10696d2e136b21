import CProcess
import Glibc
import OCPP

/// What the process says on its standard output: a JSON object per line.
enum Report {
  enum Reason: String {
    case network, server, refused, notFound, untrusted, tooLarge, storage, unsupported, badMessage
  }

  enum Ending {
    case done(bytes: Int64)
    case failed(Reason, String)
  }

  /// Ends the process when nobody listens any more.
  private static func say(_ value: JSONValue) {
    var line = value.bytes
    line.append(0x0A)
    var rest = line[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { exit(1) }
      rest = rest.dropFirst(count)
    }
  }

  static func progress(done: Int64, total: Int64?) {
    var members = [JSONMember(name: "done", value: .int(Int(done)))]
    if let total { members.append(JSONMember(name: "total", value: .int(Int(total)))) }
    say(.object([JSONMember(name: "progress", value: .object(members))]))
  }

  /// A key that was taken because none was known.
  static func hostKey(_ line: String) { say(.object([JSONMember(name: "hostKey", value: .string(line))])) }

  static func end(_ ending: Ending) -> Never {
    switch ending {
    case .done(let bytes):
      say(.object([JSONMember(name: "done", value: .object([JSONMember(name: "bytes", value: .int(Int(bytes)))]))]))
    case .failed(let reason, let text):
      let members = [
        JSONMember(name: "reason", value: .string(reason.rawValue)), JSONMember(name: "text", value: .string(text)),
      ]
      say(.object([JSONMember(name: "failed", value: .object(members))]))
    }
    exit(0)
  }
}
