import NIOCore
import NIOPosix

/// The loops of these tests: one for the link, one for the peers. Never the shared group, which the link must not touch.
enum Loops {
  private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
  static let link = group.next()
  static let peer = group.next()
}

struct TookTooLong: Error, CustomStringConvertible {
  var description: String
}

/// Hands values from an event loop to a test. Waiting for a value ends with an error instead of hanging the run.
final class TestQueue<Value: Sendable>: Sendable {
  private struct State {
    var values: [Value] = []
    var waiting: EventLoopPromise<Value>?
  }

  private let loop: any EventLoop
  private let state: NIOLoopBoundBox<State>
  private let what: String

  init(_ loop: any EventLoop, _ what: String) {
    self.loop = loop
    self.what = what
    state = .makeBoxSendingValue(State(), eventLoop: loop)
  }

  /// On the loop.
  func push(_ value: Value) {
    if let waiting = state.value.waiting {
      state.value.waiting = nil
      waiting.succeed(value)
    } else {
      state.value.values.append(value)
    }
  }

  func next() async throws -> Value {
    try await loop.flatSubmit { [self] in
      let promise = loop.makePromise(of: Value.self)
      if !state.value.values.isEmpty {
        promise.succeed(state.value.values.removeFirst())
      } else {
        state.value.waiting = promise
        let timeout = loop.scheduleTask(in: .seconds(600)) {
          self.state.value.waiting = nil
          promise.fail(TookTooLong(description: "nothing came: \(self.what)"))
        }
        promise.futureResult.whenComplete { _ in timeout.cancel() }
      }
      return promise.futureResult
    }.get()
  }

  /// What came and was not asked for.
  func rest() async throws -> [Value] {
    try await loop.submit { self.state.value.values }.get()
  }
}
