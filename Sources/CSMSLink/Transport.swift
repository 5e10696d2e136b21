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

  /// Reads certificates and keys, which are few and small; a key in a token is looked up there.
  /// - Parameter files: `nil` when there is no certificate directory.
  /// - Throws: why there can be no connection: a scheme that does not go with the security profile (OCPP 2.0.1 Part 2, A00),
  ///   or TLS that has nothing to verify with or to show.
  init(
    _ request: ConnectionRequest, _ endpoint: Endpoint, files: TLSFiles?, sessions: TLSSessionCache
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
        tls = TLSHandler(try Self.client(request, endpoint, files, sessions))
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
    _ request: ConnectionRequest, _ endpoint: Endpoint, _ files: TLSFiles?, _ sessions: TLSSessionCache
  ) throws(TLSError) -> TLSClient {
    guard let files else {
      throw TLSError(.noRoots, "there is no certificate directory, so the CSMS cannot be verified")
    }
    let options = request.tls
    let time = options.time ?? .known(machineTime)
    return try TLSClient(
      endpoint: endpoint, options: options, time: time,
      trust: TLSTrust(files.folder, withoutRoot: options.withoutRoot),
      identity: request.securityProfile == 3
        ? TLSIdentity(files, fingerprint: options.clientCertificate, time: time) : nil,
      sessions: sessions)
  }

  /// The machine's wall clock, milliseconds.
  private static var machineTime: Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
  }
}
