/// A value that one thread waits for and another sets once.
package final class Signal<Value: Sendable>: @unchecked Sendable {
  private let lock = Lock()
  private var value: Value?

  package init() {}

  package func set(_ value: Value) {
    lock.with {
      self.value = value
      lock.signal()
    }
  }

  package func wait() -> Value {
    lock.with {
      while true {
        if let value { return value }
        lock.wait()
      }
    }
  }
}
