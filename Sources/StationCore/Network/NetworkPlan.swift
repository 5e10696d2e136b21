/// In which order the station tries to connect (B10.FR.03, FR.07-09, A02.FR.28).
///
/// The entries of NetworkConfigurationPriority, each as often as NetworkProfileConnectionAttempts says; then the profile
/// with which the station was last connected, also when it has been overwritten meanwhile; then, while a new password or
/// certificate has not worked yet, the entries once more with the old one; then from the start, for ever.
struct NetworkPlan: Hashable, Sendable {
  enum Stage: Hashable, Sendable {
    case priority, proven, priorityWithOld
  }

  private(set) var stage = Stage.priority
  /// Entries of this stage that are done with, and where in the order it began.
  private var position = 0
  private var first = 0
  /// Failed attempts with the present entry.
  private var failures = 0
  /// The profile that last worked is tried because the connection was made with it, not because all else failed.
  private var isFresh = false

  /// The old password and certificate are to be used, while there are any.
  var usesOld: Bool { stage == .priorityWithOld || (stage == .proven && !isFresh) }

  /// The entry to try, an index of the order; `nil` for the profile that last worked.
  func entry(of count: Int) -> Int? { stage == .proven || count == 0 ? nil : (first + position) % count }

  /// An attempt failed. `hasOld`: an old password or certificate is still kept. `hasProven`: there is a profile that
  /// worked, and trying it is something else than trying the entries again.
  mutating func failed(attempts: Int, entries: Int, hasOld: Bool, hasProven: Bool) {
    failures += 1
    guard failures >= attempts else { return }
    failures = 0
    position += 1
    guard stage == .proven || position >= entries else { return }
    position = 0
    first = 0
    isFresh = false
    switch stage {
    case .priority: stage = hasProven ? .proven : hasOld ? .priorityWithOld : .priority
    case .proven: stage = hasOld ? .priorityWithOld : .priority
    case .priorityWithOld: stage = .priority
    }
  }

  /// After a connection that is over: first what it was made with, the entry of this index or, with `nil`, the profile
  /// that last worked.
  mutating func begin(with entry: Int?) {
    self = NetworkPlan()
    if let entry {
      first = entry
    } else {
      stage = .proven
      isFresh = true
    }
  }
}
