import OCPP
import StationCore
import Testing

/// Messages that hold a secret, in order and in every way out of it: no line of the journal shows it, and a replay takes them
/// as they were taken.
@Suite("Journal: secrets in messages")
struct FrameSecretsTests {
  static let secret = "Zq7Kx9Wv3Jt5Bn8Rm2"

  private static func setVariables(_ component: String, _ variable: String, _ value: String = secret) -> String {
    #"[2,"17","SetVariables",{"setVariableData":[{"attributeType":"Actual","attributeValue":"\#(value)","#
      + #""component":{"name":"\#(component)"},"variable":{"name":"\#(variable)"}}]}]"#
  }

  private static func setNetworkProfile(_ more: String) -> String {
    #"[2,"17","SetNetworkProfile",{"configurationSlot":2,"connectionData":{"messageTimeout":30,"ocppCsmsUrl":"#
      + #""ws://new.example","ocppInterface":"Wired0","ocppTransport":"JSON","ocppVersion":"OCPP20","#
      + #""securityProfile":1,\#(more)}}]"#
  }

  static let frames = [
    setVariables("SecurityCtrlr", "BasicAuthPassword"), setVariables("NetworkConfiguration", "BasicAuthPassword"),
    setVariables("NetworkConfiguration", "VpnKey"),
    setVariables(
      "InternalCtrlr", "NetworkConnectionProfiles",
      #"[{\"configurationSlot\":1,\"connectionData\":{\"basicAuthPassword\":\"\#(secret)\"}}]"#),
    setNetworkProfile(#""basicAuthPassword":"\#(secret)""#),
    setNetworkProfile(#""vpn":{"server":"s","user":"u","type":"IPSec","password":"\#(secret)","key":"\#(secret)"}"#),
    setNetworkProfile(#""apn":{"apn":"a","apnAuthentication":"AUTO","apnPassword":"\#(secret)","simPin":47110815}"#),
  ]

  /// Proper JSON with the secret where nobody expects it.
  static let misplaced = [
    #"[2,"17","SetVariables","\#(secret)"]"#,
    #"[2,"17","SetVariables",{"setVariableData":{"attributeValue":"\#(secret)","variable":{"name":"BasicAuthPassword"}}}]"#,
    #"[2,"17","SetVariables",{"setVariableData":[{"attributeValue":["\#(secret)"],"variable":{"name":"BasicAuthPassword"}}]}]"#,
    #"[2,"17","SetVariables",{"setVariableData":[{"attributevalue":"\#(secret)","variable":{"name":"BasicAuthPassword"}}]}]"#,
    #"[2,"17","SetVariables",{"setVariableData":[{"attributeValue":"BasicAuthPassword","variable":{"name":"\#(secret)"}}]}]"#,
    #"[2,"17","SetVariables",{"BasicAuthPassword":"\#(secret)"}]"#,
    #"[2,"17","SetVariables",{"\#(secret)":"BasicAuthPassword"}]"#,
    #"[2,"17","SetPassword",{"password":"\#(secret)"}]"#, #"[2,"17",{"password":"\#(secret)"},{}]"#,
    #"[2,"17","SetVariables",{},{"password":"\#(secret)"}]"#, #"{"password":"\#(secret)"}"#,
    #"["\#(secret)","17","SetVariables",{"password":"x"}]"#, #"[9,"17","SetVariables","\#(secret)"]"#,
    #"[2,"17","SetVariables",{"setVariableData":[{"attributeValue":"\#(secret)","component":{"name":"SecurityCtrlr"},"variable":{"name":"\u0042asicAuthPassword"}}]}]"#,
  ]

  /// Pieces of the secret: what a cut through it leaves.
  private static func shows(_ text: String) -> Bool {
    let scalars = Array(secret)
    return (0...(scalars.count - 8)).contains { text.contains(String(scalars[$0..<($0 + 8)])) }
      || text.contains("47110815")
  }

  private static func check(_ frames: [[UInt8]]) throws {
    let bench = StationBench(NetworkProfileTests.settings, csmsURL: nil).boot()
    for frame in frames {
      let before = bench.journal.count
      bench.input(.link(.message(frame)))
      if !bench.station.snapshot.isConnected { bench.linkUp() }
      let lines = String(decoding: bench.journal[before...], as: UTF8.self)
      #expect(!shows(lines), "\(String(decoding: frame, as: UTF8.self))")
    }
    let replay = try Replay.run(bench.journal)
    #expect(replay.difference == nil)
    #expect(replay.inputs == bench.inputCount)
  }

  /// Frames that bring key codes, and locations of files with a password and a signature.
  static let codesAndLocations: [String] = [
    #"[2,"17","SendLocalList",{"versionNumber":1,"updateType":"Full","localAuthorizationList":[{"idToken":{"idToken":"\#(secret)","#
      + #""type":"KeyCode"},"idTokenInfo":{"status":"Accepted","language1":"en","language2":"de"}}]}]"#,
    #"[2,"17","RequestStartTransaction",{"idToken":{"type":"KeyCode","idToken":"\#(secret)"},"remoteStartId":1}]"#,
    #"[2,"17","CustomerInformation",{"requestId":1,"report":true,"clear":false,"idToken":{"idToken":"\#(secret)","type":"KeyCode"}}]"#,
    #"[2,"17","GetLog",{"logType":"SecurityLog","requestId":1,"log":{"remoteLocation":"ftp://me:\#(secret)@h/x?s=\#(secret)"}}]"#,
    #"[2,"17","UpdateFirmware",{"requestId":1,"firmware":{"location":"https://me:\#(secret)@h/x?s=\#(secret)","#
      + #""retrieveDateTime":"2026-01-01T00:00:00Z"}}]"#,
  ]

  // Proves: A01.FR.12
  @Test func proper() throws { try Self.check(Self.frames.map { Array($0.utf8) }) }

  // Proves: A01.FR.12
  @Test(arguments: FrameSecretsTests.misplaced) func outOfPlace(frame: String) throws {
    try Self.check([Array(frame.utf8)])
  }

  /// Each frame cut at every byte, and with every byte left out, doubled, and changed into what JSON is made of. Only the name
  /// of the variable stays: in a proper message it is what makes the value a secret.
  // Proves: A01.FR.12
  @Test(arguments: FrameSecretsTests.frames) func broken(frame: String) throws {
    let bytes = Array(frame.utf8)
    let names = ["BasicAuthPassword\"}", "VpnKey\"}", "NetworkConnectionProfiles\"}"].compactMap {
      frame.firstRange(of: $0)
    }
    let kept = names.map { frame.utf8.distance(from: frame.startIndex, to: $0.lowerBound) }.map { ($0 - 1)..<($0 + 26) }
    try Self.check(Self.damaged(bytes, keeping: kept))
  }

  /// What is damaged so that it is no JSON any more. What still is one is a message, and tells itself which text is a key code
  /// or a location.
  // Proves: C04.FR.04
  @Test(arguments: FrameSecretsTests.codesAndLocations) func brokenCodesAndLocations(frame: String) throws {
    let frames = Self.damaged(Array(frame.utf8)).filter { (try? JSONValue.parse($0)) == nil }
    #expect(frames.count > frame.utf8.count)
    try Self.check([Array(frame.utf8)] + frames)
  }

  /// With so much white space that the journal has the frame as digits.
  // Proves: C04.FR.04
  @Test func codesAmongTabs() throws {
    let bench = StationBench(NetworkProfileTests.settings, csmsURL: nil).boot()
    for frame in Self.codesAndLocations {
      bench.input(.link(.message(Array(frame.replacing(",", with: ",\n\t\t\t\t\t\t\t\t\t\t\t\t").utf8))))
    }
    let journal = String(decoding: bench.journal, as: UTF8.self)
    let digits = Self.secret.utf8.map { String($0, radix: 16) }.joined()
    #expect(journal.contains("=000") && !journal.contains(digits))
    #expect(!Self.shows(journal))
    #expect(try Replay.run(bench.journal).difference == nil)
  }

  /// The frame cut at every byte, and with every byte that is not kept left out, doubled, and changed into what JSON is made of.
  private static func damaged(_ bytes: [UInt8], keeping kept: [Range<Int>] = []) -> [[UInt8]] {
    var frames: [[UInt8]] = []
    for position in bytes.indices {
      frames.append(Array(bytes[..<position]))
      guard !kept.contains(where: { $0.contains(position) }) else { continue }
      frames.append(Array(bytes[..<position] + bytes[(position + 1)...]))
      frames.append(Array(bytes[...position] + bytes[position...]))
      for other in "\"\\{:,x".utf8.map({ $0 }) + [0xC3] where other != bytes[position] {
        frames.append(Array(bytes[..<position] + [other] + bytes[(position + 1)...]))
      }
    }
    return frames
  }
}
