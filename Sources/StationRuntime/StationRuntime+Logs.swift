import Ledger
import Logs
import NIOCore
import StationCore

/// Work on the logs that the core asks for.
extension StationRuntime {
  func carryOut(_ id: Int64, _ request: LogRequest) {
    let bound = NIOLoopBound(self, eventLoop: loop)
    let loop = self.loop
    if request == .erase {
      return ledger.erase { failure in
        let reply = failure.map { LogReply.failed($0.text) } ?? .done
        loop.execute { bound.value.answer(id, reply) }
      }
    }
    guard let diagnostics else { return answer(id, .failed("there is no diagnostics log")) }
    // What was asked for on the command line may be of any size: nothing of it is read or written here.
    var messages: (@Sendable () -> String?)?
    var journalProblem: String?
    if case .customer(_, true, _) = request {
      messages = messageLog?.discarding()
      // A recording without its tokens would not replay.
      journalProblem = journal?.discard("customer information is cleared")
    }
    diagnostics.carryOut(request) { [messages, journalProblem] reply in
      var reply = reply
      let found = [messages?(), journalProblem].compactMap { $0 }
      if case .customer(let lines, let count, let others) = reply {
        reply = .customer(lines: lines, count: count, problems: found + others)
      }
      loop.execute { [reply] in bound.value.answer(id, reply) }
    }
  }

  private func answer(_ id: Int64, _ reply: LogReply) {
    guard !isEnding else { return }
    give(.logs(id: id, reply))
  }
}
