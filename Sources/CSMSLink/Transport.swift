import NIOCore
import StationCore

/// What stands between TCP and HTTP: nothing, or TLS. This is the one place that has to know.
///
/// The handlers go in front of everything else of the pipeline once TCP is connected. They get the host name for its
/// check, must hold back what is written until they are ready (the HTTP request is written at once), and report a
/// failure by `errorCaught` followed by the end of the channel.
struct Transport {
  let makeHandlers: (_ host: String) -> [any ChannelHandler]

  struct Unsupported: Error, Hashable {
    var text: String
  }

  /// - Throws: what is missing for this scheme and security profile (OCPP 2.0.1 Part 2, A00).
  init(scheme: Endpoint.Scheme, securityProfile: Int) throws(Unsupported) {
    switch (securityProfile, scheme) {
    case (1, .ws):
      makeHandlers = { _ in [] }
    case (1, .wss):
      throw Unsupported(text: "security profile 1 is without TLS, but the URL says wss://")
    case (2...3, .ws):
      throw Unsupported(text: "security profile \(securityProfile) needs TLS, but the URL says ws://")
    case (2...3, .wss):
      throw Unsupported(text: "security profile \(securityProfile) needs TLS, which this build does not have")
    default:
      throw Unsupported(text: "security profile \(securityProfile) does not exist; expected 1, 2 or 3")
    }
  }
}
