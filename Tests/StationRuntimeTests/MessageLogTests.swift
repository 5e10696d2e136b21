import Glibc
import Testing

@testable import StationRuntime

@Suite("Message log: what is in no line, and how it is emptied") struct MessageLogTests {
  private let folder = TemporaryFolder()

  private func size(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : -1
  }

  /// However large it is; whoever asks for it has nothing to wait for.
  /// Proves: N10.FR.03
  @Test func itBeginsAnewWhenACustomerIsCleared() throws {
    let path = folder.path + "/messages.jsonl"
    let log = try MessageLog(path: path)
    func record(_ token: String) {
      let frame = #"[2,"1","Authorize",{"idToken":{"idToken":"\#(token)","type":"ISO14443"}}]"#
      log.record(Array(frame.utf8), .outgoing, wall: 0)
    }
    record("CAFE")
    log.flush()
    #expect(truncate(path, 8 << 30) == 0)
    record("CAFE")
    let work = log.discarding()
    #expect(!log.isWaiting)
    #expect(size(path) == 8 << 30)
    #expect(work() == nil)
    #expect(size(path) == 0)
    record("BEEF")
    log.flush()
    let text = String(decoding: readFile(path, limit: 1000) ?? [], as: UTF8.self)
    #expect(text.hasPrefix(#"{"ts":"#) && text.contains("BEEF") && !text.contains("CAFE"))
  }

  /// Whole and cut at every byte: a key code, and what is secret in the location of a file.
  // Proves: C04.FR.04
  @Test(arguments: [
    #"[2,"1","SendLocalList",{"versionNumber":1,"updateType":"Full","localAuthorizationList":[{"idToken":{"idToken":"s3cretPin","type":"KeyCode"}}]}]"#,
    #"[2,"1","RequestStartTransaction",{"remoteStartId":1,"idToken":{"type":"KeyCode","idToken":"s3cretPin"}}]"#,
    #"[2,"1","GetLog",{"log":{"remoteLocation":"ftp://me:s3cretPin@h/x?sig=s3cretPin"},"logType":"SecurityLog","requestId":1}]"#,
    #"[2,"1","UpdateFirmware",{"firmware":{"location":"https://me:s3cretPin@h/x?sig=s3cretPin","retrieveDateTime":"2026-01-01T00:00:00Z"},"requestId":1}]"#,
  ])
  func theMessageLogHidesCodesAndLocationsInWhateverIsLeft(frame: String) {
    let bytes = Array(frame.utf8)
    for count in 0...bytes.count {
      let line = MessageLog.line(Array(bytes[..<count]), .incoming, wall: 0)
      #expect(!String(decoding: line, as: UTF8.self).contains("s3cre"), "cut at \(count)")
    }
    let whole = String(decoding: MessageLog.line(bytes, .incoming, wall: 0), as: UTF8.self)
    #expect(whole.contains("***") && whole.contains(#""frame":[2,"1","#))
  }
}
