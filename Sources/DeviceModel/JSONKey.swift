/// The keys that component files have a meaning for. Recognised by their bytes, because building a text for each key
/// of each variable is what most of the time of loading would go into.
enum JSONKey: CaseIterable, Sendable {
  case name, evseID, connectorID, instance, properties, driver, required, schema, type, description
  case variableName, characteristics, attributes, defaultValue, monitors, source
  case minLength, maxLength, minimum, maximum, ocppVersion
  case dataType, supportsMonitoring, unit, valuesList, minLimit, maxLimit
  case mutability, value
  case configType, severity, transaction, referenceValue

  /// As it is written.
  var text: StaticString {
    switch self {
    case .name: return "name"
    case .evseID: return "evse_id"
    case .connectorID: return "connector_id"
    case .instance: return "instance"
    case .properties: return "properties"
    case .driver: return "driver"
    case .required: return "required"
    case .schema: return "$schema"
    case .type: return "type"
    case .description: return "description"
    case .variableName: return "variable_name"
    case .characteristics: return "characteristics"
    case .attributes: return "attributes"
    case .defaultValue: return "default"
    case .monitors: return "monitors"
    case .source: return "source"
    case .minLength: return "minLength"
    case .maxLength: return "maxLength"
    case .minimum: return "minimum"
    case .maximum: return "maximum"
    case .ocppVersion: return "ocpp_version"
    case .dataType: return "dataType"
    case .supportsMonitoring: return "supportsMonitoring"
    case .unit: return "unit"
    case .valuesList: return "valuesList"
    case .minLimit: return "minLimit"
    case .maxLimit: return "maxLimit"
    case .mutability: return "mutability"
    case .value: return "value"
    case .configType: return "config_type"
    case .severity: return "severity"
    case .transaction: return "transaction"
    case .referenceValue: return "reference_value"
    }
  }

  /// Keys in the order of their length, and where each length begins.
  private static let byLength: [[JSONKey]] = {
    var table: [[JSONKey]] = []
    for key in allCases {
      let length = key.text.utf8CodeUnitCount
      while table.count <= length { table.append([]) }
      table[length].append(key)
    }
    return table
  }()

  /// The key that a text of the file is. A key written with escapes is unknown.
  init?(_ node: JSONNode) {
    let bytes = node.rawText
    let table = Self.byLength
    guard bytes.count < table.count else { return nil }
    for key in table[bytes.count] where bytes.elementsEqual(key.text) {
      self = key
      return
    }
    return nil
  }
}

extension ArraySlice<UInt8> {
  fileprivate func elementsEqual(_ text: StaticString) -> Bool {
    elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
