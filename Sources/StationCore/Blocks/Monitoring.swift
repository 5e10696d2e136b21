import DeviceModel
import OCPP

/// Functional block N, monitoring (N02-N08): the monitors, by id and by variable. Settings, reports and events are in
/// files beside it.
///
/// Ids stay the same across restarts. Those of the component files' monitors are made of what they are, from `factoryIDs`
/// on, so that they survive a change of the files elsewhere; those that the CSMS sets count up from 1 and are not used
/// twice.
struct Monitoring: Sendable {
  /// What the component files bring.
  let factory: [Monitor]
  /// The monitors that there are: of the component files first, in their order, then by age.
  private(set) var monitors: [Monitor] = []
  var base: MonitoringBaseEnumType
  /// Events of monitors with a larger severity number are not told (N05.FR.03).
  var level: Int
  private(set) var nextID: Int
  /// Preconfigured monitors that the CSMS has cleared.
  private(set) var cleared: Set<Int> = []
  private var positions: [Int: Int] = [:]
  private var byVariable: [VariableHandle: [Int]] = [:]
  /// Positions of the periodic monitors, and of those of transactions.
  private(set) var periodic: [Int] = []
  private(set) var transactional: [Int] = []

  /// Events that this input has brought, not yet in a message.
  var pending: [EventDataType] = []
  /// What the CSMS heard at the end of the last input.
  var heard: Hearing?
  /// All values are to be looked at again: the CSMS may hear more now.
  var mustLook = false
  /// The transaction of each EVSE when the monitors of transactions were last looked at.
  var transactions: [String?] = []
  /// For when the timer of the periodic monitors is set.
  var timerAt: Int64?
  /// Thresholds that are within their limits again, which the ledger does not know yet.
  var unstored: Set<Int> = []

  static let factoryIDs = 1_000_000
  /// The most monitors where ActiveMonitors does not say, and that there ever are.
  static let defaultLimit = 1024
  static let greatestLimit = 10_000
  /// Events of one NotifyEvent, and about how many bytes of them.
  static let eventsPerMessage = 50
  static let bytesPerMessage = 32 << 10
  /// Intervals of periodic monitors, seconds.
  static let shortestInterval: Int64 = 1
  static let longestInterval: Int64 = 31_536_000
  /// Intervals aligned on the clock, seconds.
  static let longestAligned: Int64 = 86_400
  /// How long a threshold must have been within its limits until the ledger is told, milliseconds: a value that flaps
  /// around it does not wear the flash.
  static let storeAfter: Int64 = 60_000

  /// Where the ledger says nothing, base and level are as the component files say, else All and 9.
  init(_ model: DeviceModel, state: [UInt8]?, records: [String: [UInt8]]) {
    func value(_ address: VariableAddress) -> String? { model.value(address.component, address.variable) }
    let base = value(Setting.activeMonitoringBase)
    let level = value(Setting.activeMonitoringLevel).flatMap { Int($0) }.flatMap { (0...9).contains($0) ? $0 : nil }
    factory = Self.factoryMonitors(of: model)
    let state = state.flatMap { try? JSONValue.parse($0) }
    self.base = (state?["base"]?.stringValue ?? base).flatMap { MonitoringBaseEnumType(rawValue: $0) } ?? .all
    self.level = state?["level"]?.intValue ?? level ?? 9
    nextID = max(1, state?["nextID"]?.intValue ?? 1)
    restore(records, model)
  }

  /// Base, level and the next id, as the ledger keeps them.
  var state: JSONValue {
    .members(["base": .string(base.rawValue), "level": .int(level), "nextID": .int(nextID)])
  }

  func monitor(_ id: Int) -> Monitor? { positions[id].map { monitors[$0] } }

  func positions(of variable: VariableHandle) -> [Int] { byVariable[variable] ?? [] }

  func position(of id: Int) -> Int? { positions[id] }

  /// Another monitor of this type and severity on the variable (N04.FR.10).
  func hasTwin(_ variable: VariableHandle, _ type: MonitorEnumType, _ severity: Int, except id: Int?) -> Bool {
    positions(of: variable).contains {
      monitors[$0].type == type && monitors[$0].severity == severity && monitors[$0].id != id
    }
  }

  // MARK: Changing

  mutating func update(_ position: Int, _ change: (inout Monitor) -> Void) { change(&monitors[position]) }

  mutating func takeID() -> Int {
    while positions[nextID] != nil || nextID >= Self.factoryIDs { nextID = nextID >= Self.factoryIDs ? 1 : nextID + 1 }
    defer { nextID += 1 }
    return nextID
  }

  /// Adds the monitor, or puts it in the place of the one with its id.
  mutating func put(_ monitor: Monitor) {
    cleared.remove(monitor.id)
    guard let position = positions[monitor.id] else {
      monitors.append(monitor)
      return index(monitors.count - 1)
    }
    monitors[position] = monitor
    index()
  }

  /// Removes monitors; one of the component files stays away until a SetMonitoringBase brings it back.
  mutating func clear(_ ids: Set<Int>) {
    monitors.removeAll { ids.contains($0.id) }
    cleared.formUnion(factory.lazy.map(\.id).filter { ids.contains($0) })
    unstored.subtract(ids)
    index()
  }

  /// N03.FR.03-05.
  mutating func apply(_ base: MonitoringBaseEnumType) {
    self.base = base
    let before = Dictionary(uniqueKeysWithValues: monitors.map { ($0.id, $0) })
    let kept = base == .all ? monitors.filter { $0.kind == .custom } : []
    let overruled = Set(kept.map(\.id))
    cleared = []
    let fixed = factory.filter { base != .hardWiredOnly || $0.kind == .hardWired }
    monitors =
      fixed.compactMap { monitor in
        if overruled.contains(monitor.id) { return nil }
        // One that was active goes on with what it has seen.
        return before[monitor.id].flatMap { $0.kind == monitor.kind ? $0 : nil } ?? monitor
      } + kept
    unstored.formIntersection(monitors.map(\.id))
    index()
  }

  private mutating func index() {
    positions = [:]
    byVariable = [:]
    periodic = []
    transactional = []
    for position in monitors.indices { index(position) }
  }

  private mutating func index(_ position: Int) {
    let monitor = monitors[position]
    positions[monitor.id] = position
    byVariable[monitor.variable, default: []].append(position)
    if monitor.isPeriodic { periodic.append(position) }
    if monitor.transaction { transactional.append(position) }
  }

  /// What a change has replaced, to take it back.
  struct Undo: Sendable {
    fileprivate var monitors: [(id: Int, before: Monitor?)]
    fileprivate var cleared: Set<Int>
    fileprivate var base: MonitoringBaseEnumType
    fileprivate var level: Int
  }

  /// What leads from here back to `before`.
  func undo(to before: Monitoring) -> Undo {
    var changed: [(id: Int, before: Monitor?)] = []
    for monitor in before.monitors where self.monitor(monitor.id) != monitor { changed.append((monitor.id, monitor)) }
    for monitor in monitors where before.positions[monitor.id] == nil { changed.append((monitor.id, nil)) }
    return Undo(monitors: changed, cleared: before.cleared, base: before.base, level: before.level)
  }

  mutating func take(back undo: Undo) {
    clear(Set(undo.monitors.filter { $0.before == nil }.map(\.id)))
    for (_, before) in undo.monitors {
      if let before { put(before) }
    }
    cleared = undo.cleared
    base = undo.base
    level = undo.level
  }

  // MARK: Ledger

  /// What the ledger keeps of an id.
  func record(_ key: String, in model: DeviceModel) -> [UInt8]? {
    guard let id = Int(key) else { return nil }
    if cleared.contains(id) { return JSONValue.members(["cleared": .bool(true)]).bytes }
    return monitor(id)?.record(in: model)?.bytes
  }

  /// Ids of which the ledger keeps something.
  func recordedIDs(in model: DeviceModel) -> Set<Int> {
    cleared.union(monitors.filter { $0.record(in: model) != nil }.map(\.id))
  }

  private mutating func restore(_ records: [String: [UInt8]], _ model: DeviceModel) {
    var custom: [Monitor] = []
    var exceeded: Set<Int> = []
    for (key, bytes) in records {
      guard let id = Int(key), let record = try? JSONValue.parse(bytes) else { continue }
      if record["cleared"]?.boolValue == true { cleared.insert(id) }
      if record["exceeded"]?.boolValue == true { exceeded.insert(id) }
      if let monitor = Self.custom(id, record, model) { custom.append(monitor) }
    }
    let overruled = Set(custom.map(\.id))
    cleared.formIntersection(factory.filter { $0.kind == .preconfigured }.map(\.id))
    monitors = factory.filter { monitor in
      !cleared.contains(monitor.id) && !overruled.contains(monitor.id)
        && (base != .hardWiredOnly || monitor.kind == .hardWired)
    }
    monitors += custom.sorted { $0.id < $1.id }
    for position in monitors.indices where exceeded.contains(monitors[position].id) {
      monitors[position].isExceeded = monitors[position].isThreshold
      monitors[position].isStoredExceeded = true
    }
    index()
  }

  /// `nil` for what is no custom monitor, or one whose variable has gone, or can no longer have it (N04, remark).
  private static func custom(_ id: Int, _ record: JSONValue, _ model: DeviceModel) -> Monitor? {
    guard let key = record["variable"]?.stringValue, let address = try? VariableAddress(parsing: key),
      let variable = model.variableHandle(address.component, address.variable),
      let type = record["type"]?.stringValue.flatMap({ MonitorEnumType(rawValue: $0) }),
      case .number(let value)? = record["value"], let severity = record["severity"]?.intValue,
      model.canMonitor(variable, type)
    else { return nil }
    return Monitor(
      id: id, variable: variable, kind: .custom, type: type, value: value, severity: severity,
      transaction: record["transaction"]?.boolValue ?? false)
  }

  private static func factoryMonitors(of model: DeviceModel) -> [Monitor] {
    var taken: Set<Int> = []
    var result: [Monitor] = []
    for variable in model.variableHandles {
      for monitor in model.variable(variable).monitors where model.canMonitor(variable, monitor.type) {
        let kind: Monitor.Kind = monitor.configType == .hardWiredMonitor ? .hardWired : .preconfigured
        let key = "\(model.address(of: variable).persistentKey) \(monitor.type.rawValue) \(monitor.severity) \(kind)"
        var id = factoryIDs + Int(hash(key) % UInt64(Int32.max - Int32(factoryIDs)))
        while !taken.insert(id).inserted { id = id == Int(Int32.max) ? factoryIDs : id + 1 }
        result.append(
          Monitor(
            id: id, variable: variable, kind: kind, type: monitor.type, value: monitor.value,
            severity: monitor.severity, transaction: monitor.transaction))
      }
    }
    return result
  }

  /// FNV-1a.
  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}

extension DeviceModel {
  /// The variable may have a monitor of this type (N04.FR.05).
  func canMonitor(_ handle: VariableHandle, _ type: MonitorEnumType) -> Bool {
    let characteristics = variable(handle).characteristics
    return characteristics.supportsMonitoring && characteristics.dataType.allows(type) && actual(handle) != nil
  }
}

/// Whom the events of a severity reach: the CSMS at once, the outbox, or nobody.
struct Hearing: Hashable, Sendable {
  /// MonitoringCtrlr.Enabled.
  var isEnabled: Bool
  /// The monitoring level.
  var level: Int
  /// The CSMS is there and has accepted the station.
  var isDirect: Bool
  /// OfflineQueuingSeverity; -1 when nothing is queued.
  var queued: Int
  /// QueueAllMessages: everything goes through the outbox.
  var queuesAll: Bool

  func reaches(_ severity: Int) -> Bool {
    isEnabled && severity <= level && (isDirect || queuesAll || severity <= queued)
  }

  /// It is kept until it is delivered.
  func keeps(_ severity: Int) -> Bool { queuesAll || severity <= queued }
}
