import OCPP
import StationCore
import TestPKI
import Threads

@testable import Certificates

/// A certificate store on a folder of its own.
struct StoreBench {
  let test = TestFolder()
  var store: CertificateStore { CertificateStore(folder: test.folder) }

  @discardableResult
  func callAsFunction(_ request: CertificateRequest) -> CertificateReply { store.carryOut(request).0 }

  var installed: [InstalledCertificate] { test.folder.inventory().certificates }

  func fingerprints(_ kind: InstalledCertificate.Kind) -> [String] {
    installed.filter { $0.kind == kind }.map(\.fingerprint)
  }

  /// The signing request, PEM.
  func sign(
    _ use: CertificateSigningUseEnumType = .chargingStationCertificate, key: CertificateRequest.Key = .ecP256
  ) -> String {
    guard
      case .signingRequest(let pem) = self(
        .sign(use, commonName: "CP-0001", organization: "Test Operator", country: "NL", key: key))
    else { return "" }
    return pem
  }

  func install(
    _ chain: String, _ use: CertificateSigningUseEnumType = .chargingStationCertificate, at time: Int64? = testTime,
    limit: Int? = nil
  ) -> CertificateReply {
    self(.installSigned(use, chain: chain, commonName: "CP-0001", maxChainBytes: limit, at: time))
  }

  func installRoot(
    _ pem: String, _ use: InstallCertificateUseEnumType = .csmsRootCertificate, limit: Int? = nil,
    replacing: String? = nil, at time: Int64? = testTime
  ) -> CertificateReply {
    self(.installRoot(use, pem: pem, limit: limit, replacing: replacing, at: time))
  }
}

extension CertificateReply {
  /// Why it was rejected, and the reason code; `nil` when it was not.
  var rejection: String? {
    if case .rejected(let code, let text) = self { "\(code): \(text)" } else { nil }
  }

  var failure: String? {
    if case .failed(let text) = self { text } else { nil }
  }
}

/// Cuts the power before step number `step`, and at every step after it: nothing happens any more.
func cutting(_ test: TestFolder, at step: Int, steps: StepLog) -> CertificateStore {
  var files = DurableFiles(root: test.path)
  files.beforeStep = { (name) throws(FileProblem) in
    guard steps.add(name) <= step else { throw FileProblem("", "cut") }
  }
  return CertificateStore(folder: test.folder, keyPassword: nil, files: files)
}

/// What was done, step by step.
final class StepLog: @unchecked Sendable {
  private let lock = Lock()
  private var list: [String] = []
  var names: [String] { lock.with { list } }

  /// How many there are with this one.
  func add(_ name: String) -> Int {
    lock.with {
      list.append(name)
      return list.count
    }
  }
}
