import OCPP
import StationCore
import Testing

@Suite("Registration: what a station does that is not accepted yet")
struct RegistrationTests {
  private func answering(_ status: String, interval: Int) -> (StationBench.Call) -> JSONValue? {
    { call in
      call.action == "BootNotification"
        ? ["currentTime": "2026-01-01T00:00:00Z", "interval": .int(interval), "status": .string(status)]
        : StationBench.accepting(call)
    }
  }

  /// Without an interval the station takes its own, and stays on the connection.
  // Proves: B02.FR.06, B02.FR.07, B03.FR.05
  @Test(arguments: ["Pending", "Rejected"]) func anIntervalOfItsOwn(status: String) {
    let bench = StationBench()
    bench.responder = answering(status, interval: 0)
    bench.boot()
    bench.wait(seconds: 29)
    #expect(bench.calls("BootNotification").count == 1)
    bench.wait(seconds: 1)
    #expect(bench.calls("BootNotification").count == 2)
    bench.wait(seconds: 60)
    #expect(bench.calls("BootNotification").count == 4)
    #expect(bench.connectRequests.count == 1)
    #expect(!bench.actions.contains { if case .disconnect = $0 { true } else { false } })
  }

  /// A driver whom the cache knows charges before the CSMS has accepted the station; the CSMS hears of it afterwards.
  // Proves: B02.FR.02, B02.FR.03, B03.FR.01
  @Test(arguments: ["Pending", "Rejected"], [true, false])
  func aSessionBeforeTheStationIsAccepted(status: String, allowed: Bool) {
    let settings = [
      "TxCtrlr/TxStartPoint": "EVConnected", "TxCtrlr/TxStopPoint": "EVConnected",
      "AuthCtrlr/LocalPreAuthorize": "true", "TxCtrlr/TxBeforeAcceptedEnabled": "\(allowed)",
    ]
    let before = StationBench(settings).boot()
    before.swipe()
    let bench = before.restarted(settings)
    bench.responder = answering(status, interval: 60)
    bench.boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    #expect((bench.contactorClosed[1] == true) == allowed)
    #expect(bench.calls.allSatisfy { $0.action == "BootNotification" })
    bench.responder = StationBench.accepting
    bench.wait(seconds: 60)
    #expect(bench.events.first == "Started CablePluggedIn EVConnected")
    #expect(bench.events.contains("Updated ChargingStateChanged Charging") == allowed)
  }

  /// A reset ends in a boot like any other.
  // Proves: B01.FR.03, B11.FR.03, B11.FR.04
  @Test func afterAResetTheStationBootsAgain() {
    let bench = StationBench().boot()
    #expect(bench.call("Reset", ["type": "Immediate"])?.text("status") == "Accepted")
    #expect(bench.actions.last == .restart(.remoteReset))
    let again = bench.restarted().boot()
    #expect(again.calls.first?.action == "BootNotification")
    #expect(again.calls("StatusNotification").count == 2)
  }

  /// Messages keep the heartbeat away, but not for longer than a day when it is what sets the clock.
  // Proves: G02.FR.07
  @Test func aHeartbeatADayForTheClock() {
    let bench = StationBench(["ClockCtrlr/TimeSource": "Heartbeat", "SampledDataCtrlr/TxUpdatedInterval": "100"]).boot()
    bench.plugIn()
    bench.swipe()
    bench.pilot(.c)
    bench.forgetCalls()
    for hour in 1...25 {
      for _ in 0..<72 {
        bench.meter(wattHours: Int64(hour) * 1000)
        bench.wait(seconds: 50)
      }
      if hour == 23 { #expect(bench.calls("Heartbeat").count == 0) }
    }
    #expect(bench.calls("Heartbeat").count == 1)
  }
}
