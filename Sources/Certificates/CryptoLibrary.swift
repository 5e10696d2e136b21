import COpenSSL

/// OpenSSL as a whole.
public enum CryptoLibrary {
  /// To be called before anything else of this module or of TLS: the process may then end while a thread still works on
  /// certificates or waits for a token.
  /// - Returns: why there is no cryptography; `nil` when there is.
  public static func begin() -> String? {
    tls_library_begin() == 1 ? nil : takeOpenSSLErrors() ?? "OpenSSL cannot begin"
  }
}
