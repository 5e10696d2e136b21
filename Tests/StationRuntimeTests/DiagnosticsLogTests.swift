import Logs
import NIOCore
import NIOEmbedded
import OCPP
import StationCore
import Testing
import Threads

@testable import StationRuntime

@Suite("Diagnostics log: when it is written, and what of a frame is not")
struct DiagnosticsLogTests {
  private static let wall: Int64 = 1_767_225_600_000

  private static func line(_ frame: String) -> String {
    String(
      decoding: DiagnosticsLog.line(.frame(Array(frame.utf8), isOutgoing: false, wall: wall)), as: UTF8.self)
  }

  @Test func lines() {
    #expect(
      Self.line(#"[2,"1","Heartbeat",{}]"#)
        == #"{"ts":"2026-01-01T00:00:00.000Z","dir":"in","frame":[2,"1","Heartbeat",{}]}"#)
    let text = DiagnosticsLog.line(.text(.warning, "a \"b\"\nc", wall: Self.wall))
    #expect(
      String(decoding: text, as: UTF8.self)
        == #"{"ts":"2026-01-01T00:00:00.000Z","level":"warning","text":"a \"b\"\nc"}"#)
  }

  /// Telling of a customer would store again what is to be cleared; locations carry passwords.
  /// Proves: N10.FR.03
  @Test func whatIsNotRecorded() {
    let asked = Self.line(
      #"[2,"1","CustomerInformation",{"requestId":1,"report":true,"clear":true,"idToken":{"idToken":"DEADBEEF","type":"Central"},"customerIdentifier":"c-4711"}]"#
    )
    #expect(!asked.contains("DEADBEEF") && !asked.contains("4711") && asked.contains("CustomerInformation"))
    let told = Self.line(#"[2,"1","NotifyCustomerInformation",{"data":"DEADBEEF","requestId":1,"seqNo":0}]"#)
    #expect(!told.contains("DEADBEEF"))
    for frame in [
      #"[2,"1","GetLog",{"log":{"remoteLocation":"ftp://me:s3cret@h/x?sig=s3cret"},"logType":"SecurityLog","requestId":1}]"#,
      #"[2,"1","UpdateFirmware",{"requestId":1,"firmware":{"location":"https://me:s3cret@h/x?sig=s3cret"}}]"#,
      #"[2,"1","GetLog",{"log":{"remoteLocation":"s3cret"},"logType":"SecurityLog","requestId":1}]"#,
      #"[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"s3cret","component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"}}]}]"#,
    ] {
      #expect(!Self.line(frame).contains("s3cret"), "\(frame)")
    }
  }

  @Test func longFramesAreNamedOnly() {
    let frame = #"[2,"17","DataTransfer",{"data":""# + String(repeating: "x", count: 200_000) + #""}]"#
    let line = Self.line(frame)
    #expect(line.utf8.count < 300)
    #expect(line.contains("DataTransfer") && line.contains("\(frame.utf8.count) bytes"))
  }

  /// A station on which nothing happens writes when there is a batch; what happens is written within a minute, a warning at once.
  @Test func whenItIsWritten() throws {
    let folder = TemporaryFolder()
    let store = LogStore(directory: folder.path + "/logs", transfers: folder.path + "/t", bound: 1 << 20)
    let loop = EmbeddedEventLoop()
    let worker = LogWorker(store, line: DiagnosticsLog.line)
    let log = DiagnosticsLog(worker, on: loop)
    func written() -> Int {
      let done = Signal<Void>()
      worker.carryOut(.bound(bytes: 1 << 20)) { _ in done.set(()) }
      done.wait()
      return worker.statistics.bytesWritten
    }
    let heartbeat = Array(#"[2,"e2f1c0de-0000-4000-8000-000000000001","Heartbeat",{}]"#.utf8)
    for _ in 0..<288 {
      log.add(.frame(heartbeat, isOutgoing: true, wall: Self.wall))
      loop.advanceTime(by: .seconds(300))
    }
    #expect(written() == 0)
    log.add(.text(.info, "something", wall: Self.wall))
    #expect(written() == 0)
    loop.advanceTime(by: .seconds(60))
    let first = written()
    #expect(first > 20_000)
    log.add(.text(.warning, "look", wall: Self.wall))
    #expect(written() > first)
    // A batch waits for nobody.
    let before = written()
    for _ in 0..<2000 { log.add(.frame(heartbeat, isOutgoing: true, wall: Self.wall)) }
    #expect(written() > before + 50_000)
    log.close()
  }
}
