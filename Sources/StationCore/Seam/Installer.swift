/// Firmware installation as the core sees it. How an image gets onto the machine, what boots next and what runs is the business
/// of a program beside the station (`Packaging/firmware`), the installer; the core decides when, and what the CSMS hears.

/// What runs, as the installer says.
public struct RunningFirmware: Hashable, Sendable {
  public var version: String
  /// What tells two installations apart that have the same version: a boot slot, a directory. May be empty.
  public var slot: String
  /// It was marked good and boots from now on. Otherwise, also where the installer cannot tell, the machine would fall back to
  /// the one before unless it is marked good.
  public var isGood: Bool

  public init(version: String, slot: String = "", isGood: Bool = true) {
    self.version = version
    self.slot = slot
    self.isGood = isGood
  }

  func isSame(as other: RunningFirmware) -> Bool { version == other.version && slot == other.slot }
}

/// Answered by one `Input.installer` of the same id that is not `progress`. The core asks one at a time.
public enum InstallerRequest: Hashable, Sendable {
  /// What runs? Answers `state`.
  case state
  /// Installs the file of the directory `transfers`, so that what runs stays bootable. Answers `done` when it is in force
  /// already, `restartNeeded` when `activate` puts it in force, `invalid` when the image is not one for this machine, `failed`.
  case install(file: String)
  /// Puts what was installed in force at the next start. Answers `done`, the machine goes down by itself in
  /// `FirmwareManagement.goingDownTime`, or `restartNeeded`, the station's process is to start again; or `failed`.
  case activate
  /// What runs boots from now on. Answers `done` or `failed`.
  case markGood
  /// What ran before boots again. Answers as `activate`.
  case rollBack
  /// What runs boots at the next start too: what was installed beside it, or half installed, is never put in force. Answers
  /// `done` or `failed`.
  case keep
}

public enum InstallerReply: Hashable, Sendable {
  /// Percent.
  case progress(Int)
  case state(RunningFirmware)
  case done
  case restartNeeded
  case invalid(String)
  case failed(String)
}
