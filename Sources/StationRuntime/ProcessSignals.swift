import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// SIGTERM and SIGINT as events of the loop. From the first one on, the process has `stopTime` seconds to end by itself; then
/// it is ended with exit code 0, whatever its threads hang in.
enum ProcessSignals {
  /// Less than the 5 s that a stop may take, more than `StationRuntime.stopTime`.
  static let stopTime: CUnsignedInt = 4

  /// The write end of the pipe that wakes the loop; -1 until `install`.
  private static let wakeUp = Atomic<CInt>(-1)

  /// Ignores SIGPIPE and turns SIGTERM and SIGINT into readable bytes of the returned descriptor, which the caller owns.
  /// Call once, before any thread is started. `nil` when the system gives no pipe.
  static func install() -> CInt? {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    wakeUp.store(ends[1], ordering: .sequentiallyConsistent)
    signal(SIGPIPE, SIG_IGN)
    handle(SIGALRM) { _ in _exit(0) }
    for number in stopSignals { handle(number, handler) }
    mask(SIG_UNBLOCK)
    return ends[0]
  }

  private static let stopSignals = [SIGTERM, SIGINT]

  /// Keeps the signals for the program that is executed next, which takes them with `install`; stops the clock of a stop that
  /// has begun.
  static func handOver() {
    mask(SIG_BLOCK)
    alarm(0)
  }

  private static func mask(_ how: CInt) {
    var set = sigset_t()
    sigemptyset(&set)
    for number in stopSignals { sigaddset(&set, number) }
    pthread_sigmask(how, &set, nil)
  }

  private static let handler: @convention(c) (CInt) -> Void = { _ in
    let saved = errno
    // A second signal does not extend the time of the first.
    let left = alarm(stopTime)
    if left > 0 { alarm(left) }
    var byte: UInt8 = 1
    _ = write(wakeUp.load(ordering: .sequentiallyConsistent), &byte, 1)
    errno = saved
  }

  private static func handle(_ number: CInt, _ handler: @escaping @convention(c) (CInt) -> Void) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    action.sa_flags = SA_RESTART
    sigemptyset(&action.sa_mask)
    sigaction(number, &action, nil)
  }

  /// Calls `onSignal` on the loop for every signal.
  static func watch(_ descriptor: CInt, on loop: any EventLoop, _ onSignal: @escaping () -> Void) {
    let handler = NIOLoopBound(SignalHandler(onSignal), eventLoop: loop)
    NIOPipeBootstrap(group: loop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
      }
      .takingOwnershipOfDescriptor(input: descriptor)
      .whenFailure { _ in close(descriptor) }
  }
}

private final class SignalHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let onSignal: () -> Void

  init(_ onSignal: @escaping () -> Void) { self.onSignal = onSignal }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { onSignal() }
}
