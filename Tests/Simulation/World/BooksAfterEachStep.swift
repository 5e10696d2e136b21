import DeviceModel
import StationCore

extension Books {
  // MARK: After every step

  func after(_ input: Input, _ actions: [Action]) {
    var last: [Int: Bool] = [:]
    for case .hardware(.contactor(let evse, let close)) in actions { last[evse] = close }
    for (evse, close) in last.sorted(by: { $0.key < $1.key }) where !close && world.site.bays[evse - 1].commandedClosed
    {
      world.violated("opening never waits", "EVSE \(evse) is still closed after the core opened it")
    }
    for index in world.site.bays.indices where world.site.bays[index].commandedClosed {
      let bay = world.site.bays[index]
      if bay.toldPilot != .c {
        world.violated("contactor", "EVSE \(index + 1) stays closed in pilot state \(bay.toldPilot.rawValue)")
      }
      // A flush may take so long where energy flows first.
      let isNew = startsWithEnergy && (!bay.contactor || world.time - bay.closedAt <= 30 * .second)
      if !isNew, let id = open[index + 1], let transaction = transactions[id], !mayHaveEnergy(transaction) {
        world.violated("contactor after the ledger", "EVSE \(index + 1) charges for \(id), whose Started is nowhere")
      }
      // The vehicle gets 6 s to end the current itself.
      if bay.offer == nil, bay.contactor, world.time - max(bay.offerEndedAt, bay.closedAt) > 6500 {
        world.violated("contactor", "EVSE \(index + 1) stays closed when its offer has ended")
      }
      if let refused, open[index + 1] == refused, bay.offer != nil {
        world.violated("contactor", "EVSE \(index + 1) offers to a token that the CSMS has refused")
      }
    }
    if actions.contains(where: isOfNote) { compare(world.core.snapshot) }
  }

  private func isOfNote(_ action: Action) -> Bool {
    switch action {
    case .setTimer, .cancelTimer, .log: false
    case .event(let event): event.event != "meter"
    default: true
    }
  }

  private func compare(_ snapshot: StationSnapshot) {
    let model = world.core.model
    for evse in snapshot.evses {
      for connector in evse.connectors {
        let state = model.value(evse: evse.id, connector: connector.id)
        if state != connector.status {
          world.violated("device model", "connector of EVSE \(evse.id) is \(connector.status), the model says \(state)")
        }
        let isPlugged =
          [.b, .c, .d].contains(world.site.bays[evse.id - 1].toldPilot)
          || (world.site.bays[evse.id - 1].isSocket && toldCable[evse.id] != nil)
        if connector.plugged != isPlugged || (connector.status == "Available" && isPlugged) {
          world.violated("device model", "connector of EVSE \(evse.id) is \(connector.status), plugged \(isPlugged)")
        }
      }
      if model.value(evse: evse.id) != evse.status {
        world.violated("device model", "EVSE \(evse.id) is \(evse.status), the model says otherwise")
      }
      if let transaction = evse.transaction {
        if transactions[transaction.id]?.hasEnded != false {
          world.violated("transactions", "EVSE \(evse.id) has \(transaction.id), which is over or never began")
        } else if transactions[transaction.id]?.next != transaction.seqNo + 1 {
          world.violated("transactions", "\(transaction.id) is at \(transaction.seqNo), expected otherwise")
        }
      }
    }
    let shown = snapshot.evses.compactMap { $0.transaction?.id }.sorted()
    if shown != openTransactions {
      world.violated("transactions", "the station has \(shown), open are \(openTransactions)")
    }
    if snapshot.queuedMessages > 100_000 { world.violated("queues", "\(snapshot.queuedMessages) messages") }
  }
}
