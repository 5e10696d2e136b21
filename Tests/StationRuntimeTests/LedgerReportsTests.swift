import StationCore
import Synchronization
import Testing

@testable import StationRuntime

struct LedgerReportsTests {
  @Test func whatWasSaidBeforeTheLoopRanComesFirstAndOnce() {
    let damaged = Input.ledgerDamaged(LedgerDamage("x", salvagedMessages: 0, salvagedRecords: 0))
    let reports = LedgerReports()
    let heard = Mutex<[Input]>([])
    reports.add(.storageLow(true))
    reports.add(damaged)
    #expect(heard.withLock { $0 } == [])
    reports.deliver { input in heard.withLock { $0.append(input) } }
    #expect(heard.withLock { $0 } == [.storageLow(true), damaged])
    reports.add(.storageLow(false))
    #expect(heard.withLock { $0 } == [.storageLow(true), damaged, .storageLow(false)])
  }
}
