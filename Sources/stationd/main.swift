import Glibc
import StationCore
import StationRuntime

// The long-running process. Started by `station run`, which resolves the options; see `RuntimeOptions` for their form and
// `ExitCode` for the exit codes.
let code = StationProcess.run(arguments: Array(CommandLine.arguments.dropFirst())) { start, now in
  Station(start, at: now)
}
exit(code.rawValue)
