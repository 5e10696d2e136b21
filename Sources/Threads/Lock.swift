#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A mutex with a condition that waits by the monotonic clock, for the hand-over between threads. No Dispatch, no Foundation.
package final class Lock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  package init() {
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

  package func with<T>(_ body: () -> T) -> T {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  /// Waits for `signal`; only inside `with`. May return without one.
  package func wait() { pthread_cond_wait(condition, mutex) }

  /// Waits for `signal`, but not longer than until then (`CLOCK_MONOTONIC`); only inside `with`. May return without one.
  package func wait(until deadline: timespec) {
    var deadline = deadline
    pthread_cond_timedwait(condition, mutex, &deadline)
  }

  /// Waits as long as the condition holds, but not longer than this; only inside `with`.
  package func wait(milliseconds: Int, while holds: () -> Bool) {
    var deadline = timespec()
    clock_gettime(CLOCK_MONOTONIC, &deadline)
    let nanoseconds = deadline.tv_nsec + (milliseconds % 1000) * 1_000_000
    deadline.tv_sec += milliseconds / 1000 + nanoseconds / 1_000_000_000
    deadline.tv_nsec = nanoseconds % 1_000_000_000
    while holds() {
      var now = timespec()
      clock_gettime(CLOCK_MONOTONIC, &now)
      guard (now.tv_sec, now.tv_nsec) < (deadline.tv_sec, deadline.tv_nsec) else { return }
      wait(until: deadline)
    }
  }

  package func signal() { pthread_cond_broadcast(condition) }
}
