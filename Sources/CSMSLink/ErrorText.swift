import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What went wrong with a socket or a name, in words for the log.
func describe(_ error: any Error) -> String {
  switch error {
  case let error as NIOConnectionError:
    var parts = error.connectionErrors.map { "\(name(of: $0.target)): \(describe($0.error))" }
    if parts.isEmpty, let dnsError = error.dnsAError ?? error.dnsAAAAError { parts = [describe(dnsError)] }
    return parts.isEmpty ? "no address of \(error.host) could be reached" : parts.joined(separator: "; ")
  case let error as SocketAddressError.UnknownHost:
    return "cannot resolve \"\(error.host)\": \(error.errorDescription)"
  case let error as TLSError:
    return error.text
  case let error as IOError:
    return String(cString: strerror(error.errnoCode))
  default:
    return String(describing: error)
  }
}

private func name(of address: SocketAddress) -> String {
  let ip = address.ipAddress ?? "?"
  return "\(ip.contains(":") ? "[\(ip)]" : ip):\(address.port ?? 0)"
}
