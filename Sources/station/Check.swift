import ArgumentParser
import DeviceModel
import Glibc

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a folder of device-model files and report all problems at once.",
    discussion: """
      Prints one line per problem: file:line:column: what is wrong; what was expected; did you mean. Exit code 0 when a station \
      starts with this folder (there may be warnings), 1 when it does not.
      """)

  @Argument(help: "The folder: standardized/ and custom/.")
  var directory: String
  @Option(help: "JSON file of factory values to apply.")
  var overrides: String?
  @Option(help: "Factory value 'Component/Variable=value' to apply; may be repeated.")
  var set: [String] = []
  @Option(
    help: ArgumentHelp(
      "Folder with the meter models that drivers name. (default: STATION_METERS_DIR, else meters/ in the folder, meters/ beside it, "
        + "\(MeterLibrary.installed))"))
  var metersDir: String?
  @Flag(help: "Print the report as one JSON object.")
  var json = false

  func run() throws {
    let report = DeviceModel.check(
      directory: directory, overridesFile: overrides, settings: set,
      metersDirectory: metersDir ?? environmentVariable("STATION_METERS_DIR"))
    put(json ? report.json + [0x0A] : Array(report.text.utf8))
    if report.exitCode != 0 { throw ExitCode(report.exitCode) }
  }
}

/// Writes bytes on standard output.
func put(_ bytes: [UInt8]) {
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes {
      write(STDOUT_FILENO, $0.baseAddress?.advanced(by: written), $0.count - written)
    }
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return }
    written += count
  }
}

func putLine(_ line: [UInt8]) { put(line + [0x0A]) }
