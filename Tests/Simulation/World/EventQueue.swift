/// What is to happen, in the order of its virtual time; at one time, in the order in which it was put in.
struct EventQueue {
  struct Entry {
    var time: Int64
    var order: UInt64
    var body: () -> Void
  }

  private var heap: [Entry] = []
  private var order: UInt64 = 0

  var nextTime: Int64? { heap.first?.time }

  mutating func add(at time: Int64, _ body: @escaping () -> Void) {
    order += 1
    heap.append(Entry(time: time, order: order, body: body))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard precedes(child, parent) else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> Entry? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first }
    heap[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, precedes(child + 1, child) { child += 1 }
      guard precedes(child, parent) else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return first
  }

  mutating func removeAll() { heap.removeAll() }

  private func precedes(_ a: Int, _ b: Int) -> Bool {
    (heap[a].time, heap[a].order) < (heap[b].time, heap[b].order)
  }
}
