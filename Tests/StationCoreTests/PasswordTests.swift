import OCPP
import StationCore
import Testing

@Suite("Passwords")
struct PasswordTests {
  static let old = "change-me-please-0001"
  static let new = "a-new-password-0002"

  /// A CSMS that takes one password; the link goes up or down by itself.
  private static func settle(_ bench: StationBench, accepting password: String, for seconds: Int64 = 60) -> Bool {
    let end = bench.now.monotonic + seconds * 1000
    while bench.now.monotonic < end {
      let request = bench.connectRequests.last
      if bench.station.snapshot.isConnected { return true }
      if request?.basicAuthPassword == password { bench.linkUp() } else { bench.linkDown(.httpStatus(401)) }
      bench.wait(seconds: 1)
    }
    return bench.station.snapshot.isConnected
  }

  private static func bench() -> StationBench { StationBench(NetworkProfileTests.settings, csmsURL: nil).boot() }

  @discardableResult
  private static func change(_ bench: StationBench, to password: String = new) -> String? {
    bench.setVariable("SecurityCtrlr", "BasicAuthPassword", password)
  }

  // Proves: A01.FR.01, A01.FR.02, A01.FR.12, TC_A_09_CS
  @Test func theNewPasswordIsUsedAtOnce() {
    let bench = Self.bench()
    let boots = bench.calls("BootNotification").count
    #expect(Self.change(bench) == "Accepted")
    #expect(bench.connectRequests.map(\.basicAuthPassword) == [Self.old, Self.new])
    // Durable before the answer, the answer before the new connection.
    let kinds = bench.actions.suffix(12).compactMap { action -> String? in
      switch action {
      case .commit(let writes):
        writes.contains { if case .put(.variable, _, let value) = $0 { value == Array(Self.new.utf8) } else { false } }
          ? "commit" : nil
      case .send(let frame): frame.starts(with: "[3,".utf8) ? "answer" : nil
      case .disconnect: "disconnect"
      case .connect: "connect"
      default: nil
      }
    }
    #expect(kinds == ["commit", "answer", "disconnect", "connect"])
    bench.linkUp()
    #expect(bench.calls("BootNotification").count == boots)
    #expect(bench.variable("SecurityCtrlr", "BasicAuthPassword") == nil)
    // The old one is over.
    bench.linkDown(.lost(""))
    #expect(!Self.settle(bench, accepting: Self.old))
    #expect(!bench.connectRequests.dropFirst().contains { $0.basicAuthPassword == Self.old })
  }

  // Proves: A00.FR.205, A01.FR.04, TC_A_10_CS
  @Test(arguments: [
    ("tooshort", "ValueTooLow"), (String(repeating: "x", count: 41), "ValueTooHigh"),
    ("seventeen characters", "InvalidValue"), ("p\u{e4}ssword-0123456789", "InvalidValue"),
  ])
  func anUnsuitablePasswordIsRejectedAndNotRepeated(password: String, reason: String) {
    let bench = Self.bench()
    let answer = bench.call(
      "SetVariables",
      [
        "setVariableData": [
          [
            "component": ["name": "SecurityCtrlr"], "variable": ["name": "BasicAuthPassword"],
            "attributeValue": .string(password),
          ]
        ]
      ])
    #expect(answer?.text("setVariableResult.0.attributeStatus") == "Rejected")
    #expect(answer?.text("setVariableResult.0.attributeStatusInfo.reasonCode") == reason)
    guard case .result(let payload)? = answer else { return }
    #expect(!payload.text.contains(password))
    #expect(bench.connectRequests.count == 1)
  }

  /// The CSMS sets a password and then refuses it; the power is cut after each commit of it, and once more on the way
  /// back.
  // Proves: A01.FR.01, A01.FR.04
  @Test func aPasswordThatIsRefusedIsRolledBack() throws {
    let bench = Self.bench()
    let first = bench.ledgerHistory.count
    Self.change(bench)
    #expect(Self.settle(bench, accepting: Self.old))
    let events = bench.calls("SecurityEventNotification").compactMap { $0.text("techInfo") }
    #expect(events.contains { $0.hasPrefix("BasicAuthPassword rolled back") })
    #expect(!events.joined().contains(Self.new))
    let cuts = Array(bench.ledgerHistory[(first - 1)...])
    #expect(cuts.count >= 3)
    for cut in cuts {
      for right in [Self.old, Self.new] {
        let again = bench.restarted(NetworkProfileTests.settings, from: cut)
        again.input(.start)
        if right == Self.new, cut == cuts[0] { continue }  // nobody had told it
        #expect(Self.settle(again, accepting: right))
        let once = again.restarted(NetworkProfileTests.settings)
        once.input(.start)
        #expect(Self.settle(once, accepting: right))
      }
    }
    #expect(!String(decoding: bench.journal, as: UTF8.self).contains(Self.new))
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// A CSMS that is late in taking over what it has set: the old one works once more, then only the new one.
  @Test func aLateCSMSIsFollowed() {
    let bench = Self.bench()
    Self.change(bench)
    #expect(Self.settle(bench, accepting: Self.old))
    for right in [Self.old, Self.new, Self.new] {
      bench.linkDown(.lost(""))
      bench.wait(seconds: 2)
      #expect(Self.settle(bench, accepting: right))
    }
    bench.linkDown(.lost(""))
    #expect(!Self.settle(bench, accepting: Self.old))
  }

  /// No answer at all with the new one, as from a proxy that drops what it does not know.
  @Test func anUnansweredPasswordIsFollowedByTheOldOne() {
    let bench = Self.bench()
    Self.change(bench)
    var used: [String?] = []
    for _ in 0..<5 {
      used.append(bench.connectRequests.last?.basicAuthPassword)
      bench.linkDown(.timedOut)
      bench.wait(seconds: 2)
    }
    #expect(used == [Self.new, Self.new, Self.old, Self.old, Self.old])
  }

  // Proves: A01.FR.03, A01.FR.04
  @Test func aPasswordThatCannotBeStoredIsRefused() {
    let bench = Self.bench()
    bench.ledgerFails = .full
    #expect(Self.change(bench) != "Accepted")
    bench.ledgerFails = nil
    bench.wait(seconds: 15)
    #expect(Self.settle(bench, accepting: Self.old))
    #expect(!bench.connectRequests.contains { $0.basicAuthPassword == Self.new })
    let again = bench.restarted(NetworkProfileTests.settings)
    again.input(.start)
    #expect(again.connectRequests.last?.basicAuthPassword == Self.old)
  }

  /// A third password before the second was tried: the first is the one to go back to.
  @Test func changesInARowKeepTheOneThatWorked() {
    let bench = Self.bench()
    bench.call(
      "SetVariables",
      [
        "setVariableData": .array(
          [Self.new, "a-third-password-03"].map {
            [
              "component": ["name": "SecurityCtrlr"], "variable": ["name": "BasicAuthPassword"],
              "attributeValue": .string($0),
            ]
          })
      ])
    #expect(bench.connectRequests.last?.basicAuthPassword == "a-third-password-03")
    #expect(Self.settle(bench, accepting: Self.old))
  }

  @Test func aRefusedPasswordIsLoggedOncePerOutage() {
    let bench = Self.bench()
    bench.linkDown(.lost(""))
    bench.wait(seconds: 2)
    for _ in 0..<3 {
      bench.linkDown(.httpStatus(401))
      bench.wait(seconds: 2)
    }
    let lines = bench.actions.filter {
      if case .log(_, let text) = $0 { text.contains("FailedToAuthenticateAtCsms") } else { false }
    }
    #expect(lines.count == 1)
  }

  // MARK: Profiles with a password of their own

  private static let own = "a-profiles-own-0001"
  private static let other = "the-other-slots-own"

  /// Slot 1 and slot 2, each with a password of its own in the component files, and slot 3 without one.
  private static func ownPasswords() -> StationBench { StationBench(ownSettings, csmsURL: nil).boot() }

  private static var ownSettings: [String: String] {
    func slot(_ number: Int, _ password: String?) -> String {
      let member = password.map { #","basicAuthPassword":"\#($0)""# } ?? ""
      return #"{"configurationSlot":\#(number),"connectionData":{"ocppCsmsUrl":"ws://\#(number).example","#
        + #""securityProfile":1\#(member)}}"#
    }
    return NetworkProfileTests.settings.merging([
      "InternalCtrlr/NetworkConnectionProfiles": "[\(slot(1, own)),\(slot(2, other)),\(slot(3, nil))]",
      "OCPPCommCtrlr/NetworkConfigurationPriority": "1,2,3",
    ]) { $1 }
  }

  /// Lets attempts fail until one goes there; its password.
  private static func password(at url: String, _ bench: StationBench) -> String? {
    for _ in 0..<20 where bench.connectRequests.last?.url != url {
      bench.linkDown(.timedOut)
      bench.wait(seconds: 2)
    }
    #expect(bench.connectRequests.last?.url == url)
    return bench.connectRequests.last?.basicAuthPassword
  }

  /// What the CSMS sets is for the slot that it is connected by, and for those without a password; another slot may lead to
  /// another CSMS.
  // Proves: A01.FR.01, A01.FR.02
  @Test func theOwnPasswordsOfOtherSlotsStay() throws {
    let bench = Self.ownPasswords()
    #expect(bench.connectRequests.map(\.basicAuthPassword) == [Self.own])
    #expect(Self.change(bench) == "Accepted")
    #expect(bench.connectRequests.last?.url == "ws://1.example")
    #expect(bench.connectRequests.last?.basicAuthPassword == Self.new)
    for bench in [bench, bench.restarted(Self.ownSettings)] {
      if bench.connectRequests.isEmpty { bench.input(.start) }
      #expect(Self.password(at: "ws://2.example", bench) == Self.other)
      #expect(Self.password(at: "ws://3.example", bench) == Self.new)
      #expect(Self.password(at: "ws://1.example", bench) == Self.own)  // nothing has worked yet: the old one once more
      #expect(try Replay.run(bench.journal).difference == nil)
    }
  }

  /// The station leaves slot 1, where a new password may have been set that does not work, for slot 2 with a password of its
  /// own; what slot 2's CSMS sets does not work either. All that worked is still tried, and what was set, whenever the power is cut.
  // Proves: A01.FR.04
  @Test(arguments: [true, false]) func everyPasswordThatWorkedStays(isChangedBefore: Bool) throws {
    func slot(_ number: Int, _ password: String?) -> String {
      let member = password.map { #","basicAuthPassword":"\#($0)""# } ?? ""
      return #"{"configurationSlot":\#(number),"connectionData":{"ocppCsmsUrl":"ws://\#(number).example","#
        + #""securityProfile":1\#(member)}}"#
    }
    let settings = NetworkProfileTests.settings.merging([
      "InternalCtrlr/NetworkConnectionProfiles": "[\(slot(1, nil)),\(slot(2, Self.own))]",
      "OCPPCommCtrlr/NetworkConfigurationPriority": "1,2",
    ]) { $1 }
    func connects(_ bench: StationBench, at url: String, with password: String) -> Bool {
      for _ in 0..<120 where !bench.station.snapshot.isConnected {
        let request = bench.connectRequests.last
        if request?.url == url, request?.basicAuthPassword == password {
          bench.linkUp()
        } else {
          bench.linkDown(.httpStatus(401))
        }
        bench.wait(seconds: 1)
      }
      return bench.station.snapshot.isConnected
    }
    let bench = StationBench(settings, csmsURL: nil).boot()
    #expect(bench.connectRequests.map(\.basicAuthPassword) == [Self.old])
    if isChangedBefore { #expect(Self.change(bench) == "Accepted") } else { bench.linkDown(.lost("")) }
    #expect(connects(bench, at: "ws://2.example", with: Self.own))
    let before = bench.ledgerHistory.count
    let wrong = "a-third-password-03"
    #expect(Self.change(bench, to: wrong) == "Accepted")
    for cut in bench.ledgerHistory[before...] {
      for (url, password) in [
        ("ws://2.example", Self.own), ("ws://1.example", Self.old), ("ws://2.example", wrong),
        ("ws://1.example", wrong),
      ] {
        let again = bench.restarted(settings, from: cut)
        again.input(.start)
        #expect(connects(again, at: url, with: password), "\(url) \(password)")
        // And again, now that it has worked.
        again.linkDown(.lost(""))
        again.wait(seconds: 2)
        #expect(connects(again, at: url, with: password), "\(url) \(password)")
      }
    }
    #expect(connects(bench, at: "ws://2.example", with: Self.own))
    // Set once more, and once more wrong.
    #expect(Self.change(bench, to: "a-fourth-password-4") == "Accepted")
    #expect(connects(bench, at: "ws://2.example", with: Self.own))
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// The slot in use has been overwritten meanwhile: what the connection was made with is what is gone back to.
  // Proves: A01.FR.01, A01.FR.04
  @Test func theOldPasswordIsTheOneOfTheConnection() {
    let bench = Self.ownPasswords()
    let overwritten = NetworkProfileTests.set(bench, slot: 1, NetworkProfileTests.profile(url: "ws://later.example"))
    #expect(overwritten?.text("status") == "Accepted")
    #expect(Self.change(bench) == "Accepted")
    #expect(bench.connectRequests.last?.basicAuthPassword == Self.new)
    #expect(Self.settle(bench, accepting: Self.own))
    #expect(bench.connectRequests.last?.url == "ws://1.example")
  }

  /// A change that could not be stored leaves the profile's own password in force; one back to it is one.
  // Proves: A01.FR.03, A01.FR.04
  @Test func anOwnPasswordGivesWayOnlyToWhatIsStored() {
    let bench = Self.ownPasswords()
    bench.ledgerFails = .full
    #expect(Self.change(bench) != "Accepted")
    bench.ledgerFails = nil
    bench.wait(seconds: 15)
    #expect(Self.settle(bench, accepting: Self.own))
    let items = [Self.new, Self.own].map { (password: String) -> JSONValue in
      [
        "component": ["name": "SecurityCtrlr"], "variable": ["name": "BasicAuthPassword"],
        "attributeValue": .string(password),
      ]
    }
    bench.call("SetVariables", ["setVariableData": .array(items)])
    #expect(bench.connectRequests.last?.basicAuthPassword == Self.own)
  }

  /// The profile in use is overwritten by an address where nobody is while a new password has not worked yet. However few
  /// attempts there are, the address that worked is tried with both. Found by the simulated worlds.
  // Proves: B10.FR.07, B10.FR.09
  @Test(arguments: [1, 2, 3], [old, new]) func everyProfileIsTriedWithEveryPassword(attempts: Int, right: String) {
    let settings = NetworkProfileTests.settings.merging([
      "OCPPCommCtrlr/NetworkProfileConnectionAttempts": String(attempts)
    ]) { $1 }
    let bench = StationBench(settings, csmsURL: nil).boot()
    let nobody = NetworkProfileTests.profile(url: "ws://nobody.example")
    #expect(NetworkProfileTests.set(bench, slot: 1, nobody)?.text("status") == "Accepted")
    Self.change(bench)
    let again = bench.restarted(settings)
    again.input(.start)
    for _ in 0..<20 where !again.station.snapshot.isConnected {
      let request = again.connectRequests.last
      if request?.url != "ws://127.0.0.1:9000" {
        again.linkDown(.connectFailed("no such host"))
      } else if request?.basicAuthPassword != right {
        again.linkDown(.httpStatus(401))
      } else {
        again.linkUp()
      }
      again.wait(seconds: 2)
    }
    #expect(again.station.snapshot.isConnected)
  }
}
