import StationCore
import Threads

/// What is logged, before it is a line.
public enum LogEntry: Sendable {
  case text(LogLevel, String, wall: Int64)
  case frame([UInt8], isOutgoing: Bool, wall: Int64)

  /// What it counts for while it waits.
  public var size: Int {
    switch self {
    case .text(_, let text, _): text.utf8.count + 64
    case .frame(let frame, _, _): frame.count + 64
    }
  }
}

/// Writes the diagnostics log and carries out what is asked of it, in order, on a thread of its own that ends when nothing
/// is left to do: neither making lines nor a slow medium holds up the station.
public final class LogWorker: @unchecked Sendable {
  public typealias Completion = @Sendable (LogReply) -> Void

  public struct Statistics: Hashable, Sendable {
    /// Bytes that the log takes of the medium, and that were written since the start.
    public var size = 0
    public var bytesWritten = 0
    /// Lines that were lost, because the medium did not take them or not fast enough.
    public var dropped = 0
    public var failure: String?
  }

  private enum Job {
    case entries([LogEntry], size: Int)
    case request(LogRequest, Completion)
  }

  /// Bytes of entries that may wait; beyond that they are dropped and counted.
  public static let waitingLimit = 8 << 20
  /// Requests that may wait; a further one fails at once.
  public static let requestLimit = 16

  private let store: LogStore
  private let line: @Sendable (LogEntry) -> [UInt8]
  private let lock = Lock()
  // Guarded by `lock`.
  private var waiting: [Job] = []
  private var waitingBytes = 0
  private var waitingRequests = 0
  private var isWorking = false
  private var isClosed = false
  private var overflown = 0
  private var last = Statistics()

  /// - Parameter line: makes the line of an entry, on the worker's thread; without secrets.
  public init(_ store: LogStore, line: @escaping @Sendable (LogEntry) -> [UInt8]) {
    self.store = store
    self.line = line
  }

  public var statistics: Statistics {
    lock.with {
      var statistics = last
      statistics.dropped += overflown
      return statistics
    }
  }

  public func write(_ entries: [LogEntry]) {
    let size = entries.reduce(0) { $0 + $1.size }
    lock.with {
      guard !isClosed, waitingBytes + size <= Self.waitingLimit else {
        overflown += entries.count
        return
      }
      waitingBytes += size
      waiting.append(.entries(entries, size: size))
      if !startWorking() {
        waiting.removeLast()
        waitingBytes -= size
        overflown += entries.count
      }
    }
  }

  /// `completion` is called once, on the worker's thread, or before this returns when the request cannot wait.
  public func carryOut(_ request: LogRequest, completion: @escaping Completion) {
    let refusal: String? = lock.with {
      if isClosed { return "the station stops" }
      guard waitingRequests < Self.requestLimit else { return "too many requests to the logs wait" }
      waiting.append(.request(request, completion))
      waitingRequests += 1
      guard !startWorking() else { return nil }
      waiting.removeLast()
      waitingRequests -= 1
      return "there is no thread for the logs"
    }
    if let refusal { completion(.failed(refusal)) }
  }

  /// False when the system has no thread.
  private func startWorking() -> Bool {
    if !isWorking { isWorking = NamedThread.startDetached("logs") { self.work() } }
    return isWorking
  }

  private func work() {
    while true {
      let next: Job? = lock.with {
        guard !waiting.isEmpty else {
          isWorking = false
          lock.signal()
          return nil
        }
        let job = waiting.removeFirst()
        switch job {
        case .entries(_, let size): waitingBytes -= size
        case .request: waitingRequests -= 1
        }
        return job
      }
      guard let job = next else { return }
      switch job {
      case .entries(let entries, _): store.append(entries.map(line))
      case .request(let request, let completion): completion(store.carryOut(request))
      }
      let statistics = Statistics(
        size: store.size, bytesWritten: store.bytesWritten, dropped: store.dropped, failure: store.failure)
      lock.with { last = statistics }
    }
  }

  /// Takes nothing more and waits until what waits is written, but no longer than this.
  public func close(within milliseconds: Int = 1000) {
    lock.with {
      isClosed = true
      lock.wait(milliseconds: milliseconds) { isWorking }
    }
  }
}
