import OCPP

/// What passes the seam about file transfers, as JSON values and back.

extension Transfer {
  var journal: JSONValue {
    .members([
      "kind": .string(kind.rawValue), "direction": .string(direction.rawValue), "location": .string(location),
      "file": .string(file), "remoteName": .string(remoteName), "resumes": .bool(resumes),
      "maxBytes": .integer(maxBytes), "connectSeconds": .int(connectSeconds), "stallSeconds": .int(stallSeconds),
      "trustsSystemRoots": .bool(trustsSystemRoots),
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    self.init(
      kind: try fields.choice("kind"), direction: try fields.choice("direction"),
      location: try fields.string("location"), file: try fields.string("file"),
      remoteName: try fields.string("remoteName"), resumes: try fields.bool("resumes"),
      maxBytes: try fields.int64("maxBytes"), connectSeconds: try fields.int("connectSeconds"),
      stallSeconds: try fields.int("stallSeconds"), trustsSystemRoots: try fields.bool("trustsSystemRoots"))
  }
}

extension TransferRequest {
  var journal: JSONValue {
    switch self {
    case .start(let transfer): .members(["start": transfer.journal])
    case .cancel: "cancel"
    case .remove(let file): .tagged("remove", ["file": .string(file)])
    case .keepOnly(let files): .tagged("keepOnly", ["files": .array(files.map { .string($0) })])
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "do.transfer.request")
    switch tagged.tag {
    case "start": self = .start(try Transfer(journal: tagged.fields()))
    case "cancel": self = .cancel
    case "remove": self = .remove(file: try tagged.fields().string("file"))
    case "keepOnly": self = .keepOnly(try tagged.fields().array("files").compactMap(\.stringValue))
    default: throw tagged.unknown()
    }
  }
}

extension TransferEvent {
  var journal: JSONValue {
    switch self {
    case .progress(let done, let total):
      .tagged("progress", ["done": .integer(done), "total": total.map { .integer($0) }])
    case .ended(.done(let bytes)): .tagged("done", ["bytes": .integer(bytes)])
    case .ended(.failed(let failure, let text)):
      .tagged("failed", ["failure": .string(failure.rawValue), "text": .string(text)])
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "in.transfer.event")
    let fields = try tagged.fields()
    switch tagged.tag {
    case "progress": self = .progress(done: try fields.int64("done"), total: try fields.int64IfPresent("total"))
    case "done": self = .ended(.done(bytes: try fields.int64("bytes")))
    case "failed": self = .ended(.failed(try fields.choice("failure"), try fields.string("text")))
    default: throw tagged.unknown()
    }
  }
}
