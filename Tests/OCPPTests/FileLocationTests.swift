import OCPP
import Testing

@Suite("Locations of files")
struct FileLocationTests {
  @Test func partsOfALocation() throws {
    let location = try #require(FileLocation("ftp://us%65r:p%40ss%3A@files.example:2121/dir/fw.bin?x=1#end"))
    #expect(location.scheme == .ftp)
    #expect(location.user == "user")
    #expect(location.password == "p@ss:")
    #expect(location.authority == "files.example:2121")
    #expect(location.port == 2121)
    #expect(location.path == "/dir/fw.bin?x=1")
    #expect(location.loggable == "ftp://files.example:2121/dir/fw.bin")
  }

  @Test func whatMayBeLeftOut() throws {
    let plain = try #require(FileLocation("HTTPS://files.example"))
    #expect(plain.scheme == .https)
    #expect(plain.user == nil && plain.password == nil && plain.port == nil)
    #expect(plain.path == "/")
    let query = try #require(FileLocation("http://files.example?sig=a@b"))
    #expect(query.authority == "files.example")
    #expect(query.loggable == "http://files.example/")
    let user = try #require(FileLocation("sftp://me@[::1]:22/f"))
    #expect(user.user == "me" && user.password == nil && user.port == 22)
    #expect(try #require(FileLocation("sftp://[::1]/f")).port == nil)
  }

  @Test(arguments: [
    "", "fw.bin", "file:///etc/passwd", "gopher://x/", "http:///path", "http://host:0/", "http://host:70000/",
    "http://host:x/", "http://a b/", "http://host/\n", "ftp://u:%zz@host/", "ftp://u:%00@host/", "ftp://u:%4@host/",
    "http://\u{e4}/",
  ])
  func whatIsNone(_ text: String) {
    #expect(FileLocation(text) == nil)
  }

  @Test func protocolNames() {
    #expect(FileLocation.Scheme.allCases.map(\.protocolName) == ["HTTP", "HTTPS", "FTP", "FTPS", "FTPS", "SFTP"])
  }
}
