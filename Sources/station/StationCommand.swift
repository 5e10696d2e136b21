import ArgumentParser

struct StationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "station",
    abstract: "Software of an EV charging station (OCPP 2.0.1).",
    discussion: """
      A station is a folder of device-model files, a data directory and a CSMS:

        station check DeviceModel/ac-two-evse
        station run --config-dir DeviceModel/ac-two-evse --data-dir data --csms-url ws://127.0.0.1:9000
        station ctl --control-socket data/control.sock plug-in --evse 1
      """,
    version: "station 0.1.0",
    subcommands: [
      Run.self, Ctl.self, Check.self, CertsCommand.self, ReplayCommand.self, MeterCommand.self, RelaydConfig.self,
      SecurityLogCommand.self,
    ])
}
