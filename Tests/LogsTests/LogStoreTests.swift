import Foundation
import Logs
import StationCore
import Testing

@Suite("Diagnostics log: bounded, readable after a power cut, cleared of a customer")
struct LogStoreTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("logs-\(UUID().uuidString)")

  private func store(_ bound: Int = 256 << 10) throws -> LogStore {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return LogStore(directory: folder.path + "/logs", transfers: folder.path + "/transfers", bound: bound)
  }

  private var files: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path + "/logs")) ?? []).sorted()
  }

  private var disk: Int {
    files.reduce(0) { total, name in
      let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder.path)/logs/\(name)")
      return total + ((attributes?[.size] as? Int) ?? 0)
    }
  }

  /// One line a second from 2026-01-01 on.
  private func line(_ number: Int, _ text: String = "") -> [UInt8] {
    let day = 1 + number / 86_400
    let rest = number % 86_400
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let time = "2026-01-\(two(day))T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60)).000Z"
    return Array(#"{"ts":"\#(time)","level":"info","text":"\#(text.isEmpty ? "line \(number)" : text)"}"#.utf8)
  }

  private func contents(_ name: String) throws -> [String] {
    let text = try String(contentsOfFile: "\(folder.path)/transfers/\(name)", encoding: .utf8)
    return text.split(separator: "\n").map(String.init)
  }

  @Test func boundHolds() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let store = try store()
    for start in stride(from: 0, to: 40_000, by: 100) {
      store.append((start..<start + 100).map { line($0) })
      #expect(disk <= 256 << 10)
      #expect(disk == store.size)
    }
    // The newest lines are there, most of the room is used, and what is there is one piece.
    #expect(disk > (256 << 10) / 4 * 3)
    guard case .prepared = store.carryOut(.prepare(file: "a", .diagnostics(oldest: nil, latest: nil))) else {
      Issue.record("nothing prepared")
      return
    }
    let lines = try contents("a")
    #expect(lines.last?.contains("line 39999") == true)
    let first = 40_000 - lines.count
    #expect(lines.first?.contains("line \(first)\"") == true)
    // A lower bound counts at once, also after a start.
    let later = try self.store()
    #expect(later.carryOut(.bound(bytes: 64 << 10)) == .done)
    #expect(disk <= 64 << 10)
  }

  /// Proves: N01.FR.04, N01.FR.05
  @Test func window() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let store = try store()
    store.append((0..<100).map { line($0) })
    let begin: Int64 = 1_767_225_600_000
    let reply = store.carryOut(
      .prepare(file: "w.jsonl", .diagnostics(oldest: begin + 10_000, latest: begin + 12_000)))
    #expect(reply == .prepared(bytes: 3 * (line(10).count + 1)))
    #expect(try contents("w.jsonl") == (10...12).map { String(decoding: line($0), as: UTF8.self) })
    #expect(store.carryOut(.prepare(file: "x", .diagnostics(oldest: begin + 1_000_000, latest: nil))) == .nothing)
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/transfers/x"))
    for name in ["../logs/diagnostics-1.jsonl", "", ".x", "a/b"] {
      guard case .failed = store.carryOut(.prepare(file: name, .lines([[1]]))) else {
        Issue.record("\(name) was taken")
        continue
      }
    }
    #expect(disk > 0)
  }

  @Test func tornLine() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try store().append([line(0), line(1)])
    let path = folder.path + "/logs/" + (files.first ?? "")
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    try whole.dropLast(5).write(to: URL(fileURLWithPath: path))
    let store = try store()
    store.append([line(2)])
    _ = store.carryOut(.prepare(file: "t", .diagnostics(oldest: nil, latest: nil)))
    #expect(try contents("t") == [0, 2].map { String(decoding: line($0), as: UTF8.self) })
  }

  @Test func fullMedium() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    // The directory cannot be made where a file is.
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data().write(to: folder.appendingPathComponent("logs"))
    let store = try store()
    store.append([line(0), line(1)])
    #expect(store.dropped == 2)
    #expect(store.failure?.contains("/logs") == true)
    guard case .failed = store.carryOut(.prepare(file: "a", .diagnostics(oldest: nil, latest: nil))) else {
      Issue.record("prepared from nothing")
      return
    }
    // It goes on once it can.
    try FileManager.default.removeItem(at: folder.appendingPathComponent("logs"))
    store.append([line(2)])
    #expect(store.failure == nil)
    #expect(files == ["diagnostics-1.jsonl"])
  }

  /// Proves: N10.FR.03, N10.FR.06
  @Test func customerIsCleared() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let store = try store()
    let token = "04A2B3C4"
    let identifiers = [CustomerIdentifier(token)]
    for start in stride(from: 0, to: 3000, by: 100) {
      store.append((start..<start + 100).map { line($0, $0 % 50 == 0 ? "token \(token.lowercased()), refused" : "") })
    }
    #expect(files.count > 3)
    let report = store.carryOut(.customer(identifiers: identifiers, clear: false, limit: 500))
    guard case .customer(let lines, let count, let problems) = report else {
      Issue.record("\(report)")
      return
    }
    #expect(count == 60 && !lines.isEmpty && lines.joined().utf8.count <= 500 && problems.isEmpty)
    let before = disk
    #expect(
      store.carryOut(.customer(identifiers: identifiers, clear: true, limit: 0))
        == .customer(lines: [], count: 60, problems: []))
    for name in files {
      let text = try String(contentsOfFile: "\(folder.path)/logs/\(name)", encoding: .utf8)
      #expect(!text.lowercased().contains(token.lowercased()))
      #expect(text.contains("token ***, refused"))
    }
    #expect(disk < before)
    #expect(disk == store.size)
    // It is written on where it was.
    store.append([line(4000)])
    _ = store.carryOut(.prepare(file: "all", .diagnostics(oldest: nil, latest: nil)))
    #expect(try contents("all").count == 3001)
    #expect(
      store.carryOut(.customer(identifiers: identifiers, clear: false, limit: 500))
        == .customer(lines: [], count: 0, problems: []))
  }

  @Test func workerKeepsOrder() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let worker = LogWorker(try store()) { entry in
      if case .text(_, let text, _) = entry { return line(Int(text) ?? 0) }
      return []
    }
    for start in stride(from: 0, to: 1000, by: 10) {
      worker.write((start..<start + 10).map { .text(.info, String($0), wall: 0) })
    }
    let reply = Reply()
    worker.carryOut(.prepare(file: "o", .diagnostics(oldest: nil, latest: nil))) { reply.set($0) }
    worker.close(within: 10_000)
    guard case .prepared? = reply.value else {
      Issue.record("\(String(describing: reply.value))")
      return
    }
    #expect(try contents("o") == (0..<1000).map { String(decoding: line($0), as: UTF8.self) })
    // Nothing is taken any more.
    worker.write([.text(.info, "1", wall: 0)])
    worker.carryOut(.bound(bytes: 1)) { reply.set($0) }
    #expect(reply.value == .failed("the station stops"))
    #expect(worker.statistics.dropped == 1)
  }
}

private final class Reply: @unchecked Sendable {
  private let lock = NSLock()
  private var stored: LogReply?
  var value: LogReply? { lock.withLock { stored } }
  func set(_ reply: LogReply) { lock.withLock { stored = reply } }
}
