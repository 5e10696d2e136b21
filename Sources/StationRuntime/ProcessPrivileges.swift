import CProcess
import Glibc

/// What the process gives up before it does anything else. `Packaging/systemd/station.service` asks for the same and more; this
/// holds where no unit does.
enum ProcessPrivileges {
  /// When it is set, the process may be debugged and dumps core: for a developer, a sanitizer, valgrind.
  static let debugVariable = "STATION_DEBUGGABLE"

  /// What a relayd that the station starts itself asks for (real time, locked memory), and root's way to files of others,
  /// which a station run by root may have been given.
  private static let kept: UInt64 =
    1 << PROCESS_CAP_SYS_NICE | 1 << PROCESS_CAP_IPC_LOCK | 1 << PROCESS_CAP_DAC_OVERRIDE

  /// Files are the owner's only; no new privileges for child processes; no core dump, in which passwords and keys would be;
  /// no capabilities beyond what children need.
  /// - Returns: what could not be given up: one line each. The station runs all the same.
  static func drop() -> [String] {
    umask(0o077)
    var problems: [String] = []
    func note(_ what: String, _ code: CInt) {
      if code != 0 { problems.append("\(what): \(String(cString: strerror(code)))") }
    }
    note("new privileges are not ruled out", process_no_new_privileges())
    if getenv(debugVariable) == nil {
      var none = rlimit(rlim_cur: 0, rlim_max: 0)
      let resource = __rlimit_resource_t(UInt32(RLIMIT_CORE.rawValue))
      note("core dumps are not limited", setrlimit(resource, &none) == 0 ? 0 : errno)
      note("core dumps are not ruled out", process_no_dumps())
    }
    note("capabilities are not given up", process_keep_capabilities(kept))
    return problems
  }
}
