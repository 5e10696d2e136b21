import StationCore
import Threads

/// Carries certificate requests out in their order on a thread of its own, which ends when nothing is left to do: making an
/// RSA key takes a second on a small machine, and a token its time.
public final class CertificateWorker: @unchecked Sendable {
  public typealias Completion = @Sendable (CertificateReply, CertificateInventory) -> Void

  /// Requests that may wait; a further one fails at once.
  public static let limit = 16

  private let store: CertificateStore
  private let lock = Lock()
  // Guarded by `lock`.
  private var waiting: [(CertificateRequest, Completion)] = []
  private var isWorking = false
  private var isClosed = false
  private var lastInventory: CertificateInventory

  /// - Parameter inventory: what there was at the start.
  public init(_ store: CertificateStore, inventory: CertificateInventory) {
    self.store = store
    lastInventory = inventory
  }

  /// `completion` is called once, on the worker's thread, or before this returns when the request cannot wait: then with
  /// the last known inventory.
  public func carryOut(_ request: CertificateRequest, completion: @escaping Completion) {
    let refusal: (String, CertificateInventory)? = lock.with {
      if isClosed { return ("the station stops", lastInventory) }
      guard waiting.count < Self.limit else { return ("too many certificate requests wait", lastInventory) }
      waiting.append((request, completion))
      guard !isWorking else { return nil }
      isWorking = NamedThread.startDetached("certificates") { self.work() }
      guard !isWorking else { return nil }
      waiting.removeLast()
      return ("there is no thread for it", lastInventory)
    }
    if let (text, inventory) = refusal { completion(.failed(text), inventory) }
  }

  private func work() {
    while true {
      let next: (CertificateRequest, Completion)? = lock.with {
        guard !isClosed, !waiting.isEmpty else {
          isWorking = false
          lock.signal()
          return nil
        }
        return waiting.removeFirst()
      }
      guard let (request, completion) = next else { return }
      let (reply, inventory) = store.carryOut(request)
      lock.with { lastInventory = inventory }
      completion(reply, inventory)
    }
  }

  /// Takes nothing more, drops what waits, and waits for what is being carried out, but no longer than this. Being cut short
  /// harms nothing: it is like a power cut.
  public func close(within milliseconds: Int = 1000) {
    lock.with {
      isClosed = true
      waiting.removeAll()
      lock.wait(milliseconds: milliseconds) { isWorking }
    }
  }
}
