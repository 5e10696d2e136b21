/// In which order the station tries to connect (B10.FR.03, FR.07-09, A02.FR.28).
///
/// The entries of NetworkConfigurationPriority, each as often as NetworkProfileConnectionAttempts says; then the profile
/// with which the station was last connected, also when it has been overwritten meanwhile; then, while a new password or
/// certificate has not worked yet, that profile and the entries once more with the old one; then from the start, for ever.
/// So every profile is tried with every password and certificate that may be right, however few attempts there are.
struct NetworkPlan: Hashable, Sendable {
  enum Stage: Hashable, Sendable {
    case priority, proven, provenWithOld, priorityWithOld
  }

  private(set) var stage = Stage.priority
  /// Entries of this stage that are done with, and where in the order it began.
  private var position = 0
  private var first = 0
  /// Failed attempts with the present entry.
  private var failures = 0

  /// The old password and certificate are to be used, while there are any.
  var usesOld: Bool { stage == .priorityWithOld || stage == .provenWithOld }

  private var isProven: Bool { stage == .proven || stage == .provenWithOld }

  /// The entry to try, an index of the order; `nil` for the profile that last worked.
  func entry(of count: Int) -> Int? { isProven || count == 0 ? nil : (first + position) % count }

  /// What there is beside the entries.
  struct Fallbacks {
    /// An old password or certificate is still kept.
    var hasOld: Bool
    /// There is a profile that worked, and trying it is something else than trying the entries again.
    var hasProven: Bool
    /// It is none of the entries.
    var provenIsOther: Bool
  }

  /// An attempt failed.
  mutating func failed(attempts: Int, entries: Int, _ fallbacks: Fallbacks) {
    failures += 1
    guard failures >= attempts else { return }
    failures = 0
    position += 1
    guard isProven || position >= entries else { return }
    position = 0
    first = 0
    let hasOld = fallbacks.hasOld
    switch stage {
    case .priority where fallbacks.hasProven: stage = hasOld && !fallbacks.provenIsOther ? .provenWithOld : .proven
    case .priority: stage = hasOld ? .priorityWithOld : .priority
    case .proven: stage = hasOld ? .provenWithOld : .priority
    case .provenWithOld: stage = hasOld ? .priorityWithOld : .priority
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
    }
  }
}
