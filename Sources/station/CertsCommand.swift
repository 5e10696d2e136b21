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
      running station also what its CSMS serves.

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
      report.add(server: Self.serverChain(answer))
    } catch {
      report.problems.append("\(error)")
    }
  }

  /// What `state` says of the last TLS handshake; empty without TLS.
  static func serverChain(_ state: JSONValue) -> [TLSSession.ServerCertificate] {
    (state["station"]?["csms"]?["tls"]?["serverChain"]?.arrayValue ?? []).compactMap { item in
      guard let end = item["notAfter"]?.stringValue.flatMap({ DateTime($0) }) else { return nil }
      return TLSSession.ServerCertificate(
        subject: item["subject"]?.stringValue ?? "", notAfter: end.unixMilliseconds)
    }
  }
}
