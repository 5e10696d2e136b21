import DeviceModel
import OCPP

/// The parking bay of an EVSE (component BayOccupancySensor): where ParkingBayOccupancy is a start or stop point, the
/// transaction lasts as long as the vehicle is in the bay (E01 S1, E06 S1).
extension Station {
  mutating func bayChanged(at index: Int, occupied: Bool) {
    guard evses[index].bayIsOccupied != occupied else { return }
    evses[index].bayIsOccupied = occupied
    evses[index].arrivalIsDue = false
    setByStation(occupied ? "true" : "false", VariableAddress("BayOccupancySensor", evse: evses[index].id, "Active"))
    log(.info, "EVSE \(evses[index].id): the bay is \(occupied ? "occupied" : "vacant")")
    if occupied {
      // A transaction that began with the arrival, and whose vehicle was never plugged in, is still the same vehicle's.
      if evses[index].isResuming {
        if evses[index].transaction?.connector == nil { resumeInBay(at: index) }
        return
      }
      evses[index].arrivalIsDue = evses[index].transaction == nil && starts(at: "ParkingBayOccupancy")
      startDueArrival(at: index)
    } else {
      endByDeparture(at: index)
    }
  }

  /// E01.FR.01, or as soon as what forbade it is gone: one transaction for each arrival.
  mutating func startDueArrival(at index: Int) {
    guard evses[index].arrivalIsDue, evses[index].bayIsOccupied == true, isUsable(at: index),
      evses[index].ending == nil, mayStartBeforeAccepted
    else { return }
    evses[index].arrivalIsDue = false
    if evses[index].transaction == nil { startTransaction(at: index, trigger: .evDetected) }
  }

  /// E06.FR.01. The word of the bay counts once the vehicle is unplugged too: no sensor ends a charging session.
  mutating func endByDeparture(at index: Int) {
    guard evses[index].bayIsOccupied == false, !evses[index].isConnected, !evses[index].isResuming,
      evses[index].transaction != nil, stops(at: "ParkingBayOccupancy")
    else { return }
    evses[index].authorization = nil
    stopTimer(.evse(TimerID.evConnectionName, evses[index].id))
    endTransaction(at: index, trigger: .evDeparted, reason: .local)
  }

  /// The transaction goes on without a vehicle plugged in, until it leaves the bay.
  func awaitsDeparture(at index: Int) -> Bool {
    evses[index].transaction != nil && evses[index].bayIsOccupied == true && stops(at: "ParkingBayOccupancy")
  }
}
