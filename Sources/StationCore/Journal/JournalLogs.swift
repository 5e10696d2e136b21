import OCPP

/// Work on the logs as JSON values, and back to equal ones.
extension LogRequest {
  var journal: JSONValue {
    switch self {
    case .bound(let bytes): .tagged("bound", ["bytes": .int(bytes)])
    case .prepare(let file, .diagnostics(let oldest, let latest)):
      .tagged(
        "prepare",
        ["file": .string(file), "oldest": oldest.map { .integer($0) }, "latest": latest.map { .integer($0) }])
    case .prepare(let file, .lines(let lines)):
      .tagged("prepare", ["file": .string(file), "lines": .array(lines.map { .bytes($0) })])
    case .customer(let identifiers, let clear, let limit):
      .tagged(
        "customer",
        ["identifiers": .array(identifiers.map(\.json)), "clear": .bool(clear), "limit": .int(limit)])
    case .erase: "erase"
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "do.logs.request")
    if tagged.tag == "erase" {
      self = .erase
      return
    }
    let fields = try tagged.fields()
    switch tagged.tag {
    case "bound": self = .bound(bytes: try fields.int("bytes"))
    case "prepare":
      let file = try fields.string("file")
      if fields.optional("lines") != nil {
        self = .prepare(file: file, .lines(try fields.strings("lines").map { Array($0.utf8) }))
      } else {
        self = .prepare(
          file: file,
          .diagnostics(oldest: try fields.int64IfPresent("oldest"), latest: try fields.int64IfPresent("latest")))
      }
    case "customer":
      self = .customer(
        identifiers: try fields.all("identifiers", "identifiers of customers") { CustomerIdentifier(json: $0) },
        clear: try fields.bool("clear"), limit: try fields.int("limit"))
    default: throw tagged.unknown()
    }
  }
}

extension LogReply {
  var journal: JSONValue {
    switch self {
    case .done: "done"
    case .prepared(let bytes): .tagged("prepared", ["bytes": .int(bytes)])
    case .nothing: "nothing"
    case .customer(let lines, let count, let problems):
      .tagged(
        "customer",
        [
          "lines": .array(lines.map { .string($0) }), "count": .int(count),
          "problems": .array(problems.map { .string($0) }),
        ])
    case .failed(let text): .tagged("failed", ["text": .string(text)])
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "in.logs.reply")
    switch tagged.tag {
    case "done": self = .done
    case "nothing": self = .nothing
    case "prepared": self = .prepared(bytes: try tagged.fields().int("bytes"))
    case "customer":
      let fields = try tagged.fields()
      self = .customer(
        lines: try fields.strings("lines"), count: try fields.int("count"), problems: try fields.strings("problems"))
    case "failed": self = .failed(try tagged.fields().string("text"))
    default: throw tagged.unknown()
    }
  }
}

extension JournalFields {
  fileprivate func strings(_ name: String) throws(JournalError) -> [String] {
    try all(name, "texts") { $0.stringValue }
  }

  fileprivate func all<T>(_ name: String, _ expected: String, _ read: (JSONValue) -> T?) throws(JournalError) -> [T] {
    let values = try array(name)
    let result = values.compactMap(read)
    guard result.count == values.count else {
      throw JournalError("\(place).\(name): expected an array of \(expected)")
    }
    return result
  }
}
