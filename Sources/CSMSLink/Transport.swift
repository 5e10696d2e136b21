import Glibc
import NIOCore
import StationCore

/// What stands between TCP and HTTP: nothing, or TLS. This is the one place that has to know.
///
/// The handler goes in front of everything else of the pipeline once TCP is connected. It holds back what is written
/// until it is ready (the HTTP request is written at once), and reports a failure by `errorCaught` with a `TLSError`
/// followed by the end of the channel.
struct Transport {
  /// `nil` without TLS.
  let tls: TLSHandler?

  /// Reads certificates, which are few and small.
  /// - Parameters:
  ///   - files: `nil` when there is no certificate directory.
  ///   - identity: what `IdentityOpener` made of the client certificate, where one is needed.
  /// - Throws: why there can be no connection: a scheme that does not go with the security profile (OCPP 2.0.1 Part 2, A00),
  ///   or TLS that has nothing to verify with or to show.
  init(
    _ request: ConnectionRequest, _ endpoint: Endpoint, files: TLSFiles?, sessions: TLSSessionCache,
    identity: IdentityOpener.Answer?
  ) throws(Refusal) {
    let profile = request.securityProfile
    switch (profile, endpoint.scheme) {
    case (1, .ws):
      tls = nil
    case (1, .wss):
      throw Refusal(.unsupported("security profile 1 is without TLS, but the URL says wss://"))
    case (2...3, .ws):
      throw Refusal(.unsupported("security profile \(profile) needs TLS, but the URL says ws://"))
    case (2...3, .wss):
      do throws(TLSError) {
        tls = TLSHandler(try Self.client(request, endpoint, files, sessions, identity))
      } catch {
        throw Refusal(.tls(error.failure, error.text))
      }
    default:
      throw Refusal(.unsupported("security profile \(profile) does not exist; expected 1, 2 or 3"))
    }
  }

  struct Refusal: Error, Hashable {
    var reason: LinkDownReason
    init(_ reason: LinkDownReason) { self.reason = reason }
  }

  private static func client(
    _ request: ConnectionRequest, _ endpoint: Endpoint, _ files: TLSFiles?, _ sessions: TLSSessionCache,
    _ identity: IdentityOpener.Answer?
  ) throws(TLSError) -> TLSClient {
    guard let files else {
      throw TLSError(.noRoots, "there is no certificate directory, so the CSMS cannot be verified")
    }
    let options = request.tls
    return try TLSClient(
      endpoint: endpoint, options: options, time: verificationTime(options),
      trust: TLSTrust(files.folder, withoutRoot: options.withoutRoot), identity: identity?.get(), sessions: sessions)
  }

  /// A client certificate is shown, and its key has to be opened first.
  static func needsIdentity(_ request: ConnectionRequest, _ endpoint: Endpoint) -> Bool {
    request.securityProfile == 3 && endpoint.scheme == .wss
  }

  static func verificationTime(_ options: TLSOptions) -> VerificationTime { options.time ?? .known(machineTime) }

  /// The machine's wall clock, milliseconds.
  private static var machineTime: Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
  }
}
