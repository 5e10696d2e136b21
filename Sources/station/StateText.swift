import OCPP

/// The answer to `state` for people.
struct StateText {
  private(set) var text = ""

  init(_ state: JSONValue) {
    let station = state["station"]
    let csms = station?["csms"]
    var line = "station \(string(station?["id"]))"
    line += csms?["connected"] == true ? ": connected to " : ": not connected to "
    line += string(csms?["url"], "any CSMS")
    for key in ["protocol", "registration"] {
      if let value = csms?[key]?.stringValue { line += ", \(value)" }
    }
    if station?["network"]?["online"] == false { line += ", uplink cut" }
    text = line + faults(station?["faults"])
    if let queue = station?["queuedMessages"]?.intValue, queue > 0 {
      text += "\n\(queue) messages wait for the CSMS, \(station?["queuedBytes"]?.text ?? "?") bytes"
    }
    if let lost = station?["undeliveredMessages"]?.intValue, lost > 0 {
      text += "\n\(lost) messages were given up: station ctl undelivered"
    }
    if let upload = station?["logUpload"], !upload.isNull {
      text += "\n\(string(upload["type"])) \(string(upload["status"])), \(upload["sent"]?.text ?? "?") of "
      text += "\(upload["bytes"]?.text ?? "?") bytes sent: \(string(upload["file"]))"
    }
    if station?["storageHealthy"] == false { text += "\nthe ledger cannot be written" }
    if let firmware = station?["firmware"], !firmware.isNull {
      text += "\nfirmware update \(firmware["requestId"]?.text ?? "?"): \(string(firmware["status"], "accepted"))"
      if let done = firmware["downloadedBytes"]?.intValue {
        text += ", \(done) of \(firmware["totalBytes"]?.intValue.map(String.init) ?? "?") bytes"
      }
      if let percent = firmware["installedPercent"]?.intValue { text += ", \(percent) %" }
    }
    if station?["clock"] == "unset" { text += "\nthe clock is not set" }
    for evse in state["evses"]?.arrayValue ?? [] { add(evse) }
  }

  private mutating func add(_ evse: JSONValue) {
    text += "\n\nEVSE \(evse["id"]?.text ?? "?"): \(string(evse["status"]))"
    if evse["operative"] == false { text += ", inoperative" }
    if let reservation = evse["reservationId"]?.intValue { text += ", reserved (\(reservation))" }
    text += faults(evse["faults"])
    for connector in evse["connectors"]?.arrayValue ?? [] {
      text +=
        "\n  connector \(connector["id"]?.text ?? "?"), \(string(connector["type"])): \(string(connector["status"]))"
      if connector["plugged"] == true { text += ", plugged in" }
      if connector["locked"] == true { text += ", locked" }
      if let offer = connector["offerA"]?.decimalValue { text += ", offers \(offer) A" }
    }
    if let transaction = evse["transaction"], !transaction.isNull {
      text +=
        "\n  transaction \(string(transaction["id"])): \(string(transaction["chargingState"], "no charging state"))"
      if let token = transaction["idToken"]?.stringValue { text += ", \(token)" }
      text += ", event \(transaction["seqNo"]?.text ?? "?")"
    }
    if let meter = evse["meter"] {
      var parts: [String] = []
      if let energy = meter["energyWh"]?.decimalValue { parts.append("\(energy) Wh") }
      if let power = meter["powerW"]?.decimalValue { parts.append("\(power) W") }
      if let current = meter["currentA"] { parts.append("\(list(current)) A") }
      if let voltage = meter["voltageV"] { parts.append("\(list(voltage)) V") }
      if let charge = meter["soc"]?.decimalValue { parts.append("\(charge) %") }
      text += "\n  meter " + parts.joined(separator: ", ")
    }
  }

  private func string(_ value: JSONValue?, _ absent: String = "?") -> String { value?.stringValue ?? absent }

  private func list(_ value: JSONValue) -> String { (value.arrayValue ?? []).map(\.text).joined(separator: "/") }

  private func faults(_ value: JSONValue?) -> String {
    let names = (value?.arrayValue ?? []).compactMap(\.stringValue)
    return names.isEmpty ? "" : ", FAULT " + names.joined(separator: " ")
  }
}
