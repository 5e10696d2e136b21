import COpenSSL
import Testing

@testable import Certificates

@Suite struct OpenSSLErrorsTests {
  /// The queue belongs to the thread, and no other test runs in the middle of this one, since nothing here waits.
  @Test func tellsOnceWhatWentWrong() {
    _ = takeOpenSSLErrors()
    #expect(OBJ_txt2obj("no such name", 1) == nil)
    let text = takeOpenSSLErrors()
    #expect(text?.isEmpty == false)
    #expect(takeOpenSSLErrors() == nil)
  }
}
