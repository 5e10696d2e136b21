import Glibc
import SimulatedWorld

/// `simulate`: runs simulated worlds and says what they went through. See `Scripts/simulate --help`.

let arguments: Arguments
do {
  arguments = try Arguments(Array(CommandLine.arguments.dropFirst()))
} catch {
  complain("simulate: \(error.text)\n\n\(Arguments.help)")
  exit(2)
}
if arguments.showsHelp {
  print(Arguments.help)
  exit(0)
}

let simulation: Simulation
do {
  simulation = try Simulation(deviceModels: arguments.models)
} catch {
  complain("simulate: \(error.text)")
  exit(2)
}
let code = Campaign(arguments, simulation).run()
fflush(nil)
exit(code)
