import Synchronization
import Testing

@testable import StationRuntime

struct SpaceReportsTests {
  @Test func whatWasSaidBeforeTheLoopRanComesFirstAndOnce() {
    let reports = SpaceReports()
    let heard = Mutex<[Bool]>([])
    reports.add(true)
    reports.add(false)
    #expect(heard.withLock { $0 } == [])
    reports.deliver { isLow in heard.withLock { $0.append(isLow) } }
    #expect(heard.withLock { $0 } == [true, false])
    reports.add(true)
    #expect(heard.withLock { $0 } == [true, false, true])
  }
}
