/// The tables of `ledger.sqlite`, and what other versions of the program may rely on.
///
/// `application_id` marks the file as a ledger. `user_version` is `major * 1000 + minor`. Within one major version
/// these shapes are frozen: table `outbox` with the columns below, ordered by `id`, and table `record` keyed by
/// collection and key. A later minor version may add tables, collections, and columns that may be NULL or have a
/// default, and nothing else. So after a roll-back of the firmware, a program of an earlier minor version still reads
/// and delivers the outbox; it leaves alone what it does not know, and never lowers `user_version`. Another major
/// version is refused at open.
enum Schema {
  static let applicationID: Int32 = 0x5354_4C47  // "STLG"
  static let major: Int32 = 1
  static let minor: Int32 = 0
  static let version = major * 1000 + minor

  static func major(of version: Int32) -> Int32 { version / 1000 }

  /// Run once, as one transaction, on the file that is not yet the ledger.
  static let creation = """
    BEGIN;
    PRAGMA application_id = \(applicationID);
    PRAGMA user_version = \(version);
    CREATE TABLE outbox (
      id INTEGER PRIMARY KEY,
      transaction_id TEXT,
      action TEXT NOT NULL,
      message_id TEXT NOT NULL,
      payload BLOB NOT NULL,
      attempts INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE record (
      collection TEXT NOT NULL,
      key TEXT NOT NULL,
      value BLOB NOT NULL,
      PRIMARY KEY (collection, key)
    ) STRICT, WITHOUT ROWID;
    COMMIT;
    """

  static let selectOutbox =
    "SELECT id, transaction_id, action, message_id, payload, attempts FROM outbox ORDER BY id"
  static let selectRecords = "SELECT collection, key, value FROM record"
  static let put =
    """
    INSERT INTO record (collection, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value
    """
  static let delete = "DELETE FROM record WHERE collection = ?1 AND key = ?2"
  static let enqueue =
    """
    INSERT INTO outbox (id, transaction_id, action, message_id, payload, attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (id) DO UPDATE SET transaction_id = excluded.transaction_id, action = excluded.action,
      message_id = excluded.message_id, payload = excluded.payload, attempts = excluded.attempts
    """
  static let dequeue = "DELETE FROM outbox WHERE id = ?1"
}
