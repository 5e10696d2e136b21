/// "Did you mean": the nearest of a list of known words.
package enum Suggestion {
  /// The candidate nearest to `word`, ignoring case, when it is near enough to be meant: at most a third of the word's
  /// length apart, and at most three edits. Of several equally near ones, the first.
  package static func nearest(to word: String, in candidates: some Sequence<String>) -> String? {
    let folded = word.lowercased()
    // Longer words than any known name are no typing mistakes; the limit also bounds the work.
    guard !word.isEmpty, folded.utf8.count <= 64 else { return nil }
    let allowed = min(3, max(1, folded.utf8.count / 3))
    var best: (word: String, distance: Int)?
    for candidate in candidates {
      guard candidate != word, abs(candidate.utf8.count - folded.utf8.count) <= allowed else { continue }
      let distance = Self.distance(folded, candidate.lowercased())
      if distance <= allowed, distance < best?.distance ?? Int.max { best = (candidate, distance) }
    }
    return best?.word
  }

  /// Edits (insert, delete, replace, swap of neighbours) that turn one text into the other, counted in UTF-8 bytes.
  static func distance(_ a: String, _ b: String) -> Int {
    let a = Array(a.utf8)
    let b = Array(b.utf8)
    var beforePrevious = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    var current = previous
    for i in a.indices {
      current[0] = i + 1
      for j in b.indices {
        var cost = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforePrevious[j - 1] + 1) }
        current[j + 1] = cost
      }
      (beforePrevious, previous, current) = (previous, current, beforePrevious)
    }
    return previous[b.count]
  }
}
