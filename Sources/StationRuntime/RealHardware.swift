import Hardware
import OCPP
import StationCore

extension HardwareDrivers {
  /// Why a stimulus for the simulated hardware is not taken: the component is real.
  func refusal(of stimulus: Stimulus) -> String? {
    func real(_ name: String, _ evse: Int) -> String? {
      serves(name, evse: evse) ? "\(name) of EVSE \(evse) is real hardware, it takes no stimulus" : nil
    }
    func noFaults(_ evse: Int) -> String {
      evse == 0
        ? "the station has real hardware, it takes no faults" : "EVSE \(evse) has real hardware, it takes no faults"
    }
    switch stimulus {
    case .plugIn(let evse, _, _), .plugOut(let evse, _), .ev(let evse, _, _): return real("CPPWMController", evse)
    case .swipe: return serves("TokenReader", evse: 0) ? "TokenReader is real hardware, it takes no stimulus" : nil
    case .meter(let evse, _, _): return real("FiscalMetering", evse)
    case .lock(let evse, _, _): return real("ConnectorPlugRetentionLock", evse)
    case .park(let evse, _): return real("BayOccupancySensor", evse)
    // The UI is whoever speaks on the control socket.
    case .select: return nil
    case .raiseFault(let fault): return servesAny(evse: fault.evse) ? noFaults(fault.evse) : nil
    case .clearFault(_, let evse, _): return servesAny(evse: evse) ? noFaults(evse) : nil
    }
  }
}

extension IndicatedState {
  /// What the lights of an EVSE show.
  init(_ evse: StationSnapshot.EVSE) {
    switch (evse.status, evse.transaction?.chargingState) {
    case ("Faulted", _): self = .fault
    case (_, "Charging"?): self = .charging
    case (_, "SuspendedEV"?), (_, "SuspendedEVSE"?): self = .suspended
    case ("Unavailable", _): self = .unavailable
    case ("Occupied", _): self = .occupied
    case ("Reserved", _): self = .reserved
    default: self = .available
    }
  }
}

extension Health {
  /// One word, and why.
  var json: [JSONMember] {
    switch self {
    case .starting: return [JSONMember(name: "health", value: "starting")]
    case .working: return [JSONMember(name: "health", value: "working")]
    case .degraded(let why):
      return [JSONMember(name: "health", value: "degraded"), JSONMember(name: "reason", value: .string(why))]
    case .failed(let why):
      return [JSONMember(name: "health", value: "failed"), JSONMember(name: "reason", value: .string(why))]
    }
  }
}
