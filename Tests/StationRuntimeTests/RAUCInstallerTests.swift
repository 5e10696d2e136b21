import NIOCore
import StationCore
import Testing

@testable import StationRuntime

/// What RAUC 1.8 says, word by word; Tests/Conformance/test_l_rauc.py has it said by a real one.
@Suite("RAUC's command line")
struct RAUCInstallerTests {
  private let rauc = RAUCInstaller()

  /// Two slots of which the first is booted, after an installation into the second.
  private static let status =
    #"{"compatible":"station","variant":"","booted":"A","boot_primary":"rootfs.1","slots":[{"rootfs.1":{"class":"rootfs","device":"/slotB.img","type":"raw","bootname":"B","state":"inactive","parent":null,"mountpoint":null,"boot_status":"bad","slot_status":{"bundle":{"compatible":"station","version":"2.0.0"},"checksum":{"sha256":"649769a8","size":4194304},"installed":{"timestamp":"2026-11-27T17:26:35Z","count":1},"activated":{"timestamp":"2026-11-27T17:26:35Z","count":1},"status":"ok"}}},{"rootfs.0":{"class":"rootfs","device":"/slotA.img","type":"raw","bootname":"A","state":"booted","parent":null,"mountpoint":null,"boot_status":"good","slot_status":{"bundle":{"compatible":null}}}}]}"#

  @Test func commands() {
    #expect(rauc.commands(for: .install(file: "f")) { "/t/" + $0 }.map(\.arguments) == [["install", "/t/f"]])
    #expect(rauc.commands(for: .rollBack) { $0 }.map(\.arguments) == [["status", "mark-bad"], ["reboot"]])
    // What `install` has made the next one is so no longer.
    #expect(rauc.commands(for: .keep) { $0 }.map(\.arguments) == [["status", "mark-active", "booted"]])
    #expect(rauc.reply(to: .keep, exitCode: 0, lines: []) == .done)
    #expect(rauc.progress(" 40% Copying image to rootfs.1") == 40)
    #expect(rauc.progress("installing") == nil && rauc.progress("x% y") == nil)
  }

  /// A boot status of "good" means that a slot may be tried again: what was marked good is not told by it.
  @Test func whatRuns() {
    let first = RunningFirmware(version: "", slot: "A", isGood: false)
    let message = "rauc-Message: 20:27:34.505: Using central status file /data/rauc.status"
    #expect(rauc.reply(to: .state, exitCode: 0, lines: [message, Self.status]) == .state(first))
    let booted = Self.status.replacing(#""booted":"A""#, with: #""booted":"B""#)
      .replacing(#""bootname":"B","state":"inactive""#, with: #""bootname":"B","state":"booted""#)
      .replacing(#""bootname":"A","state":"booted""#, with: #""bootname":"A","state":"inactive""#)
    let second = RunningFirmware(version: "2.0.0", slot: "B", isGood: false)
    #expect(rauc.reply(to: .state, exitCode: 0, lines: [booted]) == .state(second))
  }

  /// Nothing, started from elsewhere, and a service that does not know it.
  @Test(arguments: [
    "{}",
    status.replacing(#""booted":"A""#, with: #""booted":"_external_""#).replacing(
      #""booted","parent"#, with: #""inactive","parent"#),
    #"Error retrieving slot status via D-Bus: error calling D-Bus method "GetSlotStatus": Failed to determine slot states: Bootname or device of booted slot not found"#,
  ]) func whatRunsIsNotSaid(_ line: String) {
    guard case .failed = rauc.reply(to: .state, exitCode: line.hasPrefix("{") ? 0 : 1, lines: [line]) else {
      Issue.record("no failure")
      return
    }
  }

  @Test func installed() {
    // The answer of the service may come before "idle", and after.
    for lines in [["idle", "Installing `/f` succeeded"], ["Installing `/f` succeeded"]] {
      #expect(rauc.reply(to: .install(file: "f"), exitCode: 0, lines: lines) == .restartNeeded)
    }
  }

  @Test(arguments: [
    "signature verification failed: Verify error: unable to get local issuer certificate",
    "signature verification failed: error:1700009E:CMS routines::verification failure",
    "Installation error: Compatible mismatch: Expected 'station' but bundle manifest has 'other'",
    "Invalid bundle format: Signature size (14144677418785671013) exceeds bundle size",
    "Invalid bundle format: Failed to seek to end of bundle: Error seeking in file: Invalid argument",
    "Bundle format 'plain' not allowed",
    "Installation error: No target slot for class appfs of image rootfs.img found",
    "Installation error: Bundle rejected: Hook returned: too old",
  ]) func noBundleForThisMachine(_ text: String) {
    for lines in [
      ["LastError: \(text)", "idle", "Installing `/f` failed"], ["LastError: \(text)", "Installing `/f` failed"],
    ] {
      #expect(rauc.reply(to: .install(file: "f"), exitCode: 1, lines: lines) == .invalid("LastError: \(text)"))
    }
  }

  /// The machine's fault, and none of the bundle.
  @Test(arguments: [
    [
      "LastError: failed to load CA file '/etc/rauc/ca.pem' and/or directory '(null)'", "idle",
      "Installing `/f` failed",
    ],
    [
      "LastError: Installation error: Failed updating slot rootfs.1: Failed splicing data: Error writing to file descriptor: No space left on device",
      "Installing `/f` failed",
    ],
    [
      "LastError: Failed mounting bundle: Failed to open /dev/mapper/control: No such device", "idle",
      "Installing `/f` failed",
    ],
    ["LastError: Bootname or device of booted slot not found", "idle", "Installing `/f` failed"],
    ["RAUC service disappeared", "D-Bus error while installing `/signature/f`"],
    ["No such file: /invalid bundle/f"], [],
  ]) func failed(_ lines: [String]) {
    guard case .failed(let text) = rauc.reply(to: .install(file: "f"), exitCode: 1, lines: lines) else {
      Issue.record("no failure")
      return
    }
    #expect(text.hasSuffix(lines.first { $0.hasPrefix("LastError") } ?? lines.last ?? "nothing was said"))
  }

  /// A station that starts again while RAUC's service installs for the one before waits for it; but not to learn what runs.
  @Test(arguments: [
    (InstallerRequest.keep, true), (.install(file: "f"), true), (.markGood, true), (.state, false),
  ])
  func busy(_ request: InstallerRequest, waits: Bool) async throws {
    let world = ChildProcessTests.World()
    let program = world.program(
      """
      echo >>"$STATION_DATA_DIR/g"
      [ "$(wc -l <"$STATION_DATA_DIR/g")" -gt 2 ] && exit 0
      echo "(rauc:1): rauc-WARNING **: 20:29:17.789: already processing a different method" >&2
      echo 'Error retrieving slot status via D-Bus: error calling D-Bus method "GetSlotStatus": already processing a different method'
      exit 1
      """)
    let path = world.path
    let reply = try await world.onLoop { loop, promise in
      let desk = InstallerDesk("rauc:" + program, dataDirectory: path, on: loop, busyInterval: .milliseconds(5)) {
        _, _ in
      }
      desk.carryOut(request) { reply in
        promise.succeed(reply)
        _ = desk
      }
    }
    if case .failed = reply {
      #expect(!waits)
    } else {
      #expect(waits)
    }
  }

  /// Nobody else is served while it waits; ended then, it asks no more.
  @Test func endedWhileItWaits() async throws {
    let world = ChildProcessTests.World()
    let program = world.program(#"echo Already processing a different method; echo >>"$STATION_DATA_DIR/g"; exit 2"#)
    let path = world.path
    let busy: InstallerReply = try await world.onLoop { loop, promise in
      let desk = InstallerDesk("rauc:" + program, dataDirectory: path, on: loop, busyInterval: .milliseconds(400)) {
        _, _ in
      }
      desk.carryOut(.keep) { _ in Issue.record("it told") }
      loop.assumeIsolated().scheduleTask(in: .milliseconds(200)) {
        desk.carryOut(.markGood) { reply in
          desk.close()
          loop.assumeIsolated().scheduleTask(in: .milliseconds(600)) { promise.succeed(reply) }
        }
      }
    }
    #expect(busy == .failed("the installer is busy"))
    #expect(readFile(path + "/g", limit: 10)?.count ?? 0 <= 1)
  }
}
