/// What the ledger has written since it was opened: the counters behind the flash wear of the station.
public struct LedgerStatistics: Hashable, Sendable {
  /// Database transactions made durable, each with one flush of the medium. Less than `groups` when groups that waited
  /// were committed together.
  public var commits = 0
  /// Groups (calls of `commit`) made durable.
  public var groups = 0
  /// Groups that were reported as failed.
  public var failedGroups = 0
  /// Single writes in the durable groups.
  public var writes = 0
  /// Bytes of keys, values and messages in the durable groups.
  public var payloadBytes = 0
  /// Pages appended to the write-ahead log.
  public var logPages = 0
  /// How often the log was moved into the database.
  public var checkpoints = 0
  /// Bytes handed to the file system, log and database together. What moving the log into the database takes is an
  /// upper bound, since SQLite does not tell how many pages it wrote twice.
  public var bytesWritten = 0
  /// Groups that wait at this moment.
  public var waiting = 0
}
