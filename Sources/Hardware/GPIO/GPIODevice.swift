import StationCore

/// One driver's logic with its lines: the turning of what happens into what is done. Used by the engine's thread.
final class GPIODevice {
  /// After a failure lines are asked for again, at first after this, then after twice as long each time.
  static let firstRetry = TimeSpan.seconds(1)
  static let longestRetry = TimeSpan.seconds(60)
  /// Edges of one line that are read before its value, which then counts.
  static let edgesAtOnce = 64

  private(set) var logic: any GPIOLogic
  private let backend: any LineBackend
  private let report: @Sendable (DriverUpdate) -> Void
  private var lines: [any TakenLine] = []
  private var values: [Bool] = []
  private var retryAt: MonotonicTime?
  private var retry = GPIODevice.firstRetry

  init(_ logic: any GPIOLogic, backend: any LineBackend, report: @escaping @Sendable (DriverUpdate) -> Void) {
    self.logic = logic
    self.backend = backend
    self.report = report
  }

  /// Descriptors to poll, each with its line.
  var descriptors: [(line: Int, descriptor: Int32)] {
    lines.enumerated().compactMap { $1.descriptor >= 0 ? ($0, $1.descriptor) : nil }
  }

  /// Takes all lines, or none.
  func take(at now: MonotonicTime) {
    retryAt = nil
    do throws(LineFailure) {
      let requests = logic.requests
      // Outputs first: they are to be in their safe state whatever becomes of the rest.
      var taken: [(index: Int, line: any TakenLine)] = []
      for wantsOutput in [true, false] {
        for (index, request) in requests.enumerated() where request.isOutput == wantsOutput {
          taken.append((index, try backend.take(request)))
        }
      }
      lines = taken.sorted { $0.index < $1.index }.map(\.line)
      values = []
      for (index, request) in requests.enumerated() {
        if case .output(let active) = request.direction {
          values.append(active)
        } else {
          values.append(try lines[index].value())
        }
      }
      retry = Self.firstRetry
      logic.ready(values, at: now)
    } catch {
      fail(error, now)
    }
    finish(now)
  }

  func tick(at now: MonotonicTime) {
    if let at = retryAt, now >= at { return take(at: now) }
    logic.tick(at: now)
    finish(now)
  }

  /// Edges wait on a line.
  func read(_ index: Int, at now: MonotonicTime) {
    guard lines.indices.contains(index) else { return }
    do throws(LineFailure) {
      for _ in 0..<Self.edgesAtOnce {
        guard let edge = try lines[index].nextEdge() else { break }
        // A stamp of the future would hold back what depends on it.
        input(index, LineEdge(active: edge.active, at: min(edge.at, now)), now)
      }
      // The kernel drops edges when too many wait; the value is what counts in the end.
      let value = try lines[index].value()
      if value != values[index] { input(index, LineEdge(active: value, at: now), now) }
    } catch {
      fail(error, now)
    }
    finish(now)
  }

  private func input(_ index: Int, _ edge: LineEdge, _ now: MonotonicTime) {
    values[index] = edge.active
    logic.edge(index, edge, now: now)
  }

  func perform(at now: MonotonicTime, _ body: (inout any GPIOLogic) -> Void) {
    body(&logic)
    finish(now)
  }

  var deadline: MonotonicTime? { [retryAt, logic.deadline].compactMap { $0 }.min() }

  /// Outputs go to their safe state, which is what they were requested with, and all lines are let go.
  func release() {
    for (index, request) in logic.requests.enumerated() where lines.indices.contains(index) {
      guard case .output(let active) = request.direction else { continue }
      do throws(LineFailure) { try lines[index].set(active) } catch { continue }
    }
    for line in lines { line.release() }
    lines = []
  }

  private func finish(_ now: MonotonicTime) {
    do throws(LineFailure) {
      for output in logic.takeOutputs() where lines.indices.contains(output.line) {
        try lines[output.line].set(output.active)
        values[output.line] = output.active
      }
    } catch {
      fail(error, now)
    }
    for update in logic.takeUpdates() { report(update) }
  }

  private func fail(_ failure: LineFailure, _ now: MonotonicTime) {
    release()
    retryAt = now + retry
    retry = min(retry * 2, Self.longestRetry)
    logic.lost(failure, at: now)
  }
}

extension LineRequest {
  var isOutput: Bool { if case .output = direction { true } else { false } }
}
