import COpenSSL

/// Empties OpenSSL's queue of errors of this thread.
/// - Returns: what stood in it, as one line, the first cause first; `nil` when it was empty.
package func takeOpenSSLErrors() -> String? {
  let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer -> String in
    tls_take_errors(buffer.baseAddress, buffer.count)
    // Printable ASCII only: parts of it come from files and from the peer.
    let bytes = buffer.prefix { $0 != 0 }.map { (0x20..<0x7F).contains($0) ? UInt8(bitPattern: $0) : UInt8(ascii: "?") }
    return String(decoding: bytes, as: UTF8.self)
  }
  return text.isEmpty ? nil : text
}
