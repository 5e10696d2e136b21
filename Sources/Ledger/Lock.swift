import Glibc

/// A mutex with a condition, for the hand-over between threads. No Dispatch, no Foundation.
final class Lock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    mutex.initialize(to: pthread_mutex_t())
    condition.initialize(to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func with<T>(_ body: () -> T) -> T {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// Waits for `signal`; only inside `with`. May return without one.
  func wait() { pthread_cond_wait(condition, mutex) }

  /// Waits for `signal`, but not longer than until then (`CLOCK_MONOTONIC`); only inside `with`. May return without one.
  func wait(until deadline: timespec) {
    var deadline = deadline
    pthread_cond_timedwait(condition, mutex, &deadline)
  }

  func signal() { pthread_cond_broadcast(condition) }
}

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
