import OCPP

/// File transfers as the core sees them. The core decides what goes where, how often and when; sockets and files are behind
/// this seam, in a process of their own for each transfer (`station-transfer`).

/// One attempt to fetch or bring a file. It ends by itself: when it is done, when it fails, or at one of its limits.
public struct Transfer: Hashable, Sendable {
  public enum Direction: String, Hashable, Sendable, CaseIterable {
    case download, upload
  }

  /// At a time there is one transfer of each.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case firmware, log
  }

  public var kind: Kind
  public var direction: Direction
  /// As the CSMS gave it, with what is secret in it.
  public var location: String
  /// The local file: a name in the directory `transfers` of the data directory. What is not a letter of `A-Za-z0-9.-_`, begins
  /// with a dot, or is longer than 100 of them fails with `unsupported`.
  public var file: String
  /// What the file is called at the server where the location ends with a slash (N01.FR.21); same letters.
  public var remoteName: String
  /// What a former attempt with this file left is gone on with, where the server still has the same file.
  public var resumes: Bool
  /// Most bytes of the file.
  public var maxBytes: Int64
  /// Time for DNS, TCP and TLS, seconds.
  public var connectSeconds: Int
  /// Without a byte for so long it fails, seconds.
  public var stallSeconds: Int
  /// In TLS the roots of the system count beside the CSMS and manufacturer roots.
  public var trustsSystemRoots: Bool

  public init(
    kind: Kind, direction: Direction, location: String, file: String, remoteName: String = "", resumes: Bool = false,
    maxBytes: Int64, connectSeconds: Int = 30, stallSeconds: Int = 60, trustsSystemRoots: Bool = true
  ) {
    self.kind = kind
    self.direction = direction
    self.location = location
    self.file = file
    self.remoteName = remoteName.isEmpty ? file : remoteName
    self.resumes = resumes
    self.maxBytes = maxBytes
    self.connectSeconds = connectSeconds
    self.stallSeconds = stallSeconds
    self.trustsSystemRoots = trustsSystemRoots
  }
}

public enum TransferRequest: Hashable, Sendable {
  /// Answered by one `TransferEvent.ended` of the same id, and before it by any number of `progress`. One of the same kind that
  /// is under way is cancelled first.
  case start(Transfer)
  /// Ends the transfer of this id, if it is under way, with `cancelled`; what it has fetched stays.
  case cancel
  /// Removes a file of the directory `transfers`, and what is known of it. Not answered.
  case remove(file: String)
  /// Removes every file of the directory `transfers` that is not one of these: what a power cut left behind. Not answered.
  case keepOnly([String])
}

public enum TransferEvent: Hashable, Sendable {
  /// Bytes of the whole file that are there; `total` is `nil` when the server does not say. Once a second at most.
  case progress(done: Int64, total: Int64?)
  case ended(TransferResult)
}

public enum TransferResult: Hashable, Sendable {
  /// The whole file is there: local and flushed, or at the server. Its bytes.
  case done(bytes: Int64)
  /// One line without secrets says why.
  case failed(TransferFailure, String)
}

public enum TransferFailure: String, Hashable, Sendable, CaseIterable {
  /// Not reached, cut, too slow.
  case network
  /// The server has a problem of its own.
  case server
  /// Login or permission.
  case refused
  case notFound
  /// The server's certificate or host key.
  case untrusted
  /// More than `Transfer.maxBytes`.
  case tooLarge
  /// The local file or its medium, or the ledger.
  case storage
  /// No location or protocol that the station has; asking again is of no use.
  case unsupported
  /// What the server says is not the protocol, or it finds that of what it was asked.
  case badMessage
  case cancelled
  /// The process could not be started, or ended without a word.
  case process
}
