import OCPP

extension CertificateReport {
  /// For people.
  public var text: String {
    var lines: [String] = []
    var last: Role?
    for entry in entries {
      if entry.role != last { lines.append("\(entry.role.text):") }
      last = entry.role
      lines.append("  \(Self.printable(entry.subject))")
      lines.append(
        "    from \(Self.date(entry.notBefore)) until \(Self.date(entry.notAfter)), \(Self.state(of: entry))")
      lines.append("    \(entry.state == .expired ? "now" : "then"): \(entry.breaks)")
      var details: [String] = []
      if let key = entry.key { details.append(key) }
      if let signature = entry.signature { details.append(signature) }
      if let issuer = entry.issuer, issuer != entry.subject { details.append("signed by \(Self.printable(issuer))") }
      if let file = entry.file { details.append(Self.printable(file)) }
      if let seen = entry.seen { details.append("seen \(DateTime(unixMilliseconds: seen))") }
      if !details.isEmpty { lines.append("    " + details.joined(separator: ", ")) }
    }
    if entries.isEmpty { lines.append("no certificates") }
    lines += problems.map { "problem: \(Self.printable($0))" }
    return lines.joined(separator: "\n") + "\n"
  }

  /// One object: `at`, `needsAttention`, `certificates` and `problems`. Times are UTC.
  public var json: JSONValue {
    .object([
      JSONMember(name: "at", value: .string(DateTime(unixMilliseconds: time).description)),
      JSONMember(name: "needsAttention", value: .bool(needsAttention)),
      JSONMember(name: "certificates", value: .array(entries.map(Self.json))),
      JSONMember(name: "problems", value: .array(problems.map { .string($0) })),
    ])
  }

  private static func json(_ entry: Entry) -> JSONValue {
    let members: [(String, JSONValue?)] = [
      ("kind", .string(entry.role.text)), ("file", entry.file.map { .string($0) }), ("subject", .string(entry.subject)),
      ("issuer", entry.issuer.map { .string($0) }), ("fingerprint", entry.fingerprint.map { .string($0) }),
      ("key", entry.key.map { .string($0) }), ("signature", entry.signature.map { .string($0) }),
      ("validFrom", .string(DateTime(unixMilliseconds: entry.notBefore).description)),
      ("validTo", .string(DateTime(unixMilliseconds: entry.notAfter).description)),
      ("daysLeft", .int(Int(entry.daysLeft))), ("state", .string(entry.state.rawValue)),
      ("breaks", .string(entry.breaks)),
      ("seen", entry.seen.map { .string(DateTime(unixMilliseconds: $0).description) }),
    ]
    return .object(members.compactMap { name, value in value.map { JSONMember(name: name, value: $0) } })
  }

  private static func state(of entry: Entry) -> String {
    switch entry.state {
    case .expired: "EXPIRED \(-entry.daysLeft) days ago"
    case .notYetValid: "NOT YET VALID"
    case .near: "ENDS in \(entry.daysLeft) days"
    case .ok, .superseded: "\(entry.daysLeft) days"
    }
  }

  private static func date(_ time: Int64) -> String { String(DateTime(unixMilliseconds: time).description.prefix(10)) }

  /// Names come from others: nothing of them moves a cursor.
  private static func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
  }
}
