import Glibc
import OCPP
import StationCore
import TestPKI
import Testing
import Threads

@testable import Certificates

@Suite struct WorkerTests {
  /// What the worker answered, in its order.
  private final class Answers: @unchecked Sendable {
    private let lock = Lock()
    private var list: [(Int, CertificateReply, Int)] = []

    func add(_ index: Int, _ reply: CertificateReply, _ inventory: CertificateInventory) {
      lock.with {
        list.append((index, reply, inventory.certificates.count))
        lock.signal()
      }
    }

    func wait(for count: Int) -> [(Int, CertificateReply, Int)] {
      lock.with {
        while list.count < count { lock.wait() }
        return list
      }
    }
  }

  @Test func inTheirOrderEachWithWhatThereIsThen() {
    let bench = StoreBench()
    let worker = CertificateWorker(bench.store, inventory: CertificateInventory())
    let answers = Answers()
    for index in 0..<10 {
      worker.carryOut(
        .installRoot(
          .csmsRootCertificate, pem: issue(.authority("R\(index)")).certificate, limit: nil, replacing: nil,
          at: testTime)
      ) { answers.add(index, $0, $1) }
    }
    let list = answers.wait(for: 10)
    #expect(list.map(\.0) == Array(0..<10))
    #expect(list.map(\.1) == Array(repeating: .done, count: 10))
    #expect(list.map(\.2) == Array(1...10))
    worker.close()
    worker.carryOut(.look) { answers.add(10, $0, $1) }
    let last = answers.wait(for: 11)[10]
    #expect(last.1 == .failed("the station stops"))
    #expect(last.2 == 10)
  }

  /// While one is being carried out, a bounded number waits.
  @Test func theQueueIsBounded() {
    let bench = StoreBench()
    let (entered, go) = (Signal<Bool>(), Signal<Bool>())
    var files = DurableFiles(root: bench.test.path)
    files.beforeStep = { _ in
      entered.set(true)
      _ = go.wait()
    }
    let store = CertificateStore(folder: bench.test.folder, keyPassword: nil, files: files)
    let worker = CertificateWorker(store, inventory: CertificateInventory())
    let answers = Answers()
    let root = issue(.authority("R")).certificate
    worker.carryOut(.installRoot(.csmsRootCertificate, pem: root, limit: nil, replacing: nil, at: nil)) {
      answers.add(0, $0, $1)
    }
    _ = entered.wait()
    for index in 1...CertificateWorker.limit + 1 { worker.carryOut(.look) { answers.add(index, $0, $1) } }
    let refused = answers.wait(for: 1)[0]
    #expect(refused.0 == CertificateWorker.limit + 1)
    #expect(refused.1 == .failed("too many certificate requests wait"))
    // Closing does not wait for ever.
    worker.close(within: 10)
    go.set(true)
    #expect(answers.wait(for: 2)[1].1 == .done)
  }
}
