import DeviceModel
import Foundation
import OCPP
import Testing

extension StationBench {
  /// A booted bench of `ac-two-evse` whose device model has more variables, as an integrator would add them: by component
  /// (`Name` or `Name@evse`) the names, data types and factory values. With a `wall` before 2025 and a CSMS that tells no
  /// better time its clock stays unset.
  static func withVariables(
    _ variables: [String: [(name: String, dataType: String, value: String)]], _ settings: [String: String] = [:],
    wall: Int64? = nil
  ) throws -> StationBench {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../..")
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("station-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(
      at: root.appendingPathComponent("DeviceModel/ac-two-evse").standardizedFileURL, to: folder)
    for (component, added) in variables {
      let parts = component.split(separator: "@")
      let file =
        parts.count == 1
        ? folder.appendingPathComponent("standardized/\(component).json")
        : folder.appendingPathComponent("custom/\(parts[0])_\(parts[1]).json")
      var json: [String: Any] = ["name": String(parts[0]), "description": "Added by a test.", "properties": [:]]
      if parts.count == 1 {
        json = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
      } else {
        json["evse_id"] = Int(parts[1])
      }
      var properties = json["properties"] as? [String: Any] ?? [:]
      for variable in added {
        properties[variable.name] = [
          "variable_name": variable.name, "description": "Added by a test.",
          "characteristics": ["dataType": variable.dataType, "supportsMonitoring": false],
          "attributes": [
            [
              "type": "Actual", "mutability": "ReadWrite",
              "value": variable.dataType == "boolean" ? (variable.value == "true") as Any : variable.value as Any,
            ]
          ],
        ]
      }
      json["properties"] = properties
      try JSONSerialization.data(withJSONObject: json).write(to: file)
    }
    let bench = StationBench(wall: wall, model: model(directory: folder.path, settings))
    if wall != nil {
      bench.responder = { call in
        guard call.action == "BootNotification" else { return accepting(call) }
        return ["currentTime": "2020-01-01T00:00:00Z", "interval": 300, "status": "Accepted"]
      }
    }
    return bench.boot()
  }
}
