import Glibc
import OCPP
import StationCore

/// Certificate weather: every certificate and chain that the station uses, when it ends, and what breaks then.
public struct CertificateReport: Sendable {
  /// Days ahead from which an end counts as near.
  public static let nearDays: Int64 = 30
  static let day: Int64 = 86_400_000

  public enum Role: Hashable, Sendable {
    case installed(InstalledCertificate.Kind)
    /// Of an own certificate's chain.
    case child(InstalledCertificate.Kind)
    /// Below `ca/`, in no bundle.
    case intermediate
    /// What the CSMS served in the last handshake, now or when it was last there; only in the report of a running station.
    case server

    public var text: String {
      switch self {
      case .installed(let kind): kind.rawValue
      case .child(let kind): "\(kind.rawValue) chain"
      case .intermediate: "intermediate"
      case .server: "csms server"
      }
    }
  }

  public enum State: String, Hashable, Sendable {
    case ok, near, expired, notYetValid
    /// A newer one is used in its place, so that its end breaks nothing.
    case superseded
  }

  public struct Entry: Hashable, Sendable {
    public var role: Role
    /// Where it is in the folder; `nil` for the server's.
    public var file: String?
    public var subject: String
    /// The server's are known by subject and validity only.
    public var issuer: String?
    public var fingerprint: String?
    public var key: String?
    public var signature: String?
    public var notBefore: Int64
    public var notAfter: Int64
    public var state: State
    /// Whole days until the end, negative when it is past.
    public var daysLeft: Int64
    /// What no longer works after its end.
    public var breaks: String
    /// The server's: when the station saw it last, Unix milliseconds by its clock.
    public var seen: Int64?
  }

  public private(set) var entries: [Entry] = []
  public var problems: [String] = []
  /// Unix time in milliseconds for which it was made.
  public let time: Int64

  /// Something ended, ends soon, has not begun, or is wrong.
  public var needsAttention: Bool {
    !problems.isEmpty || entries.contains { $0.state != .ok && $0.state != .superseded }
  }

  public init(_ folder: CertificateFolder, at time: Int64) {
    self.time = time
    let reading = folder.reading()
    problems = reading.problems
    for kind in InstalledCertificate.Kind.allCases {
      for root in reading.roots[kind] ?? [] {
        add(root, .installed(kind), CertificateFolder.bundle(kind), Self.consequence(of: kind))
      }
      let own = reading.own[kind] ?? []
      let used =
        own.first { (($0.leaf.notBefore)...max($0.leaf.notBefore, $0.leaf.notAfter)).contains(time) } ?? own.first
      for one in own {
        let isUsed = one.leaf == used?.leaf
        add(one.leaf, .installed(kind), one.certificateFile, Self.consequence(of: kind), isSuperseded: !isUsed)
        let chain = CertificatePath.ascent(from: one.leaf, among: one.others).dropFirst()
        for certificate in chain {
          add(certificate, .child(kind), one.certificateFile, Self.consequence(of: kind), isSuperseded: !isUsed)
        }
      }
    }
    for certificate in reading.intermediates {
      add(certificate, .intermediate, nil, "chains that are completed with it can no longer be verified")
    }
    problems += Self.openFiles(in: folder)
  }

  /// What the CSMS served, leaf first.
  /// - Parameter seenAt: when, Unix milliseconds.
  public mutating func add(server chain: [TLSSession.ServerCertificate], seenAt: Int64?) {
    for certificate in chain {
      var entry = entry(
        .server, subject: certificate.subject, notBefore: certificate.notBefore, notAfter: certificate.notAfter,
        "the station refuses the CSMS: no connection in security profiles 2 and 3")
      entry.seen = seenAt
      entries.append(entry)
    }
  }

  private mutating func add(
    _ certificate: Certificate, _ role: Role, _ file: String?, _ breaks: String, isSuperseded: Bool = false
  ) {
    var entry = entry(
      role, subject: certificate.subject, notBefore: certificate.notBefore, notAfter: certificate.notAfter, breaks)
    if isSuperseded {
      entry.state = .superseded
      entry.breaks = "nothing: a newer one is used"
    }
    entry.file = file
    entry.issuer = certificate.issuer
    entry.fingerprint = certificate.fingerprint
    entry.key = certificate.key.description
    entry.signature = certificate.signatureAlgorithm
    entries.append(entry)
  }

  private func entry(
    _ role: Role, subject: String, notBefore: Int64, notAfter: Int64, _ breaks: String
  ) -> Entry {
    let left = notAfter - time
    let state: State =
      if left < 0 {
        .expired
      } else if notBefore > time {
        .notYetValid
      } else {
        left < Self.nearDays * Self.day ? .near : .ok
      }
    // Rounded down: what ends in an hour has 0 days, what ended an hour ago -1.
    let days = left >= 0 ? left / Self.day : (left - Self.day + 1) / Self.day
    return Entry(
      role: role, subject: subject, notBefore: notBefore, notAfter: notAfter, state: state, daysLeft: days,
      breaks: breaks)
  }

  static func consequence(of kind: InstalledCertificate.Kind) -> String {
    switch kind {
    case .csmsRoot: "a CSMS below it cannot be verified: no connection in security profiles 2 and 3"
    case .manufacturerRoot: "signed firmware below it is refused"
    case .v2gRoot: "vehicle-side (SECC) certificates below it can neither be verified nor renewed"
    case .moRoot: "contract certificates below it are refused, unless the CSMS validates them"
    case .chargingStation: "the CSMS refuses the station in security profile 3, unless it makes an exception"
    case .v2gChain: "vehicles get no TLS: no Plug & Charge"
    }
  }

  /// Keys and directories that others may read.
  private static func openFiles(in folder: CertificateFolder) -> [String] {
    var problems: [String] = []
    for kind in InstalledCertificate.Kind.allCases {
      guard let directory = CertificateFolder.directory(kind) else { continue }
      for name in DurableFiles(root: folder.path).names(directory) where name.hasSuffix(".key") {
        var status = stat()
        let file = "\(directory)/\(name)"
        guard stat("\(folder.path)/\(file)", &status) == 0, status.st_mode & 0o077 != 0 else { continue }
        let mode = String(status.st_mode & 0o777, radix: 8)
        problems.append("\(file): others may read or change the key (mode 0\(mode)); expected 0600")
      }
    }
    return problems
  }
}
