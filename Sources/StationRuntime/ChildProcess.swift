import CProcess
import Glibc
import NIOCore
import NIOPosix

/// A program that the station starts for one job, and the lines that it says. Everything happens on the loop.
///
/// It gets its input as a file of the memory, the descriptors it is given, the variables it is given, and nothing else.
final class ChildProcess {
  /// What there is to start.
  struct Program {
    /// Absolute.
    var path: String
    /// Without the name.
    var arguments: [String]
    /// `NAME=value`.
    var variables: [String] = []
    var input: [UInt8] = []
    /// Become 3, 4, ...; they stay the caller's.
    var files: [Int32] = []
    /// Standard error is among what it says; else it is thrown away.
    var includesErrors = false
    /// It is killed after this.
    var timeLimit: TimeAmount
  }

  struct StartError: Error {
    var text: String
  }

  /// Bytes of a line, lines in all: who says more is killed.
  static let lineLimit = 64 << 10
  static let linesLimit = 200_000
  private static let lookInterval = TimeAmount.milliseconds(500)
  private static let lookIntervalAtEnd = TimeAmount.milliseconds(10)
  /// How long something that the program left behind may keep its output.
  private static let outputPatience = TimeAmount.seconds(1)

  let process: pid_t
  private let loop: any EventLoop
  private var onLine: (([UInt8]) -> Void)?
  private var onEnd: ((Int32) -> Void)?
  private var output: (any Channel)?
  private var exitCode: Int32?
  private var outputHasEnded = false
  private var line: [UInt8] = []
  private var lines = 0
  private var look: Scheduled<Void>?
  private var timeLimit: Scheduled<Void>?

  /// - Parameters:
  ///   - onLine: gets each line without its end.
  ///   - onEnd: gets the exit code, or 128 and the number of a signal; once, after the last line.
  init(
    _ program: Program, on loop: any EventLoop, onLine: @escaping ([UInt8]) -> Void, onEnd: @escaping (Int32) -> Void
  ) throws(StartError) {
    var process: pid_t = 0
    var descriptor: Int32 = -1
    let code = Self.withPointers([program.path] + program.arguments) { arguments in
      Self.withPointers(program.variables) { variables in
        program.input.withUnsafeBytes { input in
          process_start(
            program.path, arguments, variables, input.baseAddress, input.count, program.files,
            Int32(program.files.count), program.includesErrors ? 1 : 0, &process, &descriptor)
        }
      }
    }
    guard code == 0 else { throw StartError(text: "\(program.path): \(String(cString: strerror(code)))") }
    self.process = process
    self.loop = loop
    self.onLine = onLine
    self.onEnd = onEnd
    listen(to: descriptor)
    timeLimit = loop.assumeIsolated().scheduleTask(in: program.timeLimit) { self.kill() }
    lookAgain()
  }

  /// The program and what it has started end at once; `onEnd` comes all the same.
  func kill() {
    if exitCode == nil { Glibc.kill(-process, SIGKILL) }
  }

  /// As `kill`, and nothing is heard of it any more; waits a moment until it is gone.
  func abandon() {
    kill()
    onLine = nil
    onEnd = nil
    for _ in 0..<50 where exitCode == nil {
      checkEnd()
      if exitCode == nil { usleep(2000) }
    }
    close()
  }

  private func listen(to descriptor: Int32) {
    let bound = NIOLoopBound(self, eventLoop: loop)
    NIOPipeBootstrap(group: loop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(OutputHandler(bound.value))
        }
      }
      .takingOwnershipOfDescriptor(input: descriptor)
      .assumeIsolated().whenComplete { result in
        switch result {
        case .success(let channel):
          if self.outputHasEnded { channel.close(promise: nil) } else { self.output = channel }
        case .failure:
          Glibc.close(descriptor)
          self.kill()
          self.outputEnded()
        }
      }
  }

  fileprivate func received(_ bytes: ByteBufferView) {
    for byte in bytes {
      guard byte == 0x0A else {
        line.append(byte)
        if line.count > Self.lineLimit { return stopListening() }
        continue
      }
      lines += 1
      guard lines <= Self.linesLimit else { return stopListening() }
      onLine?(line)
      line.removeAll(keepingCapacity: true)
    }
  }

  private func stopListening() {
    onLine = nil
    line = []
    kill()
  }

  fileprivate func outputEnded() {
    outputHasEnded = true
    output = nil
    lookAgain(in: .zero)
  }

  private func lookAgain(in delay: TimeAmount = ChildProcess.lookInterval) {
    look?.cancel()
    look = loop.assumeIsolated().scheduleTask(in: delay) {
      self.checkEnd()
      if self.exitCode == nil {
        self.lookAgain(in: self.outputHasEnded ? Self.lookIntervalAtEnd : Self.lookInterval)
      } else if self.outputHasEnded {
        self.close()
      } else {
        self.look = self.loop.assumeIsolated().scheduleTask(in: Self.outputPatience) { self.close() }
      }
    }
  }

  private func checkEnd() {
    var code: Int32 = 0
    if exitCode == nil, process_ended(process, &code) == 1 { exitCode = code }
  }

  private func close() {
    look?.cancel()
    timeLimit?.cancel()
    output?.close(promise: nil)
    output = nil
    outputHasEnded = true
    if !line.isEmpty { onLine?(line) }
    line = []
    let end = onEnd
    onLine = nil
    onEnd = nil
    end?(exitCode ?? -1)
  }

  private static func withPointers<R>(_ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    var pointers = texts.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    pointers.append(nil)
    return body(pointers)
  }
}

private final class OutputHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let child: ChildProcess

  init(_ child: ChildProcess) { self.child = child }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    child.received(unwrapInboundIn(data).readableBytesView)
  }

  func channelInactive(context: ChannelHandlerContext) { child.outputEnded() }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
