import OCPP
import Testing

@testable import DeviceModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A device-model folder for one test; removed at the end.
final class TemporaryFolder {
  let path: String

  /// `files`: paths below the folder and their content.
  init(_ files: [String: String] = [:]) throws {
    var template = Array("/tmp/devicemodel-test-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } }
    _ = try #require(made)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    for (name, content) in files { try write(Array(content.utf8), to: name) }
  }

  deinit { Self.remove(path) }

  func write(_ bytes: [UInt8], to name: String) throws {
    var directory = path
    for part in name.split(separator: "/").dropLast() {
      directory += "/" + part
      mkdir(directory, 0o700)
    }
    let descriptor = open(path + "/" + name, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      try #require(count > 0)
      written += count
    }
  }

  private static func remove(_ path: String) {
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { remove(path + "/" + name) }
      }
      closedir(directory)
      rmdir(path)
    } else {
      unlink(path)
    }
  }

  /// The report's lines without the path of the folder.
  func lines(_ report: CheckReport) -> [String] {
    report.text.split(separator: "\n").map { line in
      var text = String(line)
      while let range = text.firstRange(of: path) { text.replaceSubrange(range, with: "DIR") }
      return text
    }
  }

  func check(overrides: String? = nil, settings: [String] = []) throws -> [String] {
    if let overrides { try write(Array(overrides.utf8), to: "overrides.json") }
    return lines(
      DeviceModel.check(
        directory: path, overridesFile: overrides == nil ? nil : path + "/overrides.json", settings: settings))
  }
}

extension DriverKind {
  /// As messages list them.
  static var names: String { all.map(\.name).joined(separator: ", ") }
}

/// Component files of the least station that has no error, to which tests add what they are about.
enum Small {
  static let evse = component("EVSE", #""evse_id": 1"#, variable("Available", "boolean", value: "true"))
  static let connector = component(
    "Connector", #""evse_id": 1, "connector_id": 1"#, variable("Available", "boolean", value: "true"))
  static let files = ["custom/EVSE.json": evse, "custom/Connector.json": connector]

  static func component(_ name: String, _ keys: String = "", _ variables: String...) -> String {
    let head = keys.isEmpty ? "" : keys + ", "
    return #"{"name": "\#(name)", \#(head)"properties": {\#(variables.map { "\n" + $0 }.joined(separator: ","))}}"#
  }

  static func variable(
    _ name: String, _ dataType: String, instance: String? = nil, mutability: String = "ReadWrite",
    value: String? = nil, more: String = "", attributes: String? = nil
  ) -> String {
    let instanceKey = instance.map { #""instance": "\#($0)", "# } ?? ""
    let valueKey = value.map { #", "value": \#($0)"# } ?? ""
    let extra = more.isEmpty ? "" : ", " + more
    let actual = #"[{"type": "Actual", "mutability": "\#(mutability)"\#(valueKey)}]"#
    return #"""
      "\#(name)\#(instance ?? "")": {"variable_name": "\#(name)", \#(instanceKey)"characteristics": {"dataType": "\#(dataType)", "supportsMonitoring": false\#(extra)}, "attributes": \#(attributes ?? actual)}
      """#
  }

  /// A model of one component "C" with these variables.
  static func model(_ variables: String...) throws -> DeviceModel {
    let text = "[" + component("C", "", variables.joined(separator: ", ")) + "]"
    return try DeviceModel(serialized: Array(text.utf8))
  }

  static let c = ComponentID("C")
}

extension DeviceModel {
  static func parse(_ text: String) -> (file: JSONFile?, problems: [String]) {
    parse(bytes: Array(text.utf8))
  }

  static func parse(bytes: [UInt8]) -> (file: JSONFile?, problems: [String]) {
    var problems = ProblemList()
    let file = JSONFileParser.parse(name: "f", bytes: bytes, problems: &problems)
    return (file, problems.problems.map(\.text))
  }
}
