import Glibc
import StationCore
import TestPKI

@testable import Certificates

/// A certificate folder in a directory of its own, removed with the last reference.
final class TestFolder {
  let path: String
  var folder: CertificateFolder { CertificateFolder(path: path) }

  init() {
    var template = Array("/tmp/station-certs-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    guard let made else { fatalError("no directory for the test: \(errno)") }
    path = made
  }

  deinit {
    removeAll("")
    rmdir(path)
  }

  /// Everything below a directory.
  func removeAll(_ directory: String) {
    for name in names(directory) where unlink("\(path)/\(directory)/\(name)") != 0 {
      removeAll("\(directory)/\(name)")
      rmdir("\(path)/\(directory)/\(name)")
    }
  }

  func write(_ file: String, _ text: String) { write(file, Array(text.utf8)) }

  func write(_ file: String, _ bytes: [UInt8]) {
    var directory = path
    for part in file.split(separator: "/").dropLast() {
      directory += "/\(part)"
      mkdir(directory, 0o700)
    }
    let descriptor = open("\(path)/\(file)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
      fatalError("\(path)/\(file) cannot be written: \(errno)")
    }
    close(descriptor)
  }

  func read(_ file: String) -> String? {
    let bytes = try? FileReader.read(path, file, limit: 10 << 20)
    return bytes.map { String(decoding: $0, as: UTF8.self) }
  }

  /// All entries of a directory, hidden ones too, sorted.
  func names(_ directory: String) -> [String] {
    guard let stream = opendir("\(path)/\(directory)") else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  func chmod(_ file: String, _ mode: UInt32) { _ = Glibc.chmod("\(path)/\(file)", mode) }

  func mode(_ file: String) -> UInt32 {
    var status = stat()
    guard lstat("\(path)/\(file)", &status) == 0 else { return 0 }
    return status.st_mode & 0o7777
  }
}

/// One operator's hierarchy: root, sub-CA, leaf.
struct Hierarchy {
  let root: Issued
  let sub: Issued

  init(_ name: String) {
    root = issue(.authority("\(name) Root"))
    sub = issue(.authority("\(name) Sub"), by: root)
  }

  func leaf(_ wish: Wish) -> Issued { issue(wish, by: sub) }
}

extension Issued {
  var value: Certificate {
    guard let certificate = CertificateList(pem: Array(certificate.utf8)).certificates.first else {
      fatalError("the test certificate cannot be read")
    }
    return certificate
  }
}

/// 2026-01-01T00:00:00Z, within the validity of the test certificates.
let testTime: Int64 = 1_767_225_600_000
