import Glibc
import OCPP

// codec-check < records
//
// Reads records that end with byte 0x1E: version, tab, name of a message's schema, tab, JSON. Prints a line for each:
//
//   ok TAB the message as encoded again
//   no TAB error code TAB path TAB message
//
// Tests/CodecCheck/check.py compares them with the verdicts of the PyPI package `ocpp`.

func standardInput() -> [UInt8] {
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(0, &chunk, chunk.count)
    if count <= 0 { return bytes }
    bytes += chunk[..<count]
  }
}

func verdict(_ record: ArraySlice<UInt8>) -> [UInt8] {
  let fields = record.split(separator: 0x09, maxSplits: 2, omittingEmptySubsequences: false)
  guard fields.count == 3, let version = OCPPVersion(rawValue: String(decoding: fields[0], as: UTF8.self)),
    let type = OCPPAction.payloadType(String(decoding: fields[1], as: UTF8.self), version: version)
  else { return Array("bad record".utf8) }
  do throws(PayloadError) {
    let json = Array(fields[2])
    return try Array("ok\t".utf8) + encodedAgain(type, json, version)
  } catch {
    return Array("no\t\(error.code.rawValue)\t\(error.path)\t\(error.message)".utf8)
  }
}

func encodedAgain<Payload: OCPPPayload>(
  _ type: Payload.Type, _ json: [UInt8], _ version: OCPPVersion
) throws(PayloadError) -> [UInt8] {
  try Payload.decode(json, version: version).encode(version: version)
}

var output: [UInt8] = []
for record in standardInput().split(separator: 0x1E) { output += verdict(record) + [0x0A] }
var written = 0
while written < output.count {
  let count = output.withUnsafeBytes { write(1, $0.baseAddress?.advanced(by: written), output.count - written) }
  if count <= 0 { exit(1) }
  written += count
}
