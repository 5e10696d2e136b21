import Glibc
import OCPP

// bench-codec [--rounds N] FILE...
//
// Thread CPU time of decoding and of encoding each file, which is named for its message (`MeterValuesRequest.json`), in
// nanoseconds per message: the best of N rounds (7) of about 50 ms each. Prints a JSON array.

func threadNanoseconds() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

func readFile(_ path: String) -> [UInt8]? {
  guard let file = fopen(path, "rb") else { return nil }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = fread(&chunk, 1, chunk.count, file)
    if count == 0 { return bytes }
    bytes += chunk[..<count]
  }
}

func stop(_ message: String) -> Never {
  let line = Array("bench-codec: \(message)\n".utf8)
  _ = write(2, line, line.count)
  exit(1)
}

/// Best nanoseconds per call of `body`, which makes the given number of calls.
func best(rounds: Int, _ body: (Int) throws -> Void) rethrows -> Int {
  var count = 1
  while true {
    let start = threadNanoseconds()
    try body(count)
    if threadNanoseconds() - start > 10_000_000 { break }
    count *= 4
  }
  count *= 4
  var result = Int.max
  for _ in 0..<rounds {
    let start = threadNanoseconds()
    try body(count)
    result = min(result, (threadNanoseconds() - start) / count)
  }
  return result
}

func measure<Payload: OCPPPayload>(_ type: Payload.Type, _ json: [UInt8], rounds: Int) throws -> JSONValue {
  let value = try Payload.decode(json, version: .v201)
  var sink = 0
  let decode = try best(rounds: rounds) { count in
    for _ in 0..<count {
      let decoded = try Payload.decode(json, version: .v201)
      withExtendedLifetime(decoded) { sink &+= 1 }
    }
  }
  let encode = best(rounds: rounds) { count in
    for _ in 0..<count { sink &+= value.encode(version: .v201).count }
  }
  if sink == 0 { stop("nothing was measured") }
  return [
    "decodeNanoseconds": .int(decode), "encodeNanoseconds": .int(encode), "bytes": .int(json.count),
    "encodedBytes": .int(value.encode(version: .v201).count),
  ]
}

var rounds = 7
var results: [JSONValue] = []
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
  if argument == "--rounds" {
    guard let text = arguments.popFirst(), let number = Int(text), (1...1000).contains(number) else {
      stop("--rounds wants a number from 1 to 1000")
    }
    rounds = number
    continue
  }
  guard let json = readFile(argument) else { stop("cannot read \(argument)") }
  var name = argument.split(separator: "/").last.map(String.init) ?? argument
  if name.hasSuffix(".json") { name.removeLast(5) }
  guard let type = OCPPAction.payloadType(name, version: .v201) else { stop("\(name) is no message of OCPP 2.0.1") }
  do {
    let figures = try measure(type, json, rounds: rounds)
    results.append(.object([JSONMember(name: "message", value: .string(name))] + (figures.objectValue ?? [])))
  } catch {
    stop("\(argument): \(error)")
  }
}
print(JSONValue.array(results).text)
