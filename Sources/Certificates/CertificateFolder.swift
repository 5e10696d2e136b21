import StationCore

/// The certificate directory, as it is at the moment of each call: nothing is cached, so what somebody puts there by hand
/// counts at once. A missing file or directory is an empty one.
///
/// | path | what |
/// |---|---|
/// | `ca/csms/CSMS_ROOT_CA.pem`, `ca/v2g/V2G_ROOT_CA.pem`, `ca/mo/MO_ROOT_CA.pem`, `ca/mf/MF_ROOT_CA.pem` | roots, bundles |
/// | other `*.pem` below `ca/` | intermediates: they complete paths and are not trusted |
/// | `client/csms/*.pem`, `client/cso/*.pem` | own certificates: leaf first, then its CAs; the key in the `.key` file of the same name |
///
/// Files and directories whose name begins with a dot do not count.
public struct CertificateFolder: Hashable, Sendable {
  /// Bytes of one file; certificates in it; files in a directory, and in all directories below `ca/`.
  public static let fileSizeLimit = 1 << 20
  public static let certificatesPerFile = 100
  public static let filesPerDirectory = 200

  public let path: String

  public init(path: String) {
    self.path = path
  }

  /// Certificates that could be read, and one line for each thing that could not, with the file's path in the folder.
  public struct Contents: Hashable, Sendable {
    public var certificates: [Certificate] = []
    public var problems: [String] = []
  }

  /// One of the station's own certificates.
  public struct Own: Hashable, Sendable {
    public var leaf: Certificate
    /// The other certificates of its file, in their order.
    public var others: [Certificate]
    /// Paths in the folder.
    public var certificateFile: String
    public var keyFile: String
    /// The key is in a token: `keyFile` only names it.
    public var keyIsInToken: Bool
  }

  /// The station's own certificates of one kind.
  public struct OwnContents: Hashable, Sendable {
    /// The one with the latest start of validity first; each leaf once.
    public var certificates: [Own] = []
    public var problems: [String] = []
  }

  /// The bundle of a kind of root, as a path in the folder.
  public static func bundle(_ kind: InstalledCertificate.Kind) -> String? {
    switch kind {
    case .csmsRoot: "ca/csms/CSMS_ROOT_CA.pem"
    case .v2gRoot: "ca/v2g/V2G_ROOT_CA.pem"
    case .moRoot: "ca/mo/MO_ROOT_CA.pem"
    case .manufacturerRoot: "ca/mf/MF_ROOT_CA.pem"
    case .chargingStation, .v2gChain: nil
    }
  }

  /// Where own certificates of a kind are, as a path in the folder.
  public static func directory(_ kind: InstalledCertificate.Kind) -> String? {
    switch kind {
    case .chargingStation: "client/csms"
    case .v2gChain: "client/cso"
    default: nil
    }
  }

  /// The roots of a kind in the order of the file, each once. Empty for own kinds.
  public func roots(_ kind: InstalledCertificate.Kind) -> Contents {
    guard let file = Self.bundle(kind) else { return Contents() }
    return certificates(of: file)
  }

  /// Everything below `ca/` that is not in one of the four bundles.
  public func intermediates() -> Contents {
    var contents = Contents()
    let bundles = Set(InstalledCertificate.Kind.allCases.compactMap(Self.bundle))
    var directories = ["ca"]
    var count = 0
    while let directory = directories.popLast() {
      let entries: [FileReader.Entry]
      do throws(FileProblem) {
        entries = try FileReader.entries(of: path, directory)
      } catch {
        contents.problems.append(error.text)
        continue
      }
      for entry in entries {
        let file = "\(directory)/\(entry.name)"
        if entry.isDirectory {
          // Deep enough for ca/csms/anything/.
          if file.utf8.count(where: { $0 == UInt8(ascii: "/") }) <= 3 { directories.append(file) }
          continue
        }
        guard entry.name.hasSuffix(".pem"), !bundles.contains(file) else { continue }
        count += 1
        guard count <= Self.filesPerDirectory else {
          contents.problems.append("ca: more than \(Self.filesPerDirectory) files; the rest does not count")
          return contents
        }
        let more = certificates(of: file)
        contents.certificates += more.certificates.filter { !contents.certificates.contains($0) }
        contents.problems += more.problems
      }
    }
    return contents
  }

  /// The station's own certificates of a kind. One without its key, or with another one's, is a problem and does not
  /// count. Keys in tokens and encrypted ones are not opened for that.
  public func own(_ kind: InstalledCertificate.Kind) -> OwnContents {
    guard let directory = Self.directory(kind) else { return OwnContents() }
    var contents = OwnContents()
    let entries: [FileReader.Entry]
    do throws(FileProblem) {
      entries = try FileReader.entries(of: path, directory)
    } catch {
      return OwnContents(problems: [error.text])
    }
    for (index, entry) in entries.filter({ !$0.isDirectory && $0.name.hasSuffix(".pem") }).enumerated() {
      guard index < Self.filesPerDirectory else {
        contents.problems.append("\(directory): more than \(Self.filesPerDirectory) files; the rest does not count")
        break
      }
      let file = "\(directory)/\(entry.name)"
      let list = certificates(of: file)
      contents.problems += list.problems
      guard let leaf = list.certificates.first else { continue }
      let keyFile = "\(directory)/\(entry.name.dropLast(4)).key"
      if let problem = KeyFile.problem(of: "\(path)/\(keyFile)", for: leaf) {
        contents.problems.append("\(keyFile): \(problem)")
        continue
      }
      guard !contents.certificates.contains(where: { $0.leaf == leaf }) else { continue }
      contents.certificates.append(
        Own(
          leaf: leaf, others: Array(list.certificates.dropFirst()), certificateFile: file, keyFile: keyFile,
          keyIsInToken: KeyFile.namesToken("\(path)/\(keyFile)")))
    }
    contents.certificates.sort {
      ($0.leaf.notBefore, $0.certificateFile) > ($1.leaf.notBefore, $1.certificateFile)
    }
    return contents
  }

  private func certificates(of file: String) -> Contents {
    let bytes: [UInt8]
    do throws(FileProblem) {
      guard let content = try FileReader.read(path, file, limit: Self.fileSizeLimit) else { return Contents() }
      bytes = content
    } catch {
      return Contents(problems: [error.text])
    }
    let list = CertificateList(pem: bytes, limit: Self.certificatesPerFile)
    var contents = Contents(problems: list.problems.map { "\(file): \($0)" })
    for certificate in list.certificates where !contents.certificates.contains(certificate) {
      contents.certificates.append(certificate)
    }
    let isBlank = bytes.allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) }
    if list.certificates.isEmpty, list.problems.isEmpty, !isBlank {
      contents.problems.append("\(file): there is no certificate in it; expected PEM, BEGIN CERTIFICATE")
    }
    return contents
  }
}
