import ArgumentParser

// `station run` replaces this process by `stationd`. That path does not go through the argument parser, which costs more than
// everything else that it does; whatever is not plain options with values (--help, a typing mistake) takes the long way.
let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "run", let options = RunArguments(arguments.dropFirst()) {
  options.execute()
}
// `station ctl --control-socket PATH plug-in` reads better than the parser's order; both are taken.
StationCommand.main(Ctl.withSocketOptionLast(arguments))
