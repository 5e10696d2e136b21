import CCurl
import CProcess
import Glibc
import OCPP

/// `station-transfer --parent=PID`: up- or downloads one file and ends. Started by the station's runtime, never by a person.
///
/// Standard input: the order (`TransferOrder`). Standard output: `Report`. Descriptor 3: the file. Descriptor 4: what is known
/// of a half download. It opens no other file of the station, has no environment, and ends with the station.
private enum Limit {
  static let order = 4 << 20
  /// Seconds of CPU.
  static let cpu: UInt64 = 1800
  static let memory: UInt64 = 1 << 30
  static let descriptors: UInt64 = 64
  static let niceness: Int32 = 10
}

private func giveUpRights(parent: pid_t) {
  guard process_die_with_parent(parent) == 0, process_no_new_privileges() == 0, process_no_dumps() == 0,
    process_keep_capabilities(0) == 0
  else { exit(1) }
  _ = nice(Limit.niceness)
}

private func readOrder() -> [UInt8] {
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while bytes.count <= Limit.order {
    let count = read(STDIN_FILENO, &buffer, buffer.count)
    if count < 0, errno == EINTR { continue }
    if count <= 0 { break }
    bytes += buffer[..<count]
  }
  return bytes
}

private func parent() -> pid_t? {
  let prefix = "--parent="
  guard CommandLine.arguments.count == 2, CommandLine.arguments[1].hasPrefix(prefix) else { return nil }
  return pid_t(CommandLine.arguments[1].dropFirst(prefix.count))
}

guard let starter = parent() else {
  print("station-transfer is started by stationd, not by hand")
  exit(2)
}
giveUpRights(parent: starter)
// Written to after the station has gone: an error, not a signal.
signal(SIGPIPE, SIG_IGN)
// The limit of a file: an error too.
signal(SIGXFSZ, SIG_IGN)

do throws(TransferOrder.Problem) {
  let order = try TransferOrder(readOrder())
  guard process_limits(Limit.cpu, Limit.memory, UInt64(max(order.limit, 1 << 16)), Limit.descriptors) == 0 else {
    Report.end(.failed(.unsupported, "the limits of the process cannot be set"))
  }
  var text = [CChar](repeating: 0, count: 256)
  guard curl_prepare(&text, text.count) == 0 else {
    Report.end(.failed(.unsupported, text.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }))
  }
  switch order.direction {
  case .download: Report.end(Download(order: order, file: 3, stateFile: 4).run())
  case .upload: Report.end(Upload(order: order, file: 3).run())
  }
} catch {
  Report.end(.failed(.unsupported, error.text))
}
