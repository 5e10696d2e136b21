import OCPP
import Testing

@testable import DeviceModel

@Suite struct ComponentReaderTests {
  private func read(_ text: String) -> (component: ParsedComponent?, problems: [String]) {
    var problems = ProblemList()
    guard let root = JSONFileParser.parse(name: "f", bytes: Array(text.utf8), problems: &problems)?.root else {
      return (nil, problems.problems.map(\.text))
    }
    var reader = ComponentReader(problems: problems)
    let component = reader.component(root)
    return (component, reader.problems.problems.map(\.text))
  }

  @Test func readsEverythingAComponentMayHave() throws {
    let (component, problems) = read(
      #"""
      {
        "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "description": "A sensor.",
        "name": "TemperatureSensor", "instance": "Cable", "evse_id": 2, "connector_id": 1,
        "driver": {"kind": "simulated"},
        "required": ["T"],
        "properties": {
          "T": {
            "variable_name": "Temperature", "instance": "Hot", "source": "OCPP", "type": "number", "minimum": 1,
            "maximum": 2, "minLength": 0, "maxLength": 9, "description": "", "ocpp_version": "2.1", "default": 20.50,
            "characteristics": {
              "dataType": "decimal", "supportsMonitoring": true, "unit": "Celsius", "minLimit": -40, "maxLimit": 1.25e2,
              "valuesList": "a, b"
            },
            "attributes": [
              {"type": "Actual", "mutability": "ReadOnly"}, {"type": "MaxSet", "value": "90"},
              {"type": "Target", "mutability": "WriteOnly"}
            ],
            "monitors": [
              {"config_type": "HardWiredMonitor", "type": "UpperThreshold", "value": 80.5, "severity": 0},
              {"config_type": "PreconfiguredMonitor", "type": "Delta", "value": 5, "severity": 9, "transaction": true,
               "reference_value": 20}
            ]
          }
        }
      }
      """#)
    #expect(problems == [])
    let read = try #require(component)
    #expect(read.id == ComponentID("TemperatureSensor", instance: "Cable", evse: 2, connector: 1))
    #expect(read.driver == Driver(kind: "simulated", configuration: ["kind": "simulated"]))
    let variable = try #require(read.variables.first?.variable)
    #expect(variable.id == VariableID("Temperature", instance: "Hot"))
    #expect(
      variable.characteristics
        == VariableCharacteristicsType(
          dataType: .decimal, supportsMonitoring: true, maxLimit: 125, minLimit: -40, unit: "Celsius",
          valuesList: "a, b"))
    #expect(variable.allowedValues == ["a", "b"])
    #expect(variable.attributes.map(\.type) == [.actual, .maxSet, .target])
    #expect(variable.attributes.map(\.mutability) == [.readOnly, .readWrite, .writeOnly])
    // The default is the Actual value only.
    #expect(variable.attributes.map(\.value) == ["20.5", "90", ""])
    #expect(
      variable.monitors == [
        PreconfiguredMonitor(
          configType: .hardWiredMonitor, type: .upperThreshold, value: DecimalNumber("80.5") ?? 0, severity: 0,
          transaction: false, referenceValue: nil),
        PreconfiguredMonitor(
          configType: .preconfiguredMonitor, type: .delta, value: 5, severity: 9, transaction: true,
          referenceValue: "20"),
      ])
  }

  @Test(arguments: [
    ("boolean", "true", "true"), ("boolean", "\"false\"", "false"), ("integer", "42", "42"),
    ("integer", "\"42\"", "42"), ("integer", "42.0", "42"), ("decimal", "0.10", "0.1"), ("decimal", "\"0.10\"", "0.10"),
    ("decimal", "1e3", "1000"), ("SequenceList", "1", "1"), ("string", "true", "true"), ("string", "\"\"", ""),
    ("integer", "\"\"", ""), ("dateTime", "\"\"", ""), ("string", "\"\\u00e9\"", "é"),
  ]) func valuesBecomeTexts(dataType: String, json: String, text: String) throws {
    let (component, problems) = read(Small.component("C", "", Small.variable("V", dataType, value: json)))
    #expect(problems == [])
    #expect(component?.variables.first?.variable.attributes.first?.value == text)
  }

  @Test func anAttributeWithoutValueAndDefaultIsEmpty() {
    let (component, problems) = read(Small.component("C", "", Small.variable("V", "integer")))
    #expect(problems == [])
    #expect(component?.variables.first?.variable.attributes.map(\.value) == [""])
  }

  @Test(arguments: [
    ("integer", "\"4x\"", "\"4x\" is no integer; expected a whole number that fits 64 bits"),
    ("integer", "4.5", "\"4.5\" is no integer; expected a whole number that fits 64 bits"),
    ("integer", "true", "\"true\" is no integer; expected a whole number that fits 64 bits"),
    ("integer", "1e30", "\"1000000000000000000000000000000\" is no integer; expected a whole number that fits 64 bits"),
    ("decimal", "\"4,5\"", "\"4,5\" is no decimal; expected a decimal number"),
    ("boolean", "1", "\"1\" is no boolean; expected true or false; did you mean \"true\"?"),
    ("boolean", "\"True\"", "\"True\" is no boolean; expected true or false; did you mean \"true\"?"),
    ("boolean", "\"off\"", "\"off\" is no boolean; expected true or false; did you mean \"false\"?"),
    (
      "dateTime", "\"today\"",
      "\"today\" is no dateTime; expected an RFC 3339 date and time, such as 2026-01-31T12:00:00Z"
    ),
    ("string", "null", "the value is null; expected a boolean, number or string"),
    ("string", "{}", "the value is an object; expected a boolean, number or string"),
  ]) func valuesOfAnotherTypeAreErrors(dataType: String, json: String, problem: String) {
    let (component, problems) = read(Small.component("C", "", Small.variable("V", dataType, value: json)))
    #expect(problems.count == 1)
    #expect(problems.first?.hasSuffix(": error: \(problem)") == true, "\(problems)")
    // The variable is dropped, the component stays.
    #expect(component?.variables.count == 0)
    #expect(component?.dropped == [VariableID("V")])
  }

  @Test(arguments: [
    ("[]", "f:1:1: error: a component is an array; expected an object"),
    (#"{"properties": {}}"#, "f:1:1: error: \"name\" is missing; expected the name of the component"),
    (#"{"name": "", "properties": {}}"#, "f:1:10: error: name is empty; expected at least one character"),
    (#"{"name": 5, "properties": {}}"#, "f:1:10: error: name is a number; expected a string"),
    (
      #"{"name": "\#(String(repeating: "x", count: 51))", "properties": {}}"#,
      "f:1:10: error: name is too long; expected at most 50 characters"
    ),
    (#"{"name": "C"}"#, "f:1:1: error: \"properties\" is missing; expected an object with the variables"),
    (#"{"name": "C", "properties": []}"#, "f:1:29: error: properties is an array; expected an object"),
    (
      #"{"name": "C", "evse_id": "1", "properties": {}}"#,
      "f:1:26: error: evse_id is a string; expected a whole number from 1"
    ),
    (#"{"name": "C", "evse_id": 0, "properties": {}}"#, "f:1:26: error: evse_id is 0; expected a whole number from 1"),
    (
      #"{"name": "C", "evse_id": 1.0, "properties": {}}"#,
      "f:1:26: error: evse_id is 1.0; expected a whole number from 1"
    ),
    (
      #"{"name": "C", "connector_id": 1, "properties": {}}"#,
      "f:1:31: error: connector_id without evse_id; expected evse_id as well"
    ),
    (
      #"{"name": "C", "instance": 1, "properties": {}}"#, "f:1:27: error: instance is a number; expected a string"
    ),
    (#"{"name": "C", "properties": {"a": 1}}"#, "f:1:35: error: variable \"a\" is a number; expected an object"),
    (
      #"{"name": "C", "required": 1, "properties": {}}"#,
      "f:1:27: error: required is a number; expected an array of labels"
    ),
    (
      #"{"name": "C", "required": [1], "properties": {}}"#,
      "f:1:28: error: a label in required is a number; expected a string"
    ),
    (
      #"{"name": "C", "required": ["TimeOut"], "properties": {}}"#,
      "f:1:28: warning: required names \"TimeOut\", which is not in properties; expected a label of properties"
    ),
    (
      #"{"name": "C", "evse": 1, "properties": {}}"#,
      "f:1:15: warning: unknown key \"evse\" in a component; expected name, evse_id, connector_id, instance, "
        + "properties, driver, required, type, description"
    ),
    (
      #"{"nam\u0065": "C", "name": "D", "properties": {}}"#,
      "f:1:20: error: key \"name\" occurs twice in one object; expected unique keys"
    ),
  ]) func wrongComponentsAreReported(text: String, problem: String) {
    #expect(read(text).problems.first == problem)
  }

  @Test(arguments: [
    (
      #"{"characteristics": {"dataType": "string", "supportsMonitoring": true}, "attributes": [{"type": "Actual"}]}"#,
      ["1:30: error: \"variable_name\" is missing; expected the name of the variable"]
    ),
    (
      #"{"variable_name": "V"}"#,
      [
        "1:30: error: \"characteristics\" is missing; expected an object with dataType and supportsMonitoring",
        "1:30: error: \"attributes\" is missing; expected an array of attributes",
      ]
    ),
    (
      #"{"variable_name": "V", "characteristics": {}, "attributes": []}"#,
      [
        "1:77: error: \"dataType\" is missing; expected one of string, decimal, integer, dateTime, boolean, "
          + "OptionList, "
          + "SequenceList, MemberList",
        "1:77: error: \"supportsMonitoring\" is missing; expected true or false",
        "1:95: error: attributes is empty; expected at least one attribute",
      ]
    ),
    (
      #"{"variable_name": "V", "characteristics": 1, "attributes": 1, "monitors": 1, "instance": ""}"#,
      [
        "1:124: error: instance is empty; expected at least one character",
        "1:77: error: characteristics is a number; expected an object",
        "1:94: error: attributes is a number; expected an array",
        "1:109: error: monitors is a number; expected an array",
      ]
    ),
    (
      #"{"variable_name": "V", "characteristics": {"dataType": "Boolean", "supportsMonitoring": "no", "unit": 1, "#
        + #""maxlimit": 1, "minLimit": "0", "valuesList": ["a"]}, "attributes": [1, {}, {"type": "Aktual"}, "#
        + #"{"type": "Actual", "mutability": "Readonly"}, {"type": "MinSet"}, {"type": "MinSet"}]}"#,
      [
        "1:90: error: dataType \"Boolean\" does not exist; expected one of string, decimal, integer, dateTime, "
          + "boolean, "
          + "OptionList, SequenceList, MemberList; did you mean \"boolean\"?",
        "1:123: error: supportsMonitoring is a string; expected true or false",
        "1:137: error: unit is a number; expected a string",
        "1:140: warning: unknown key \"maxlimit\" in characteristics; expected dataType, supportsMonitoring, unit, "
          + "valuesList, minLimit, maxLimit; did you mean \"maxLimit\"?",
        "1:167: error: minLimit is a string; expected a number",
        "1:186: error: valuesList is an array; expected a string",
        "1:209: error: an attribute is a number; expected an object",
        "1:212: error: \"type\" is missing; expected one of Actual, Target, MinSet, MaxSet",
        "1:225: error: attribute type \"Aktual\" does not exist; expected one of Actual, Target, MinSet, MaxSet; "
          + "did you mean \"Actual\"?",
        "1:269: error: mutability \"Readonly\" does not exist; expected one of ReadOnly, WriteOnly, ReadWrite; "
          + "did you mean \"ReadOnly\"?",
        "1:302: error: attribute MinSet occurs twice; expected each attribute type once",
      ]
    ),
    (
      #"{"variable_name": "V", "characteristics": {"dataType": "integer", "supportsMonitoring": true, "minLimit": "#
        + #"2, "maxLimit": 1}, "attributes": [{"type": "Actual"}]}"#,
      ["1:77: error: minLimit 2 is above maxLimit 1; expected minLimit at most maxLimit"]
    ),
  ]) func wrongVariablesAreReported(variable: String, problems: [String]) {
    let (component, found) = read(#"{"name": "C", "properties": {"v": "# + variable + "}}")
    #expect(found == problems.map { "f:" + $0 })
    #expect(component?.variables.count == 0)
  }

  @Test func wrongMonitorsAreReported() {
    let monitors = #"""
      "V": {"variable_name": "V", "characteristics": {"dataType": "integer", "supportsMonitoring": true},
      "attributes": [{"type": "Actual"}],
      "monitors": [1, {}, {"config_type": "HardwiredMonitor", "type": "Upper", "value": "1", "severity": 10, "transaction": 1, "reference_value": [], "id": 1}]}
      """#
    let (_, found) = read(Small.component("C", "", monitors))
    #expect(
      found == [
        "f:4:14: error: a monitor is a number; expected an object",
        "f:4:17: error: \"config_type\" is missing; expected it in every monitor",
        "f:4:17: error: \"type\" is missing; expected it in every monitor",
        "f:4:17: error: \"value\" is missing; expected it in every monitor",
        "f:4:17: error: \"severity\" is missing; expected it in every monitor",
        "f:4:37: error: config_type \"HardwiredMonitor\" does not exist; "
          + "expected one of HardWiredMonitor, PreconfiguredMonitor; did you mean \"HardWiredMonitor\"?",
        "f:4:65: error: monitor type \"Upper\" does not exist; expected one of UpperThreshold, LowerThreshold, Delta, "
          + "Periodic, PeriodicClockAligned, TargetDelta, TargetDeltaRelative",
        "f:4:83: error: value is a string; expected a number",
        "f:4:100: error: severity is 10; expected 0 to 9",
        "f:4:119: error: transaction is a number; expected true or false",
        "f:4:141: error: the value is an array; expected a boolean, number or string",
        "f:4:145: warning: unknown key \"id\" in a monitor; expected config_type, type, value, severity, transaction, "
          + "reference_value",
      ])
  }

  @Test func ofTwoVariablesOfOneNameTheFirstIsUsed() throws {
    let (component, problems) = read(
      #"{"name": "C", "properties": {"# + Small.variable("V", "integer", value: "1") + ", "
        + Small.variable("v", "string", value: "2") + "}}")
    #expect(
      problems == [
        "f:1:230: warning: C has two variables v; the first is used; expected unique variable names and instances"
      ])
    #expect(component?.variables.map(\.variable.characteristics.dataType) == [.integer])
  }

  @Test func problemsAreLimited() {
    let variables = (0..<2000).map { #""v\#($0)": 1"# }.joined(separator: ",")
    var problems = ProblemList()
    let file = JSONFileParser.parse(
      name: "f", bytes: Array(#"{"name": "C", "properties": {\#(variables)}}"#.utf8), problems: &problems)
    var reader = ComponentReader(problems: problems)
    _ = file?.root.flatMap { reader.component($0) }
    #expect(reader.problems.problems.count == 1000)
    #expect(reader.problems.omitted == 1000)
    #expect(reader.problems.errorCount == 2000)
  }
}
