import ArgumentParser

/// The long way to `RunArguments`: for its help and its error messages.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the station until it is stopped.",
    discussion: """
      Becomes stationd, with the same process id. The log goes to standard error. SIGTERM and SIGINT stop it in an orderly way \
      within 5 seconds.

      Every option can also be given as an environment variable: STATION_CONFIG_DIR for --config-dir, and so on; STATION_SET \
      holds one setting per line. The command line wins.

      Values of the device model, lowest first: component files, --overrides, --set and the options below, values that were \
      changed at run time.

      Exit codes: 0 stopped, 1 failure at run time, 2 configuration, 3 data directory, 4 control socket, 5 the disk does not answer.
      """)

  @Option(help: "Directory of the component files: standardized/ and custom/. Required.")
  var configDir: String?

  @Option(help: "Directory of what survives a restart; created when missing. Required.")
  var dataDir: String?

  @Option(help: "Directory of certificates and keys. (default: certs in the data directory)")
  var certsDir: String?

  @Option(
    help:
      "Password of encrypted keys, or PIN of the token. Others can see it for a moment: better STATION_KEY_PASSWORD or --key-password-file."
  )
  var keyPassword: String?

  @Option(help: "File whose first line is that password, for instance a credential of the service manager.")
  var keyPasswordFile: String?

  @Option(help: "Unix socket for `station ctl`. (default: control.sock in the data directory)")
  var controlSocket: String?

  @Option(
    help:
      "Endpoint of the CSMS, ws://host:port[/path]; the station id is appended. (default: the network profiles of the device model)"
  )
  var csmsUrl: String?

  @Option(help: "Identity towards the CSMS. (default: SecurityCtrlr.Identity or InternalCtrlr.ChargePointId)")
  var stationId: String?

  @Option(help: "The only OCPP version to offer: ocpp2.0.1.")
  var ocppVersion: String?

  @Option(help: "JSON file of factory values: [{\"component\", \"evse\"?, \"variable\", \"value\", ...}].")
  var overrides: String?

  @Option(help: "Factory value 'Component/Variable=value', e.g. TxCtrlr/EVConnectionTimeOut=10; may be repeated.")
  var set: [String] = []

  @Option(help: "trace, debug, info, notice, warning or error. (default: info)")
  var logLevel: String?

  @Option(help: "File to append every OCPP frame to, as JSON lines.")
  var messageLog: String?

  @Option(help: "File to record all inputs in, for `station replay`; the one before stays as FILE.previous.")
  var journal: String?

  @Option(help: "How many times as fast as real time the station's clock runs, 1 to 10000. (default: 1)")
  var timeScale: String?

  @Option(
    help:
      "Whether cables and EVs of the simulated hardware are there again after a restart: keep or fresh. (default: fresh)"
  )
  var simulationState: String?

  @Option(help: "Directory of meter models. (default: meters in or beside the config directory)")
  var metersDir: String?

  @Option(
    help:
      "Program that holds the power lines of GPIO contactors, or socket:PATH of one that runs by itself. (default: station-relayd beside station)"
  )
  var relayd: String?

  @Option(help: "Program that up- and downloads files. (default: station-transfer beside station)")
  var transfer: String?

  @Option(
    help:
      "Program that installs firmware (Packaging/firmware), or rauc, or rauc:PATH. (default: firmware is not updated)")
  var installer: String?

  @Flag(help: "A restart ends the process with exit code 0, for its supervisor to start it again.")
  var supervised = false

  func run() {
    var arguments = RunArguments()
    arguments.set("config-dir", configDir)
    arguments.set("data-dir", dataDir)
    arguments.set("certs-dir", certsDir)
    arguments.set("key-password", keyPassword)
    arguments.set("key-password-file", keyPasswordFile)
    arguments.set("control-socket", controlSocket)
    arguments.set("csms-url", csmsUrl)
    arguments.set("station-id", stationId)
    arguments.set("ocpp-version", ocppVersion)
    arguments.set("overrides", overrides)
    for setting in set { arguments.set("set", setting) }
    arguments.set("log-level", logLevel)
    arguments.set("message-log", messageLog)
    arguments.set("journal", journal)
    arguments.set("time-scale", timeScale)
    arguments.set("simulation-state", simulationState)
    arguments.set("meters-dir", metersDir)
    arguments.set("relayd", relayd)
    arguments.set("transfer", transfer)
    arguments.set("installer", installer)
    arguments.set(supervised: supervised)
    arguments.execute()
  }
}
