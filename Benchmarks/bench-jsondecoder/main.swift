import Foundation

// bench-jsondecoder FILE: thread CPU time of decoding and encoding a TransactionEventRequest with Foundation's JSONDecoder
// and JSONEncoder, in nanoseconds: the best of 7 rounds. What the generated codec is compared with.

struct TransactionEvent: Codable {
  struct Transaction: Codable {
    var transactionId: String
    var chargingState: String?
    var timeSpentCharging: Int?
    var stoppedReason: String?
    var remoteStartId: Int?
  }
  struct EVSE: Codable {
    var id: Int
    var connectorId: Int?
  }
  struct Token: Codable {
    var idToken: String
    var type: String
  }
  struct Unit: Codable {
    var unit: String?
    var multiplier: Int?
  }
  struct Sample: Codable {
    var value: Double
    var context: String?
    var measurand: String?
    var phase: String?
    var location: String?
    var unitOfMeasure: Unit?
  }
  struct Meter: Codable {
    var timestamp: String
    var sampledValue: [Sample]
  }
  var eventType: String
  var timestamp: String
  var triggerReason: String
  var seqNo: Int
  var offline: Bool?
  var numberOfPhasesUsed: Int?
  var transactionInfo: Transaction
  var evse: EVSE?
  var idToken: Token?
  var meterValue: [Meter]?
}

func threadNanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

func best(_ body: () throws -> Void) rethrows -> Int {
  let count = 2000
  var result = Int.max
  for _ in 0..<7 {
    let start = threadNanoseconds()
    for _ in 0..<count { try body() }
    result = min(result, (threadNanoseconds() - start) / count)
  }
  return result
}

guard CommandLine.arguments.count == 2, let data = FileManager.default.contents(atPath: CommandLine.arguments[1]) else {
  FileHandle.standardError.write(Data("bench-jsondecoder: expected the path of a TransactionEventRequest\n".utf8))
  exit(1)
}
let value = try JSONDecoder().decode(TransactionEvent.self, from: data)
let decode = try best { _ = try JSONDecoder().decode(TransactionEvent.self, from: data) }
let encode = try best { _ = try JSONEncoder().encode(value) }
print("{\"decodeNanoseconds\":\(decode),\"encodeNanoseconds\":\(encode)}")
