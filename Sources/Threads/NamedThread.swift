import CProcess

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Threads of 512 KiB that no signal reaches: signals belong to the main thread.
package enum NamedThread {
  package static let stackSize = 512 << 10

  private final class Body {
    let name: String
    let run: @Sendable () -> Void

    init(_ name: String, _ run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Why there is no thread: an errno.
  package struct Failure: Error, Hashable {
    package var code: Int32
  }

  /// A thread that somebody joins. `name`: what `top -H` shows, up to 15 bytes. When it fails, `run` is never called.
  package static func start(_ name: String, _ run: @escaping @Sendable () -> Void) throws(Failure) -> pthread_t {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackSize)
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let body = Unmanaged.passRetained(Body(name, run))
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        NamedThread.setName(body.name)
        body.run()
        return nil
      }, body.toOpaque())
    guard code == 0 else {
      body.release()
      throw Failure(code: code)
    }
    return thread
  }

  /// A thread that nobody joins. False when the system has none left.
  package static func startDetached(_ name: String, _ run: @escaping @Sendable () -> Void) -> Bool {
    guard let thread = try? start(name, run) else { return false }
    pthread_detach(thread)
    return true
  }

  /// Of no consequence when it fails.
  private static func setName(_ name: String) { _ = process_name_thread(name) }
}
