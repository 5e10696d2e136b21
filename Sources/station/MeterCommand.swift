import ArgumentParser
import DeviceModel
import Glibc
import Hardware
import OCPP

struct MeterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "meter",
    abstract: "Read and find Modbus meters, for installers.",
    discussion: """
      The station must not be running on the same serial bus: a bus has one owner.

      Exit codes: 0 done, 1 no meter answered as it should, 2 a model file or the bus cannot be used.
      """,
    subcommands: [List.self, Read.self, Probe.self])
}

/// Where the meter models are.
struct MeterLibraryOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Folder with meter models. (default: STATION_METERS_DIR, else DeviceModel/meters of the source tree that this program is in, "
        + "else \(MeterLibrary.installed))"))
  var metersDir: String?

  func library() -> MeterLibrary {
    MeterLibrary(directories: [metersDir ?? environmentVariable("STATION_METERS_DIR") ?? Self.shipped])
  }

  /// The folder of the source tree that this program was built in, or the installed one.
  private static var shipped: String {
    var path = programDirectory ?? ""
    while !path.isEmpty {
      let candidate = path + "/DeviceModel/meters"
      if access(candidate, R_OK) == 0 { return candidate }
      guard let slash = path.lastIndex(of: "/") else { break }
      path = String(path[..<slash])
    }
    return MeterLibrary.installed
  }

  /// A model; without one, what is wrong with it is printed and the program ends with 2.
  func model(_ name: String) throws -> MeterModel {
    let (model, problems) = library().model(name)
    for problem in problems { complain(problem.text) }
    guard let model else { throw ExitCode(2) }
    return model
  }

  /// The models of these names, or all; a model with errors is reported and left out.
  func models(_ names: [String]) throws -> [MeterModel] {
    guard names.isEmpty else { return try names.map { try model($0) } }
    let all = library().all()
    for problem in all.problems { complain(problem.text) }
    if all.models.isEmpty {
      complain("station meter: no meter models in \(library().directories.joined(separator: ", ")); give --meters-dir")
      throw ExitCode(2)
    }
    return all.models
  }
}

/// The folder of this program's file, without links.
var programDirectory: String? {
  var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
  let count = buffer.withUnsafeMutableBytes { bytes in
    bytes.withMemoryRebound(to: CChar.self) {
      $0.baseAddress.map { readlink("/proc/self/exe", $0, bytes.count) } ?? -1
    }
  }
  guard count > 0, let slash = buffer.prefix(count).lastIndex(of: UInt8(ascii: "/")) else { return nil }
  return String(decoding: buffer.prefix(upTo: slash), as: UTF8.self)
}

extension MeterCommand {
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the meter models, and what is wrong with their files.")

    @OptionGroup var library: MeterLibraryOptions
    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
      let all = library.library().all()
      for problem in all.problems { complain(problem.text) }
      if json {
        put(JSONValue.object([JSONMember(name: "models", value: .array(all.models.map(Self.json)))]).bytes + [0x0A])
      } else {
        let width = all.models.map(\.id.count).max() ?? 0
        for model in all.models {
          let name = model.id + String(repeating: " ", count: width - model.id.count)
          print(
            "\(name)  \(model.vendor) \(model.names.joined(separator: ", ")) (\(model.confidence.rawValue) confidence)")
        }
      }
      if all.errorCount > 0 || all.models.isEmpty { throw ExitCode(2) }
    }

    private static func json(_ model: MeterModel) -> JSONValue {
      var members = [
        JSONMember(name: "model", value: .string(model.id)), JSONMember(name: "vendor", value: .string(model.vendor)),
        JSONMember(name: "names", value: .array(model.names.map(JSONValue.string))),
        JSONMember(name: "phases", value: .int(model.phases)),
        JSONMember(name: "confidence", value: .string(model.confidence.rawValue)),
        JSONMember(name: "quantities", value: .array(model.quantities.keys.sorted().map { .string("\($0)") })),
        JSONMember(name: "sources", value: .array(model.sources.map(JSONValue.string))),
        JSONMember(name: "notes", value: .array(model.notes.map(JSONValue.string))),
      ]
      if let serial = model.serial {
        members.append(
          JSONMember(
            name: "serial",
            value: .object([
              JSONMember(name: "baud", value: .int(serial.baud)),
              JSONMember(name: "parity", value: .string(serial.parity)),
              JSONMember(name: "stopBits", value: .int(serial.stopBits)),
              JSONMember(name: "unit", value: .int(serial.unit)),
              JSONMember(name: "confidence", value: .string(serial.confidence.rawValue)),
            ])))
      }
      return .object(members)
    }
  }
}
