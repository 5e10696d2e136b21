import OCPP

@testable import StationCore
@testable import StationRuntime

/// Texts of servers, programs and files that somebody else may have written, each reader on the same bytes: locations of
/// files, what `station-transfer` and installers say, lists of host keys, security logs.
func fuzzText(_ bytes: [UInt8]) {
  let lines = bytes.split(separator: UInt8(ascii: "\n")).prefix(50).map(Array.init)
  fuzzLocation(String(decoding: bytes.prefix(4096), as: UTF8.self))
  for line in lines {
    fuzzLocation(String(decoding: line, as: UTF8.self))
    fuzzTransferLine(line)
  }
  fuzzInstaller(lines.map { String(decoding: $0, as: UTF8.self) })
  fuzzSecurityLog(lines)
  if let location = FileLocation("sftp://host:2222/f") {
    for key in KnownHosts.keys(in: bytes, of: location) {
      expect(key.split(separator: " ").count == 2, "a host key that is not a type and a key")
    }
  }
}

/// What may be logged of a location names the same place and tells nothing else; what stands for it in a journal is as long,
/// leads to the same place, and stays as it is when it is journalled again.
private func fuzzLocation(_ text: String) {
  let journalled = JournalSecret.location(text)
  expect(JournalSecret.location(journalled) == journalled, "a journalled location changes when it is journalled again")
  guard let location = FileLocation(text) else { return }
  guard let told = FileLocation(location.loggable) else {
    broken("what is logged is no location: \(location.loggable)")
  }
  expect(told.user == nil && told.password == nil, "a user or password is logged")
  expect(!location.loggable.contains("?"), "a query is logged")
  expect(told.authority == location.authority && told.port == location.port, "another place is logged")
  expect(told.loggable == location.loggable, "what is logged changes")
  expect(journalled.utf8.count == text.utf8.count, "what is journalled has another length")
  guard let again = FileLocation(journalled) else { broken("what is journalled is no location: \(journalled)") }
  expect(again.authority == location.authority && again.user == location.user, "another place is journalled")
  if let password = location.password, password.count >= 8, !password.hasPrefix("***") {
    expect(again.password != password, "a password is journalled")
  }
}

private func fuzzTransferLine(_ line: [UInt8]) {
  switch TransferReport(line: line) {
  case .progress(let done, let total): expect(done >= 0 && total ?? 0 >= 0, "fewer bytes than none")
  case .done(let bytes): expect(bytes >= 0, "fewer bytes than none")
  case .hostKey(let key):
    guard let location = FileLocation("sftp://host/f") else { broken("no location") }
    expect(
      KnownHosts.keys(in: Array("host \(key)\n".utf8), of: location) == [key], "a host key is not read as it is taken")
  case .failed(_, let text): expect(text.unicodeScalars.count <= TransferReport.textLimit, "a long reason")
  case nil: break
  }
}

private func fuzzInstaller(_ lines: [String]) {
  let backends: [any InstallerBackend] = [ScriptInstaller(program: "/i"), RAUCInstaller()]
  for backend in backends {
    for line in lines {
      if let percent = backend.progress(line) { expect((0...100).contains(percent), "no percentage") }
    }
    _ = backend.isBusy(lines)
    for code: Int32 in [0, 1, 10, 20] {
      for request in [InstallerRequest.state, .install(file: "f"), .activate, .markGood, .rollBack, .keep] {
        let reply = backend.reply(to: request, exitCode: code, lines: lines)
        if case .state = reply { expect(request == .state && code == 0, "a state that was not asked for") }
      }
    }
  }
}

/// A chain that holds no longer holds when any of its entries is left out or changed.
private func fuzzSecurityLog(_ lines: [[UInt8]]) {
  let problems = SecurityLog.problems(lines, after: .beginning)
  expect(problems.count <= 10, "too many problems")
  if problems.isEmpty, lines.count > 1 {
    expect(!SecurityLog.problems(Array(lines.dropFirst()), after: .beginning).isEmpty, "the first one is not missed")
    var changed = lines
    changed[0][changed[0].count / 2] ^= 1
    expect(!SecurityLog.problems(changed, after: .beginning).isEmpty, "a change does not show")
  }
  // As a tampered ledger has them.
  var records: [String: [UInt8]] = [:]
  for (index, line) in lines.enumerated() { records[SecurityLog.key(Int64(index + 1))] = line }
  var log = SecurityLog(restoring: records, state: lines.first.flatMap { try? JSONValue.parse($0) })
  let isBroken = !log.problems.isEmpty
  _ = log.noticeBreak(isBroken)
  _ = log.add("X", nil, at: DateTime(unixMilliseconds: 1_767_225_600_000), clock: .unset, bound: 4096)
  if isBroken { expect(!log.noticeBreak(true), "the station's own entry counts as tampering") }
}
