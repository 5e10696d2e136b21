/// The tables of `ledger.sqlite`, and what other versions of the program may rely on.
///
/// `application_id` marks the file as a ledger. `user_version` is `major * 1000 + minor`. Within one major version
/// these shapes are frozen: table `outbox` with the columns below, ordered by `id`, and table `record` keyed by
/// collection and key. A later minor version may add tables, collections, and columns that may be NULL or have a
/// default, and nothing else. So after a roll-back of the firmware, a program of an earlier minor version still reads
/// and delivers the outbox; it leaves alone what it does not know, and never lowers `user_version`. Another major
/// version is refused at open.
///
/// 1.1 added `outbox.unknown_time_boot`, and a `checksum` of each row (`Checksum`). A program that does not know the
/// checksum inserts rows without one; what it changes loses it by a trigger, which SQLite runs for any program.
enum Schema {
  static let applicationID: Int32 = 0x5354_4C47  // "STLG"
  static let major: Int32 = 1
  static let minor: Int32 = 1
  static let version = major * 1000 + minor

  /// Whether a program may ever have been at that version.
  static func isPlausible(_ version: Int64) -> Bool { (0..<100_000).contains(version) }

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
      attempts INTEGER NOT NULL,
      unknown_time_boot INTEGER,
      checksum INTEGER
    ) STRICT;
    CREATE TABLE record (
      collection TEXT NOT NULL,
      key TEXT NOT NULL,
      value BLOB NOT NULL,
      checksum INTEGER,
      PRIMARY KEY (collection, key)
    ) STRICT, WITHOUT ROWID;
    \(triggers)
    COMMIT;
    """

  private static let triggers = """
    CREATE TRIGGER outbox_changed AFTER UPDATE OF transaction_id, action, message_id, payload ON outbox
    WHEN new.checksum IS old.checksum AND (new.payload IS NOT old.payload OR new.message_id IS NOT old.message_id
      OR new.transaction_id IS NOT old.transaction_id OR new.action IS NOT old.action)
    BEGIN UPDATE outbox SET checksum = NULL WHERE id = new.id; END;
    CREATE TRIGGER record_changed AFTER UPDATE OF value ON record
    WHEN new.checksum IS old.checksum AND new.value IS NOT old.value
    BEGIN UPDATE record SET checksum = NULL WHERE collection = new.collection AND key = new.key; END;
    """

  /// Brings a file of version 1.0 to this one, in one transaction. The rows stay as they are.
  static let upgrade = """
    BEGIN IMMEDIATE;
    ALTER TABLE outbox ADD COLUMN unknown_time_boot INTEGER;
    ALTER TABLE outbox ADD COLUMN checksum INTEGER;
    ALTER TABLE record ADD COLUMN checksum INTEGER;
    \(triggers)
    PRAGMA user_version = \(version);
    COMMIT;
    """

  /// The damage that was found and not yet heard of, as a record of a collection that is the ledger's own.
  static let damageCollection = "damage"
  static let deleteDamage = "DELETE FROM record WHERE collection = '\(damageCollection)'"

  static let selectOutbox =
    """
    SELECT id, transaction_id, action, message_id, payload, attempts, unknown_time_boot, checksum
    FROM outbox ORDER BY id
    """
  /// As long as a file of version 1.0 could not be upgraded, for lack of space.
  static let selectOldOutbox =
    "SELECT id, transaction_id, action, message_id, payload, attempts, NULL, NULL FROM outbox ORDER BY id"
  static let selectRecords = "SELECT collection, key, value, checksum FROM record"
  static let selectOldRecords = "SELECT collection, key, value, NULL FROM record"
  static let put =
    """
    INSERT INTO record (collection, key, value, checksum) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value, checksum = excluded.checksum
    """
  static let delete = "DELETE FROM record WHERE collection = ?1 AND key = ?2"
  static let enqueue =
    """
    INSERT INTO outbox
      (id, transaction_id, action, message_id, payload, attempts, unknown_time_boot, checksum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (id) DO UPDATE SET transaction_id = excluded.transaction_id, action = excluded.action,
      message_id = excluded.message_id, payload = excluded.payload, attempts = excluded.attempts,
      unknown_time_boot = excluded.unknown_time_boot, checksum = excluded.checksum
    """
  static let dequeue = "DELETE FROM outbox WHERE id = ?1"
}
