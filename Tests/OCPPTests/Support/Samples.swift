import Glibc
import OCPP

/// Files of Tests/Samples.
enum Samples {
  struct Unreadable: Error {
    var path: String
  }

  static func bytes(_ name: String) throws -> [UInt8] {
    try file(testsFolder + "/Samples/" + name + ".json")
  }

  static var testsFolder: String {
    // .../Tests/OCPPTests/Support/Samples.swift
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
  }

  static func file(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "rb") else { throw Unreadable(path: path) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { return bytes }
      bytes += chunk[..<count]
    }
  }
}

extension JSONValue {
  /// For comparison: the members of all objects in the order of their names, and points in time as we write them.
  var sorted: JSONValue {
    switch self {
    case .string(let text): .string(DateTime(text)?.description ?? text)
    case .array(let values): .array(values.map(\.sorted))
    case .object(let members):
      .object(members.map { JSONMember(name: $0.name, value: $0.value.sorted) }.sorted { $0.name < $1.name })
    default: self
    }
  }
}
