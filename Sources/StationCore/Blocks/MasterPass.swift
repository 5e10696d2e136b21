import DeviceModel
import OCPP

/// C16: a master pass stops transactions and starts none. Where the station has a UI with input (component UIInput,
/// enabled), the person selects which; otherwise it stops all.
struct MasterPass: Sendable {
  var token: IdTokenType
  /// Monotonic time at which the station goes back to normal operation without a selection.
  var until: Int64

  /// Time for the selection, milliseconds.
  static let selectionTime: Int64 = 60_000
}

extension Station {
  func isMasterPass(_ group: IdTokenType?) -> Bool {
    guard let group, let master = text(Setting.masterPassGroupId) else { return false }
    return group.idToken.lowercased() == master.lowercased()
  }

  private var hasInput: Bool { flag(Setting.uiInputEnabled, default: false) }

  mutating func masterPassAccepted(_ token: IdTokenType) {
    guard hasInput else { return stopByMasterPass(token, at: Array(evses.indices)) }
    authorization.masterPass = MasterPass(token: token, until: now.monotonic + MasterPass.selectionTime)
    startTimer(.masterPass, after: MasterPass.selectionTime)
    log(.notice, "master pass: select what to stop")
    showMasterPass()
  }

  /// Somebody has selected at the UI: these EVSEs, or all (`nil`); none closes it.
  mutating func selectionMade(_ selected: [Int]?) {
    guard let pass = authorization.masterPass, now.monotonic <= pass.until else {
      log(.info, "selection ignored: the UI offers none")
      return
    }
    closeMasterPass()
    let chosen = selected ?? evses.map(\.id)
    stopByMasterPass(pass.token, at: evses.indices.filter { chosen.contains(evses[$0].id) })
  }

  mutating func masterPassTimedOut() {
    guard authorization.masterPass != nil else { return }
    log(.info, "master pass: no selection")
    closeMasterPass()
  }

  private mutating func closeMasterPass() {
    authorization.masterPass = nil
    stopTimer(.masterPass)
    showMasterPass()
  }

  private mutating func stopByMasterPass(_ token: IdTokenType, at indices: [Int]) {
    for index in indices where evses[index].transaction != nil {
      deauthorize(at: index, trigger: .stopAuthorized, reason: .masterPass, idToken: token)
    }
  }

  /// Who draws the UI learns what there is to select.
  private mutating func showMasterPass() {
    let open = authorization.masterPass == nil ? [] : evses.filter { $0.transaction != nil && $0.ending == nil }
    emit(
      .event(
        StationEvent(
          event: "display",
          fields: [
            JSONMember(name: "masterPass", value: .bool(authorization.masterPass != nil)),
            JSONMember(name: "evses", value: .array(open.map { .int($0.id) })),
          ])))
  }
}

extension TimerID {
  static let masterPass = TimerID("masterPass")
}
