import NIOCore
import OCPP
import StationCore

/// What installs firmware: how a request becomes a command line, and its end an answer.
protocol InstallerBackend {
  /// One after the other; the answer is that of the last, or of the first that does not end with 0.
  func commands(for request: InstallerRequest, file: (String) -> String) -> [InstallerCommand]
  /// Percent, where the line says so.
  func progress(_ line: String) -> Int?
  func reply(to request: InstallerRequest, exitCode: Int32, lines: [String]) -> InstallerReply
  /// A command that failed with these lines was not begun: the installer is at work for somebody else. It is asked for again.
  func isBusy(_ lines: [String]) -> Bool
}

extension InstallerBackend {
  func isBusy(_ lines: [String]) -> Bool { false }
}

struct InstallerCommand {
  var program: String
  var arguments: [String]
}

extension InstallerRequest {
  var timeLimit: TimeAmount {
    switch self {
    case .state: .seconds(10)
    case .install: .hours(2)
    case .activate, .markGood, .rollBack, .keep: .minutes(2)
    }
  }
}

/// A program with one argument or two: the protocol of `Packaging/firmware/README.md`.
struct ScriptInstaller: InstallerBackend {
  var program: String

  func commands(for request: InstallerRequest, file: (String) -> String) -> [InstallerCommand] {
    let arguments: [String] =
      switch request {
      case .state: ["state"]
      case .install(let name): ["install", file(name)]
      case .activate: ["activate"]
      case .markGood: ["mark-good"]
      case .rollBack: ["roll-back"]
      case .keep: ["keep"]
      }
    return [InstallerCommand(program: program, arguments: arguments)]
  }

  func progress(_ line: String) -> Int? {
    (try? JSONValue.parse(line))?["progress"]?.intValue.flatMap { (0...100).contains($0) ? $0 : nil }
  }

  func reply(to request: InstallerRequest, exitCode: Int32, lines: [String]) -> InstallerReply {
    let objects = lines.compactMap { try? JSONValue.parse($0) }
    let text = objects.compactMap { $0["error"]?.stringValue }.last ?? lines.last ?? "nothing was said"
    switch exitCode {
    case 0:
      guard request == .state else { return .done }
      guard let state = objects.last(where: { $0["version"] != nil }), let version = state["version"]?.stringValue,
        let isGood = state["good"]?.boolValue
      else { return .failed("state: expected a line {\"version\":\"..\",\"slot\":\"..\",\"good\":true}") }
      return .state(RunningFirmware(version: version, slot: state["slot"]?.stringValue ?? "", isGood: isGood))
    case 10 where ![.state, .markGood, .keep].contains(request): return .restartNeeded
    case 20: if case .install = request { return .invalid(text) }
    default: break
    }
    return .failed("exit code \(exitCode): \(text)")
  }
}

/// RAUC (https://rauc.io) by its command line: A/B slots, chosen by the boot loader.
struct RAUCInstaller: InstallerBackend {
  var program = "/usr/bin/rauc"
  var reboot = InstallerCommand(program: "/usr/bin/systemctl", arguments: ["reboot"])

  func commands(for request: InstallerRequest, file: (String) -> String) -> [InstallerCommand] {
    func rauc(_ arguments: String...) -> InstallerCommand { InstallerCommand(program: program, arguments: arguments) }
    return switch request {
    case .state: [rauc("status", "--detailed", "--output-format=json")]
    case .install(let name): [rauc("install", file(name))]
    case .activate: [reboot]
    case .markGood: [rauc("status", "mark-good")]
    case .rollBack: [rauc("status", "mark-bad"), reboot]
    // `install` has made the new slot the one that boots next.
    case .keep: [rauc("status", "mark-active", "booted")]
    }
  }

  /// ` 40% Copying image to rootfs.1`
  func progress(_ line: String) -> Int? {
    let line = line.drop { $0 == " " }
    guard let sign = line.firstIndex(of: "%") else { return nil }
    return Int(line[..<sign]).flatMap { (0...100).contains($0) ? $0 : nil }
  }

  func reply(to request: InstallerRequest, exitCode: Int32, lines: [String]) -> InstallerReply {
    guard exitCode == 0 else {
      let verdict = lines.last { $0.hasPrefix("LastError: ") }
      if case .install = request, let verdict, Self.refusals.contains(where: { verdict.lowercased().contains($0) }) {
        return .invalid(verdict)
      }
      return .failed("exit code \(exitCode): \(verdict ?? lines.last ?? "nothing was said")")
    }
    switch request {
    case .state: return state(lines)
    case .install: return .restartNeeded
    case .activate, .markGood, .rollBack, .keep: return .done
    }
  }

  /// What ends is `rauc`, not the service that installs: it goes on, and answers nothing meanwhile.
  func isBusy(_ lines: [String]) -> Bool {
    lines.contains { $0.lowercased().contains("already processing a different method") }
  }

  /// What RAUC says of a bundle that is not one for this machine.
  private static let refusals = [
    "signature", "invalid bundle", "bundle format", "compatible mismatch", "bundle rejected", "no target slot",
  ]

  private func state(_ lines: [String]) -> InstallerReply {
    for line in lines.reversed() {
      guard let value = try? JSONValue.parse(line), let booted = value["booted"]?.stringValue else { continue }
      for entry in value["slots"]?.arrayValue ?? [] {
        guard let (name, slot) = entry.objectValue?.first.map({ ($0.name, $0.value) }),
          slot["state"]?.stringValue == "booted" || slot["bootname"]?.stringValue == booted || name == booted
        else { continue }
        // `boot_status` tells whether it may be tried again, not whether it was marked good: boot loaders count the starts of
        // every slot, and take `mark-good` as the end of one. So each start needs it.
        return .state(
          RunningFirmware(
            version: slot["slot_status"]?["bundle"]?["version"]?.stringValue ?? "",
            slot: slot["bootname"]?.stringValue ?? name, isGood: false))
      }
    }
    return .failed("rauc status does not say which slot is booted")
  }
}
