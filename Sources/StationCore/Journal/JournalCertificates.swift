import OCPP

/// What passes the seam about TLS and certificates, as JSON values and back.

extension TLSOptions {
  var journal: JSONValue {
    .members([
      "allowWildcards": .bool(allowWildcards), "withoutRoot": withoutRoot.map { .string($0) },
      "clientCertificate": clientCertificate.map { .string($0) },
      "maxFragmentLength": maxFragmentLength.map { .int($0) }, "time": time?.journal,
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    var time: VerificationTime?
    if let value = fields.optional("time") {
      time = try VerificationTime(journal: JournalFields(value, "\(fields.place).time"))
    }
    self.init(
      allowWildcards: try fields.bool("allowWildcards"), withoutRoot: try fields.stringIfPresent("withoutRoot"),
      clientCertificate: try fields.stringIfPresent("clientCertificate"),
      maxFragmentLength: try fields.intIfPresent("maxFragmentLength"),
      time: time)
  }
}

extension VerificationTime {
  var journal: JSONValue {
    switch self {
    case .known(let time): .members(["known": .integer(time)])
    case .atLeast(let time): .members(["atLeast": .integer(time)])
    }
  }

  init(journal fields: JournalFields) throws(JournalError) {
    if let time = try fields.int64IfPresent("known") {
      self = .known(time)
    } else {
      self = .atLeast(try fields.int64("atLeast"))
    }
  }
}

extension TLSSession {
  var journal: JSONValue {
    .members([
      "version": .string(version), "cipher": .string(cipher), "root": .string(root),
      "clientCertificate": clientCertificate.map { .string($0) },
      "serverChain": .array(
        serverChain.map {
          .members([
            "subject": .string($0.subject), "notBefore": .integer($0.notBefore), "notAfter": .integer($0.notAfter),
          ])
        }),
      "isResumed": .bool(isResumed), "ocsp": ocsp.map { .string($0) },
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    var chain: [ServerCertificate] = []
    for value in try fields.array("serverChain") {
      let fields = try JournalFields(value, "\(fields.place).serverChain")
      chain.append(
        ServerCertificate(
          subject: try fields.string("subject"), notBefore: try fields.int64IfPresent("notBefore") ?? 0,
          notAfter: try fields.int64("notAfter")))
    }
    self.init(
      version: try fields.string("version"), cipher: try fields.string("cipher"), root: try fields.string("root"),
      clientCertificate: try fields.stringIfPresent("clientCertificate"), serverChain: chain,
      isResumed: try fields.bool("isResumed"), ocsp: try fields.stringIfPresent("ocsp"))
  }
}

extension CertificateHashDataType {
  var journal: JSONValue {
    .members([
      "hashAlgorithm": .string(hashAlgorithm.rawValue), "issuerKeyHash": .string(issuerKeyHash),
      "issuerNameHash": .string(issuerNameHash), "serialNumber": .string(serialNumber),
    ])
  }

  init(journal value: JSONValue?, _ place: String) throws(JournalError) {
    let fields = try JournalFields(value, place)
    self.init(
      hashAlgorithm: try fields.choice("hashAlgorithm"), issuerKeyHash: try fields.string("issuerKeyHash"),
      issuerNameHash: try fields.string("issuerNameHash"), serialNumber: try fields.string("serialNumber"))
  }
}

extension InstalledCertificate {
  var journal: JSONValue {
    .members([
      "kind": .string(kind.rawValue), "fingerprint": .string(fingerprint), "hash": hash.journal,
      "children": .array(children.map(\.journal)), "subject": .string(subject), "notBefore": .integer(notBefore),
      "notAfter": .integer(notAfter),
    ])
  }

  init(journal value: JSONValue, _ place: String) throws(JournalError) {
    let fields = try JournalFields(value, place)
    var children: [CertificateHashDataType] = []
    for value in try fields.array("children") {
      children.append(try CertificateHashDataType(journal: value, "\(place).children"))
    }
    self.init(
      kind: try fields.choice("kind"), fingerprint: try fields.string("fingerprint"),
      hash: try CertificateHashDataType(journal: fields.value("hash"), "\(place).hash"), children: children,
      subject: try fields.string("subject"), notBefore: try fields.int64("notBefore"),
      notAfter: try fields.int64("notAfter"))
  }
}

extension CertificateInventory {
  var journal: JSONValue {
    .members([
      "certificates": .array(certificates.map(\.journal)), "problems": .array(problems.map { .string($0) }),
    ])
  }

  init(journal fields: JournalFields) throws(JournalError) {
    var certificates: [InstalledCertificate] = []
    for value in try fields.array("certificates") {
      certificates.append(try InstalledCertificate(journal: value, "\(fields.place).certificates"))
    }
    self.init(certificates: certificates, problems: try fields.array("problems").compactMap(\.stringValue))
  }
}

extension CertificateRequest {
  var journal: JSONValue {
    switch self {
    case .look: return "look"
    case .sign(let use, let commonName, let organization, let country, let key):
      return .tagged(
        "sign",
        [
          "use": .string(use.rawValue), "commonName": .string(commonName),
          "organization": organization.map { .string($0) }, "country": country.map { .string($0) },
          "key": .string(key.rawValue),
        ])
    case .installSigned(let use, let chain, let commonName, let maxChainBytes, let at):
      return .tagged(
        "installSigned",
        [
          "use": .string(use.rawValue), "chain": .string(chain), "commonName": .string(commonName),
          "maxChainBytes": maxChainBytes.map { .int($0) }, "at": at.map { .integer($0) },
        ])
    case .installRoot(let use, let pem, let limit, let replacing, let at):
      return .tagged(
        "installRoot",
        [
          "use": .string(use.rawValue), "pem": .string(pem), "limit": limit.map { .int($0) },
          "replacing": replacing.map { .string($0) }, "at": at.map { .integer($0) },
        ])
    case .delete(let hash, let keeping):
      return .tagged("delete", ["hash": hash.journal, "keeping": .array(keeping.map { .string($0) })])
    case .discard(let kind, let fingerprint):
      return .tagged("discard", ["kind": .string(kind.rawValue), "fingerprint": .string(fingerprint)])
    case .checkFirmwareSigner(let pem, let at):
      return .tagged("checkFirmwareSigner", ["pem": .string(pem), "at": at.map { .integer($0) }])
    case .verifyFirmware(let file, let signature, let signer, let at):
      return .tagged(
        "verifyFirmware",
        [
          "file": .string(file), "signature": .string(signature), "signer": .string(signer),
          "at": at.map { .integer($0) },
        ])
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "do.certificates.request")
    switch tagged.tag {
    case "look": self = .look
    case "sign":
      let fields = try tagged.fields()
      self = .sign(
        try fields.choice("use"), commonName: try fields.string("commonName"),
        organization: try fields.stringIfPresent("organization"), country: try fields.stringIfPresent("country"),
        key: try fields.choice("key"))
    case "installSigned":
      let fields = try tagged.fields()
      self = .installSigned(
        try fields.choice("use"), chain: try fields.string("chain"), commonName: try fields.string("commonName"),
        maxChainBytes: try fields.intIfPresent("maxChainBytes"), at: try fields.int64IfPresent("at"))
    case "installRoot":
      let fields = try tagged.fields()
      self = .installRoot(
        try fields.choice("use"), pem: try fields.string("pem"), limit: try fields.intIfPresent("limit"),
        replacing: try fields.stringIfPresent("replacing"), at: try fields.int64IfPresent("at"))
    case "delete":
      let fields = try tagged.fields()
      self = .delete(
        try CertificateHashDataType(journal: fields.value("hash"), "\(fields.place).hash"),
        keeping: try fields.array("keeping").compactMap(\.stringValue))
    case "discard":
      let fields = try tagged.fields()
      self = .discard(try fields.choice("kind"), fingerprint: try fields.string("fingerprint"))
    case "checkFirmwareSigner":
      let fields = try tagged.fields()
      self = .checkFirmwareSigner(pem: try fields.string("pem"), at: try fields.int64IfPresent("at"))
    case "verifyFirmware":
      let fields = try tagged.fields()
      self = .verifyFirmware(
        file: try fields.string("file"), signature: try fields.string("signature"),
        signer: try fields.string("signer"), at: try fields.int64IfPresent("at"))
    default: throw tagged.unknown()
    }
  }
}

extension CertificateReply {
  var journal: JSONValue {
    switch self {
    case .done: return "done"
    case .signingRequest(let pem): return .tagged("signingRequest", ["pem": .string(pem)])
    case .rejected(let reasonCode, let text):
      return .tagged("rejected", ["reasonCode": .string(reasonCode), "text": .string(text)])
    case .notFound: return "notFound"
    case .failed(let text): return .tagged("failed", ["text": .string(text)])
    }
  }

  init(journal value: JSONValue) throws(JournalError) {
    let tagged = try JournalCase(value, "in.certificates.reply")
    switch tagged.tag {
    case "done": self = .done
    case "signingRequest": self = .signingRequest(try tagged.fields().string("pem"))
    case "rejected":
      let fields = try tagged.fields()
      self = .rejected(reasonCode: try fields.string("reasonCode"), try fields.string("text"))
    case "notFound": self = .notFound
    case "failed": self = .failed(try tagged.fields().string("text"))
    default: throw tagged.unknown()
    }
  }
}
