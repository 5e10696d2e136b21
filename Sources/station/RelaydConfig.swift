import ArgumentParser
import DeviceModel
import Hardware

struct RelaydConfig: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "relayd-config",
    abstract: "Print the configuration of station-relayd that a folder of device-model files makes.",
    discussion: """
      For a station-relayd that runs as a service of its own: 'station-relayd --config FILE --socket PATH', and 'station-relayd \
      --all-off FILE' in its ExecStopPost=. The station refuses a relayd that runs with another configuration. Exit code 0; 1 when \
      the folder has errors or no contactor on GPIO lines.
      """)

  @Argument(help: "The folder: standardized/ and custom/.")
  var directory: String
  @Option(
    help: ArgumentHelp(
      "Folder with the meter models that drivers name. (default: STATION_METERS_DIR, else meters/ in the folder, meters/ beside it, "
        + "\(MeterLibrary.installed))"))
  var metersDir: String?

  func run() throws {
    let result = DeviceModel.load(
      directory: directory, metersDirectory: metersDir ?? environmentVariable("STATION_METERS_DIR"))
    guard result.errorCount == 0 else {
      for problem in result.problems where problem.severity == .error { complain(problem.text) }
      throw ExitCode(1)
    }
    let contactors = result.bindings.compactMap { if case .contactor(let binding) = $0 { binding } else { nil } }
    guard !contactors.isEmpty else {
      complain(
        "station relayd-config: \(directory): no PowerContactor has a driver of kind gpio, so there is nothing for station-relayd to hold"
      )
      throw ExitCode(1)
    }
    put(Array(RelayConfiguration(contactors).text.utf8))
  }
}
