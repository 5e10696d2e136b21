import ArgumentParser
import Certificates
import Glibc
import OCPP
import StationCore

struct CertsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "certs",
    abstract: "List every certificate the station uses, when it ends and what breaks then.",
    discussion: """
      Reads the certificate directory as the station does; nothing is changed and no key is opened. With the control socket of a \
      running station also what its CSMS served last.

      Exit code 0 when all is well for at least \(CertificateReport.nearDays) days; 1 when something has ended, ends sooner, has not begun, \
      or is wrong; 64 when the command line is.
      """)

  @Option(help: "Certificate directory. (default: STATION_CERTS_DIR, else certs in STATION_DATA_DIR)")
  var certsDir: String?
  @Option(help: "Control socket of a running station. (default: STATION_CONTROL_SOCKET)")
  var controlSocket: String?
  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let directory =
      certsDir ?? environmentVariable("STATION_CERTS_DIR")
      ?? environmentVariable("STATION_DATA_DIR").map { $0 + "/certs" }
    guard let directory else {
      throw ValidationError("missing --certs-dir (or STATION_CERTS_DIR)")
    }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let now = Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    var report = CertificateReport(CertificateFolder(path: directory), at: now)
    if access(directory, F_OK) != 0 { report.problems.append("\(directory): \(String(cString: strerror(errno)))") }
    if let socket = controlSocket ?? environmentVariable("STATION_CONTROL_SOCKET") { addServer(to: &report, socket) }
    if json { putLine(report.json.bytes) } else { put(Array(report.text.utf8)) }
    if report.needsAttention { throw ExitCode(1) }
  }

  private func addServer(to report: inout CertificateReport, _ socket: String) {
    do {
      let client = try ControlSocketClient(path: socket)
      try client.send(Array(#"{"id":1,"cmd":"state"}"#.utf8))
      let answer = try JSONValue.parse(try client.receive(within: 5))
      let (chain, seen) = Self.served(answer)
      report.add(server: chain, seenAt: seen)
    } catch {
      report.problems.append("\(error)")
    }
  }

  /// What `state` says of the last TLS handshake, and its time; empty when there was none since the start.
  static func served(_ state: JSONValue) -> ([TLSSession.ServerCertificate], seen: Int64?) {
    func time(_ value: JSONValue?) -> Int64? { value?.stringValue.flatMap { DateTime($0) }?.unixMilliseconds }
    let served = state["station"]?["csms"]?["served"]
    let chain = (served?["chain"]?.arrayValue ?? []).compactMap { item -> TLSSession.ServerCertificate? in
      guard let end = time(item["notAfter"]), let begin = time(item["notBefore"]) else { return nil }
      return TLSSession.ServerCertificate(
        subject: item["subject"]?.stringValue ?? "", notBefore: begin, notAfter: end)
    }
    return (chain, time(served?["seen"]))
  }
}
