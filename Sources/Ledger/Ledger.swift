import Glibc
import StationCore
import Threads

/// What must survive a power cut: records and the outbox, in `ledger.sqlite` of the data directory.
///
/// A commit that was reported as successful is on the medium: it survives the death of the process at any point and a
/// power cut (as far as the medium keeps its promise to have flushed). The groups of one commit are stored completely
/// or not at all, and in the order in which they were given: what is found after a crash is what a prefix of the commits left.
///
/// All writing is done by one thread of its own, which takes everything that has piled up during one flush of the medium
/// into the next transaction. The methods may be called from any thread.
public final class Ledger: Sendable {
  public struct Options: Sendable {
    /// Size of the database, bytes. At the limit, commits that need more room fail with `LedgerError.Kind.full`, and
    /// what removes messages still works. The log beside it takes some 4 MiB more.
    public var maximumSize = 64 << 20
    /// Groups that may wait; one more fails with `backlog`.
    public var maximumWaitingGroups = 4096
    /// Bytes that may wait, and the most that one group may have; more fails with `backlog` or `tooLarge`.
    public var maximumWaitingBytes = 8 << 20
    /// Once the log holds so many pages of 4 KiB, it is moved into the database.
    package var checkpointPages = 1000
    /// Bytes that are held free on the medium by the file `reserve`, and given up when it is full: enough for what one
    /// offline day of normal use records (1,500 messages of 1.3 kB, with the log). A quarter of it is kept for commits
    /// that remove something, so that what is queued can always be delivered. 0: none.
    public var reserve = 4 << 20
    /// Called with true when the ledger lives on its reserve, or the medium is too full to have one, and with false when the
    /// reserve is there again. The first call may come from `open`, on its thread; later ones come on the ledger's.
    public var spaceChanged: (@Sendable (Bool) -> Void)?
    /// Called on the ledger's thread when the ledger was found damaged while in use, kept aside and salvaged.
    public var damageFound: (@Sendable (LedgerDamage) -> Void)?
    /// How often, while there is no reserve, the medium is looked at for space.
    package var spaceCheckSeconds = 10
    /// For tests: called before each change of a file that SQLite does not make itself.
    package var willChangeFile: (@Sendable (FileChange) -> Void)?

    public init() {}
  }

  private let writer: Writer
  private let directory: DataDirectory

  /// Locks the data directory (creating it with mode 0700 when missing, its parents must exist), opens the ledger in
  /// it (creating it with mode 0600) and reads what it holds.
  ///
  /// A damaged ledger is kept aside, and what it holds is salvaged into a new one: `LedgerSnapshot.damage` says so, at
  /// every start until the first commit after that. On a full medium the ledger opens, if need be on its reserve.
  ///
  /// - Throws: an error of one line that says what to do. What was in the ledger has not been changed then.
  public static func open(
    directory: String, options: Options = Options()
  ) throws(LedgerError) -> (Ledger, LedgerSnapshot) {
    var directory = try DataDirectory(path: directory)
    directory.willChange = options.willChangeFile
    do throws(LedgerError) {
      let reserve = Reserve(directory, size: options.reserve)
      let (store, snapshot) = try openStore(directory, reserve, options)
      reserve.prepare()
      let writer = Writer(store, directory, reserve, options)
      do throws(LedgerError) {
        try writer.startThread()
      } catch {
        try? store.close(keepingLog: true)
        throw error
      }
      return (Ledger(writer, directory), snapshot)
    } catch {
      directory.unlock()
      throw error
    }
  }

  static func openStore(
    _ directory: DataDirectory, _ reserve: Reserve, _ options: Options
  ) throws(LedgerError) -> (Store, LedgerSnapshot) {
    while true {
      do throws(LedgerError) {
        return try Store.open(directory, options)
      } catch {
        guard error.isMediumFull, reserve.giveUp() else { throw error }
      }
    }
  }

  private init(_ writer: Writer, _ directory: DataDirectory) {
    self.writer = writer
    self.directory = directory
  }

  deinit { close() }

  /// Makes the writes durable together, or none of them.
  ///
  /// Returns at once. `completion` is called on the ledger's thread, in the order of the calls, when the writes are
  /// durable or have failed. A failed group leaves nothing behind; only when it was the flush that failed, and no later
  /// commit succeeded, the group may be found, whole, at the next start. After
  /// `close` the completion is called at once, on the caller's thread, with `LedgerError.Kind.closed`. No writes
  /// succeed without a flush.
  ///
  /// - Parameter epoch: Once a group has failed, all groups of its epoch and of earlier ones fail after it, with the same
  ///   error: they were made by somebody who did not know, and may build on it. `nil`: the group stands on its own.
  public func commit(
    _ writes: [LedgerWrite], epoch: UInt64? = nil,
    completion: @escaping @Sendable (Result<Void, LedgerError>) -> Void
  ) {
    writer.add(writes, epoch, completion)
  }

  /// Makes the writes durable, waiting for it; for tools and tests. Never to be called from a completion.
  public func commitNow(_ writes: [LedgerWrite]) throws(LedgerError) {
    let done = Signal<Result<Void, LedgerError>>()
    commit(writes) { done.set($0) }
    try done.wait().get()
  }

  /// Takes what was deleted from the medium: the database is written anew without its unused pages, and the log is emptied;
  /// damaged ledgers that were kept aside are removed.
  /// `completion` is called on the ledger's thread, after all commits before it. What the file system or a flash
  /// translation layer keeps of overwritten blocks is beyond it.
  public func erase(completion: @escaping @Sendable (LedgerError?) -> Void) { writer.erase(completion) }

  public var statistics: LedgerStatistics { writer.statistics }

  /// Writes what waits, moves the log into the database, closes it and releases the data directory. Waits until that is
  /// done. Later calls do nothing. Never to be called from a completion.
  ///
  /// - Returns: an error when the log could not be moved; it is kept, and read at the next start.
  @discardableResult
  public func close() -> LedgerError? {
    guard let result = writer.stop() else { return nil }
    directory.unlock()
    return result.error
  }
}
