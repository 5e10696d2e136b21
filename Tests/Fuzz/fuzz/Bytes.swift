import StationCore

@testable import Hardware
@testable import Ledger

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

private let database = "/dev/shm/station-fuzz-\(getpid()).db"
private let log = database + "-wal"

/// The salvage of damaged ledgers, which reads SQLite's pages without trusting them. The first byte says how much of it is
/// the log.
func fuzzLedger(_ bytes: [UInt8]) {
  guard let first = bytes.first else { return }
  let content = bytes.dropFirst()
  let cut = content.startIndex + content.count * Int(first) / 255
  write(Array(content[..<cut]), to: database)
  write(Array(content[cut...]), to: log)
  let image = PageImage(database: database, log: log)
  _ = Salvage.refusal(image, database)
  let salvage = Salvage(image)
  for message in salvage.messages.values {
    expect(message.payload.count <= content.count * 2 + 4096, "a message is longer than what it was read from")
  }
  unlink(database)
  unlink(log)
}

private func write(_ bytes: [UInt8], to path: String) {
  let file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
  expect(file >= 0, "cannot write \(path)")
  _ = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
  close(file)
}

/// What arrives on serial lines and buses: the same frames, however it is cut.
func fuzzSerial(_ bytes: [UInt8]) {
  var whole = MCUFrameReader()
  var bits = MCUFrameReader()
  let messages = whole.take(bytes)
  expect(messages == bytes.flatMap { bits.take([$0]) }, "frames of the controller depend on how they are cut")
  for message in messages { _ = MCUReport.decode(message) }
  var card = PN532FrameReader()
  var cardBits = PN532FrameReader()
  expect(
    card.take(bytes) == bytes.flatMap { cardBits.take([$0]) }, "frames of the reader depend on how they are cut")
}
