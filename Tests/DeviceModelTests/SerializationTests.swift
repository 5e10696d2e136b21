import OCPP
import Testing

@testable import DeviceModel

@Suite struct SerializationTests {
  private func same(_ a: DeviceModel, _ b: DeviceModel) -> Bool {
    a.components == b.components && a.variables == b.variables && a.attributes == b.attributes
  }

  @Test func everythingComesBack() throws {
    let text = #"""
      [{"name": "TemperatureSensor", "instance": "Cable \"é\"", "evse_id": 2, "connector_id": 1,
        "driver": {"kind": "simulated"},
        "properties": {"T": {"variable_name": "Temperature", "instance": "Hot",
          "characteristics": {"dataType": "decimal", "supportsMonitoring": true, "unit": "Celsius", "minLimit": -40.5,
            "maxLimit": 125, "valuesList": "a,b"},
          "attributes": [{"type": "Actual", "mutability": "ReadOnly"}, {"type": "MaxSet", "value": "90"}],
          "monitors": [{"config_type": "PreconfiguredMonitor", "type": "Delta", "value": 5.5, "severity": 9,
            "transaction": true, "reference_value": "20"},
            {"config_type": "HardWiredMonitor", "type": "Periodic", "value": 60, "severity": 0}]}}},
       {"name": "Empty", "properties": {}}]
      """#
    let model = try DeviceModel(serialized: Array(text.utf8))
    let back = try DeviceModel(serialized: model.serialized())
    #expect(same(model, back))
    #expect(back.components.count == 2)
    #expect(back.variables.first?.monitors.count == 2)
    #expect(back.serialized() == model.serialized())
  }

  @Test(arguments: Shipped.simulated) func shippedFoldersWithChangedValuesComeBack(name: String) throws {
    var model = DeviceModel.load(directory: Shipped.directory(name)).model
    #expect(model.set("10", ComponentID("TxCtrlr"), VariableID("EVConnectionTimeOut"), by: .csms).changed)
    #expect(model.set("", ComponentID("TxCtrlr"), VariableID("TxStopPoint"), by: .csms).changed)
    let handle = try #require(model.handle(ComponentID("TxCtrlr"), VariableID("EVConnectionTimeOut")))
    let back = try DeviceModel(serialized: model.serialized())
    #expect(same(model, back))
    // Handles stay valid.
    #expect(back.int(handle) == 10)
    #expect(back.longestConfigurationValue == model.longestConfigurationValue)
  }

  @Test(arguments: [
    ("{}", "the device model is an object"), ("[1]", "a component is a number"), ("[", "the file ends"),
    ("", "the file is empty"),
    (
      #"[{"name": "A", "properties": {}}, {"name": "a", "properties": {}}]"#,
      "component a exists already in device model"
    ),
  ]) func anythingElseIsRefused(text: String, message: String) {
    do throws(Problem) {
      _ = try DeviceModel(serialized: Array(text.utf8))
      Issue.record("accepted \(text)")
    } catch {
      #expect(error.message == message)
    }
  }
}
