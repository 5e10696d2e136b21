import Glibc
import NIOCore
import NIOEmbedded
import OCPP

@testable import StationRuntime

/// A runtime with its control socket, whose clients are channels without a system socket.
final class ControlBench {
  let bench = Bench()
  let folder = TemporaryFolder()
  let server: ControlServer
  let desk: ControlDesk

  init() throws {
    server = ControlServer(try ControlSocketFile(listeningAt: folder.path + "/s"), on: bench.loop)
    desk = ControlDesk(bench.runtime, server)
    bench.start()
  }

  func client() throws -> FakeClient { try FakeClient(self) }
}

/// One client of the control socket.
final class FakeClient {
  let channel: EmbeddedChannel

  /// The desk lives as long as its clients.
  private let control: ControlBench

  init(_ control: ControlBench) throws {
    self.control = control
    channel = EmbeddedChannel(loop: control.bench.loop)
    try control.server.accept(channel)
    channel.connect(to: try SocketAddress(unixDomainSocketPath: "/client"), promise: nil)
  }

  /// Sends text as it is.
  func type(_ text: String) throws { try channel.writeInbound(ByteBuffer(string: text)) }

  /// Lines received since the last time.
  func lines() throws -> [String] {
    var text = ""
    while let buffer = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
    return text.split(separator: "\n").map(String.init)
  }

  /// Sends a line and returns the answers to it.
  func ask(_ line: String) throws -> [String] {
    try type(line + "\n")
    return try lines()
  }

  /// Sends a line and returns the one answer to it.
  func answer(_ line: String) throws -> JSONValue {
    let answers = try ask(line)
    return answers.count == 1 ? try JSONValue.parse(answers[0]) : .array(answers.map(JSONValue.string))
  }

  /// The client says that it sends no more.
  func endInput() { channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
}

/// A directory that goes with its owner.
final class TemporaryFolder {
  let path: String

  init() {
    let root = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((root + "/station-test-XXXXXX").utf8CString)
    path = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? root
    }
  }

  deinit {
    guard let directory = opendir(path) else { return }
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      unlink(path + "/" + name)
    }
    closedir(directory)
    rmdir(path)
  }
}
