import DeviceModel
import OCPP
import Testing

@testable import StationCore

@Suite("Journal: everything comes back as it was")
struct JournalRoundTripTests {
  /// A replay reads each input and writes it again: a difference is one in the round trip, or in what came of it.
  private static func replays(_ inputs: [Input]) throws {
    let bench = StationBench(CertificateTests.settings(3), csmsURL: nil, certificates: CertificateTests.installed)
    bench.input(.start)
    bench.linkUp(CertificateTests.session())
    for input in inputs { bench.input(input) }
    let result = try Replay.run(bench.journal)
    #expect(result.difference == nil)
    #expect(result.inputs == bench.inputCount)
  }

  @Test func hardware() throws {
    let sensor = ComponentID("TemperatureSensor", instance: "x", evse: 1)
    let fault = HardwareFault(name: "PilotFault", evse: 1, connector: 1, severity: .low, source: "controller 1")
    try Self.replays([
      .hardware(.temperature(sensor: sensor, milliCelsius: 71_500)),
      .hardware(.temperature(sensor: ComponentID("TemperatureSensor"), milliCelsius: nil)),
      .hardware(.faultRaised(fault)), .hardware(.faultCleared(fault)),
    ])
  }

  @Test func links() throws {
    let session = CertificateTests.session(
      "", nil,
      chain: [
        TLSSession.ServerCertificate(subject: "CN=\u{e4}", notBefore: 1_700_000_000_000, notAfter: 1_800_000_000_000)
      ])
    var inputs: [Input] = [.link(.warning("a key cannot be opened"))]
    for failure in TLSFailure.allCases {
      inputs.append(.link(.down(.tls(failure, "because"))))
      inputs.append(.timer(TimerID("reconnect")))
    }
    try Self.replays(inputs + [.link(.up(subprotocol: "ocpp2.0.1", tls: session))])
  }

  @Test func certificates() throws {
    let inventory = CertificateInventory(
      certificates: CertificateTests.installed + [FakeCertificateFolder.certificate(.v2gChain, "v")],
      problems: ["client/csms/a.pem: no certificate"])
    let replies: [CertificateReply] = [
      .done, .signingRequest("-----BEGIN"), .rejected(reasonCode: "InvalidCertificate", "why"), .notFound,
      .failed("disk"),
    ]
    try Self.replays(replies.enumerated().map { .certificates(id: Int64($0.offset), $0.element, inventory) })
  }

  @Test func logs() throws {
    let replies: [LogReply] = [
      .done, .prepared(bytes: 5), .nothing, .customer(lines: ["{\"ts\":1}"], count: 3, problems: ["disk"]),
      .failed("disk"),
    ]
    try Self.replays(replies.enumerated().map { .logs(id: Int64($0.offset), $0.element) })
    let requests: [LogRequest] = [
      .bound(bytes: 7), .prepare(file: "a", .diagnostics(oldest: nil, latest: 5)),
      .prepare(file: "a", .diagnostics(oldest: -5, latest: nil)), .prepare(file: "b", .lines([Array("{}".utf8), []])),
      .customer(identifiers: ["a", CustomerIdentifier("12", isKeyCode: true)], clear: true, limit: 3), .erase,
    ]
    for request in requests {
      let action = Action.logs(id: 3, request)
      #expect(try Action(journal: action.journal) == action)
    }
  }

  @Test func requestsToTheFolder() throws {
    let bench = CertificateTests.bench(["SecurityCtrlr/AdditionalRootCertificateCheck": "true"])
    _ = CertificateTests.ids(bench)
    _ = CertificateTests.install(bench, "root2<root1")
    _ = CertificateTests.trigger(bench)
    _ = CertificateTests.signed(bench, "own2")
    bench.linkUp(CertificateTests.session("root2", "own2"))
    bench.call(
      "DeleteCertificate",
      [
        "certificateHashData": [
          "hashAlgorithm": "SHA256", "issuerNameHash": "22", "issuerKeyHash": "11", "serialNumber": "maker",
        ]
      ])
    let kinds = Set(bench.certificateRequests.map { String(describing: $0).prefix { $0 != "(" } })
    #expect(kinds == ["look", "sign", "installSigned", "installRoot", "delete", "discard"])
    #expect(try Replay.run(bench.journal).difference == nil)
    // And with a ledger and a folder that have seen all that.
    let again = bench.restarted(CertificateTests.settings(3))
    again.input(.start)
    again.linkUp(CertificateTests.session("root2", "own2"))
    #expect(try Replay.run(again.journal).difference == nil)
  }

  /// Passwords in the start, in the ledger, in messages and in what a failed commit refused.
  @Test func passwordsPassAsMarkers() throws {
    let secrets = [PasswordTests.old, PasswordTests.new, "a-third-password-03", "short", "an unsuitable password"]
    let bench = StationBench(NetworkProfileTests.settings, csmsURL: nil).boot()
    for secret in secrets.dropFirst() {
      _ = bench.setVariable("SecurityCtrlr", "BasicAuthPassword", secret)
      bench.linkUp()
    }
    bench.linkDown(.httpStatus(401))
    bench.ledgerFails = .full
    _ = bench.setVariable("SecurityCtrlr", "BasicAuthPassword", "a-fourth-password-4")
    bench.wait(seconds: 5)
    bench.call(
      "SetNetworkProfile",
      [
        "configurationSlot": 2,
        "connectionData": NetworkProfileTests.profile([
          "vpn": [
            "server": "s", "user": "u", "password": "a-vpn-password", "key": "a-vpn-key", "type": "IPSec",
          ]
        ]),
      ])
    let again = bench.restarted(NetworkProfileTests.settings)
    again.input(.start)
    for bench in [bench, again] {
      let text = String(decoding: bench.journal, as: UTF8.self)
      for secret in secrets + ["a-fourth-password-4", "a-vpn-password", "a-vpn-key"] where secret != "short" {
        #expect(!text.contains(secret))
      }
      #expect(try Replay.run(bench.journal).difference == nil)
    }
  }
}
