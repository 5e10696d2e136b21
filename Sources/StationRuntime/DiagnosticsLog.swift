import Logs
import NIOCore
import OCPP
import StationCore

/// The diagnostics log as the loop uses it: entries are collected here and handed to the thread that writes them.
///
/// For the sake of the flash they wait up to a minute, or until 64 KiB have piled up; a warning or an error waits for nothing.
/// Heartbeats alone start no clock, so that a station on which nothing happens writes a few times a day.
final class DiagnosticsLog {
  /// Longest wait, real time.
  static let wait = TimeAmount.seconds(60)
  static let batchBytes = 64 << 10

  private let worker: LogWorker
  private let loop: any EventLoop
  private var entries: [LogEntry] = []
  private var bytes = 0
  private var isScheduled = false

  init(_ worker: LogWorker, on loop: any EventLoop) {
    self.worker = worker
    self.loop = loop
  }

  var statistics: LogWorker.Statistics { worker.statistics }

  func add(_ entry: LogEntry) {
    entries.append(entry)
    bytes += entry.size
    var waits = true
    switch entry {
    case .text(let level, _, _): waits = level < .warning
    case .frame(let frame, _, _): if isHeartbeat(frame), bytes < Self.batchBytes { return }
    }
    if !waits || bytes >= Self.batchBytes {
      flush()
    } else if !isScheduled {
      isScheduled = true
      loop.assumeIsolated().scheduleTask(in: Self.wait) {
        self.isScheduled = false
        self.flush()
      }
    }
  }

  /// A Heartbeat, or an answer that is as short as one's.
  private func isHeartbeat(_ frame: [UInt8]) -> Bool { frame.count < 110 }

  func flush() {
    guard !entries.isEmpty else { return }
    worker.write(entries)
    entries.removeAll(keepingCapacity: entries.count <= 64)
    bytes = 0
  }

  /// `completion` comes on any thread.
  func carryOut(_ request: LogRequest, completion: @escaping LogWorker.Completion) {
    flush()
    worker.carryOut(request, completion: completion)
  }

  func close() {
    flush()
    worker.close()
  }

  /// The line of an entry: `ts`, then `level` and `text`, or `dir` and `frame` as in `MessageLog`, without secrets. What a
  /// CustomerInformation is about is not written down by telling of it.
  static func line(_ entry: LogEntry) -> [UInt8] {
    switch entry {
    case .frame(let frame, let isOutgoing, let wall):
      let direction = isOutgoing ? MessageLog.Direction.outgoing : .incoming
      guard frame.count <= LogStore.lineLimit / 2 else {
        let head = String(decoding: frame.prefix(100), as: UTF8.self).prefix { $0 != "{" }
        return MessageLog.line(Array("\(head)... \(frame.count) bytes".utf8), direction, wall: wall)
      }
      return MessageLog.line(FramePrivacy.redacted(frame), direction, wall: wall)
    case .text(let level, let text, let wall):
      return JSONValue.object([
        JSONMember(name: "ts", value: .string(DateTime(unixMilliseconds: wall).description)),
        JSONMember(name: "level", value: .string("\(level)")),
        JSONMember(name: "text", value: .string(String(text.unicodeScalars.prefix(2000)))),
      ]).bytes
    }
  }
}
