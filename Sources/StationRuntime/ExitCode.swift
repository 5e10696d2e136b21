/// The exit codes of `stationd`.
public enum ExitCode: Int32, Hashable, Sendable, CaseIterable {
  /// Stopped by SIGTERM or SIGINT, or ended to be restarted by its supervisor (`--supervised`).
  case success = 0
  /// Something that must not happen did; the log says what.
  case runtimeFailure = 1
  /// An option, the device-model folder or a file named by an option is wrong. Nothing was opened.
  case configuration = 2
  /// The data directory cannot be used: locked, read-only, full, damaged. Nothing was overwritten.
  case dataDirectory = 3
  /// The control socket cannot be opened.
  case controlSocket = 4
  /// The disk of the data directory does not answer while the station runs.
  case storageStalled = 5
}
