import DeviceModel
import StationCore

/// The core as the world drives it: the real one, or one with a seeded bug.
public protocol StationHandle {
  mutating func handle(_ input: Input, at now: StationTime) -> [Action]
  var snapshot: StationSnapshot { get }
  var model: DeviceModel { get }
  var securityLog: SecurityLog { get }
}

extension Station: StationHandle {}
