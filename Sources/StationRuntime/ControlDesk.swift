import Hardware
import NIOCore
import OCPP
import StationCore

/// Answers the clients of the control socket: turns their lines into commands, commands into what they do, and events
/// into lines for those who subscribed.
///
/// Every command is answered before the next line of any client is looked at, so commands take effect in the order sent.
/// Only what the CSMS has to answer comes later, at the latest after `csmsTimeout`.
final class ControlDesk {
  /// How long a client waits for the CSMS, real time.
  static let csmsTimeout = TimeAmount.seconds(60)
  /// Commands that may wait for the CSMS, of all clients together.
  static let pendingLimit = 256

  private struct Pending {
    var client: ControlClient
    var id: JSONValue
    var timeout: Scheduled<Void>
  }

  private let runtime: StationRuntime
  private let server: ControlServer
  private var pending: [Int64: Pending] = [:]
  private var nextRequest: Int64 = 1

  init(_ runtime: StationRuntime, _ server: ControlServer) {
    self.runtime = runtime
    self.server = server
    server.onLine = { [unowned self] in received($1, from: $0) }
    server.onClosed = { [unowned self] in closed($0) }
    runtime.onControlReply = { [unowned self] in reply(to: $0, $1) }
    runtime.onEvent = { [unowned self] in publish($0) }
  }

  /// Closes the socket and all clients.
  func close() { server.stop() }

  // MARK: Commands

  private func received(_ line: [UInt8], from client: ControlClient) {
    let object: JSONValue
    do {
      object = try JSONValue.parse(line)
    } catch {
      return fail(client, .null, "the line is not JSON: \(error.message)")
    }
    guard case .object = object else { return fail(client, .null, "the line is not a JSON object") }
    let id = object["id"] ?? .null
    switch id {
    case .array, .object: return fail(client, .null, "field id is not a JSON scalar")
    default: break
    }
    do throws(ControlError) {
      try carryOut(ControlCommand(object), id, client)
    } catch {
      fail(client, id, error.text)
    }
  }

  private func carryOut(_ command: ControlCommand, _ id: JSONValue, _ client: ControlClient) throws(ControlError) {
    switch command {
    case .state:
      runtime.advanceHardware()
      succeed(client, id, runtime.state)
    case .stimulus(let stimulus):
      if let error = runtime.stimulate(stimulus) { throw error }
      succeed(client, id)
    case .network(let online):
      runtime.setNetwork(online: online)
      succeed(client, id)
    case .subscribe(let events):
      client.subscriptions = events
      succeed(client, id)
    case .dataTransfer(let vendorId, let messageId, let data):
      try ask(.dataTransfer(vendorId: vendorId, messageId: messageId, data: data), id, client)
    case .quirks:
      let quirks = runtime.core.quirks.sorted { $0.key.rawValue < $1.key.rawValue }
      let counts = quirks.map { JSONMember(name: $0.key.rawValue, value: .int($0.value)) }
      succeed(client, id, [JSONMember(name: "quirks", value: .object(counts))])
    case .undelivered(let discard):
      let fields = [
        JSONMember(name: "total", value: .int(runtime.core.snapshot.undeliveredMessages)),
        JSONMember(name: "messages", value: .array(runtime.core.undeliveredMessages.map(MessageLog.redacted))),
      ]
      succeed(client, id, fields)
      // Nobody waits for it: what is discarded has just been given out.
      if discard { runtime.give(.control(id: 0, .discardUndelivered)) }
    case .securityLog:
      let log = runtime.core.securityLog
      succeed(
        client, id,
        [
          JSONMember(name: "anchor", value: log.anchor.json), JSONMember(name: "last", value: log.last.json),
          JSONMember(
            name: "entries", value: .array(log.lines.map { .string(String(decoding: $0, as: UTF8.self)) })),
        ])
    case .maintenance(let action, let evse):
      try runtime.maintain(action, evse: evse)
      succeed(client, id)
    case .reboot(let cause):
      succeed(client, id)
      switch cause {
      case .powerLoss: runtime.restartAbruptly(.powerUp)
      case .watchdog: runtime.restartAbruptly(.watchdog)
      case .localReset: runtime.stop(.restart(.localReset, abrupt: false))
      }
    }
  }

  private func ask(_ request: ControlRequest, _ id: JSONValue, _ client: ControlClient) throws(ControlError) {
    guard pending.count < Self.pendingLimit else {
      throw ControlError("\(pending.count) commands wait for the CSMS already, the limit")
    }
    let number = nextRequest
    nextRequest += 1
    let timeout = runtime.loop.assumeIsolated().scheduleTask(in: Self.csmsTimeout) {
      let seconds = Self.csmsTimeout.nanoseconds / 1_000_000_000
      self.reply(to: number, .failure(ControlError("the CSMS has not answered within \(seconds) s")))
    }
    pending[number] = Pending(client: client, id: id, timeout: timeout)
    client.pending += 1
    runtime.give(.control(id: number, request))
  }

  private func reply(to number: Int64, _ result: Result<JSONValue, ControlError>) {
    guard let request = pending.removeValue(forKey: number) else { return }
    request.timeout.cancel()
    request.client.pending -= 1
    switch result {
    case .success(.object(let fields)): succeed(request.client, request.id, fields)
    case .success(let value): succeed(request.client, request.id, [JSONMember(name: "result", value: value)])
    case .failure(let error): fail(request.client, request.id, error.text)
    }
    request.client.closeIfDone()
  }

  private func closed(_ client: ControlClient) {
    for (number, request) in pending where request.client === client {
      request.timeout.cancel()
      pending[number] = nil
    }
  }

  // MARK: Answers and events

  private func succeed(_ client: ControlClient, _ id: JSONValue, _ fields: [JSONMember] = []) {
    client.send(
      JSONValue.object([JSONMember(name: "id", value: id), JSONMember(name: "ok", value: true)] + fields).bytes)
  }

  private func fail(_ client: ControlClient, _ id: JSONValue, _ why: String) {
    client.send(
      JSONValue.object([
        JSONMember(name: "id", value: id), JSONMember(name: "ok", value: false),
        JSONMember(name: "error", value: .string(why)),
      ]).bytes)
  }

  private func publish(_ event: StationEvent) {
    var line: [UInt8]?
    for client in server.clients.values where client.subscriptions.contains(event.event) {
      let bytes =
        line ?? JSONValue.object([JSONMember(name: "event", value: .string(event.event))] + event.fields).bytes
      line = bytes
      client.send(bytes)
    }
  }
}
