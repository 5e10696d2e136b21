import DeviceModel
import OCPP

/// NotifyEvent: several events in one, to the CSMS at once or through the outbox.
extension Station {
  /// Puts the events of this input into messages. N07.FR.07, N08.FR.04: each event is in the first part of its message.
  mutating func sendEvents() {
    guard !monitoring.pending.isEmpty else { return }
    let events = monitoring.pending
    monitoring.pending.removeAll(keepingCapacity: true)
    let hearing = self.hearing
    var message: [EventDataType] = []
    var bytes = 0
    for event in events {
      let size = 300 + event.actualValue.utf8.count
      if message.count >= Monitoring.eventsPerMessage || (!message.isEmpty && bytes + size > Monitoring.bytesPerMessage)
      {
        send(message, hearing)
        (message, bytes) = ([], 0)
      }
      message.append(event)
      bytes += size
    }
    send(message, hearing)
  }

  private mutating func send(_ events: [EventDataType], _ hearing: Hearing) {
    if hearing.isDirect, !hearing.queuesAll {
      let request = NotifyEventRequest(eventData: events, generatedAt: timestamp, seqNo: 0)
      call(request, for: .events(request.encode(version: .v201)))
    } else {
      // N07.FR.04, N08.FR.03; what is not to be queued was not told in the first place.
      queue(events)
    }
  }

  private mutating func queue(_ events: [EventDataType]) {
    guard !events.isEmpty else { return }
    makeRoomForEvents()
    enqueue(NotifyEventRequest(eventData: events, generatedAt: timestamp, seqNo: 0), transactionID: nil)
  }

  /// Events keep to the lower half of the outbox, so that they never cost transactions a meter value; the oldest go.
  private mutating func makeRoomForEvents() {
    guard outbox.bytes > outboxBound / 2 else { return }
    var inFlight: Int64?
    if case .outbox(let id)? = calls.outstanding?.purpose { inFlight = id }
    var dropped = 0
    while outbox.bytes > outboxBound / 2,
      let oldest = outbox.messages.first(where: {
        $0.queued.action == NotifyEventRequest.action && $0.queued.id != inFlight
      })
    {
      drop(oldest.queued.id)
      dropped += 1
    }
    if dropped > 0 { log(.warning, "the outbox is half full: \(dropped) of the oldest NotifyEvents dropped") }
  }

  /// A NotifyEvent was not answered, because the connection was lost or the CSMS is silent. What is to be kept is queued
  /// as it is; the rest is told as it is then, when the CSMS is back.
  mutating func eventsLost(_ payload: [UInt8]) {
    guard let request = try? NotifyEventRequest.decode(payload, version: .v201) else { return }
    let hearing = self.hearing
    var kept: [EventDataType] = []
    for event in request.eventData {
      let position = event.variableMonitoringId.flatMap { monitoring.position(of: $0) }
      let severity: Int
      if let position {
        severity = monitoring.monitors[position].severity
      } else if event.variableMonitoringId != nil {
        continue  // the monitor is gone
      } else if let expiry = Self.expirySeverity(of: event) {
        severity = expiry
      } else {
        severity = FaultTable.entry(of: Self.faultName(of: event)).severity
      }
      if hearing.keeps(severity) {
        kept.append(event)
      } else if let position {
        if event.trigger != .periodic { monitoring.update(position) { $0.isDoubtful = true } }
      } else if Self.expirySeverity(of: event) != nil {
        expiryEventLost(event)
      } else {
        faultEventLost(event)
      }
    }
    queue(kept)
    // Should the connection be there, the next input looks again.
    monitoring.mustLook = true
  }
}
