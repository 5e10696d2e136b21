import OCPP

/// What passes the seam about the installer, as JSON values and back.

extension InstallerRequest {
  var journal: JSONValue {
    switch self {
    case .state: "state"
    case .install(let file): .tagged("install", ["file": .string(file)])
    case .activate: "activate"
    case .markGood: "markGood"
    case .rollBack: "rollBack"
    case .keep: "keep"
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "do.installer.request")
    switch tagged.tag {
    case "state": self = .state
    case "install": self = .install(file: try tagged.fields().string("file"))
    case "activate": self = .activate
    case "markGood": self = .markGood
    case "rollBack": self = .rollBack
    case "keep": self = .keep
    default: throw tagged.unknown()
    }
  }
}

extension RunningFirmware {
  var journal: JSONValue {
    .members(["version": .string(version), "slot": .string(slot), "isGood": .bool(isGood)])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    self.init(
      version: try fields.string("version"), slot: try fields.string("slot"), isGood: try fields.bool("isGood"))
  }
}

extension InstallerReply {
  var journal: JSONValue {
    switch self {
    case .progress(let percent): .tagged("progress", ["percent": .int(percent)])
    case .state(let running): .members(["state": running.journal])
    case .done: "done"
    case .restartNeeded: "restartNeeded"
    case .invalid(let text): .tagged("invalid", ["text": .string(text)])
    case .failed(let text): .tagged("failed", ["text": .string(text)])
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "in.installer.reply")
    switch tagged.tag {
    case "progress": self = .progress(try tagged.fields().int("percent"))
    case "state": self = .state(try RunningFirmware(journal: tagged.fields()))
    case "done": self = .done
    case "restartNeeded": self = .restartNeeded
    case "invalid": self = .invalid(try tagged.fields().string("text"))
    case "failed": self = .failed(try tagged.fields().string("text"))
    default: throw tagged.unknown()
    }
  }
}
