import CProcess
import NIOCore

/// Lets go of the code that starting and connecting needed, some seconds after each: `process_release_code`. What goes on
/// meanwhile is at worst slower by some hundred page faults.
final class CodeMemory {
  /// Real time; by then a CSMS that answers has been booted at.
  static let delay = TimeAmount.seconds(5)

  private let loop: any EventLoop
  private var isScheduled = false

  /// Call on the loop.
  init(on loop: any EventLoop) { self.loop = loop }

  /// The process has started, or a connection is up.
  func releaseSoon() {
    guard !isScheduled else { return }
    isScheduled = true
    loop.assumeIsolated().scheduleTask(in: Self.delay) {
      self.isScheduled = false
      _ = process_release_code()
    }
  }
}
