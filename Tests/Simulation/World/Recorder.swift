import OCPP
import StationCore

/// Keeps the last lines of a run, or prints all of them.
public final class Recorder {
  private let limit: Int
  private let print: ((String) -> Void)?
  private var kept: [String] = []

  public init(keeping limit: Int, print: ((String) -> Void)? = nil) {
    self.limit = limit
    self.print = print
  }

  public var lines: [String] { Array(kept.suffix(limit)) }

  func add(_ time: Int64, _ text: String) {
    let line = "\(Self.clock(time)) \(text)"
    if let print { return print(line) }
    kept.append(line)
    if kept.count > 4 * limit { kept.removeFirst(kept.count - limit) }
  }

  /// `1d 02:03:04.005`
  public static func clock(_ time: Int64) -> String {
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let ms = String(String(1000 + time % 1000).dropFirst())
    return "\(time / .day)d \(two(time / .hour % 24)):\(two(time / .minute % 60)):\(two(time / .second % 60)).\(ms)"
  }

  static func describe(_ input: Input) -> String {
    switch input {
    case .link(.message(let frame)): "< \(String(decoding: frame, as: UTF8.self))"
    case .timer(let id): "timer \(id.name) \(id.index)"
    case .hardware(let event): "hardware \(event)"
    case .link(let event): "link \(event)"
    default: "\(input)"
    }
  }

  static func describe(_ action: Action) -> String? {
    switch action {
    case .send(let frame): "> \(String(decoding: frame, as: UTF8.self))"
    case .commit(let writes): "commit " + writes.map(describe).joined(separator: ", ")
    case .setTimer, .cancelTimer: nil
    case .event(let event):
      event.event == "transaction" ? "event \(event.fields.map { "\($0.name)=\($0.value.text)" })" : nil
    case .log(let level, let text): "log \(level) \(text)"
    case .hardware(let command): "command \(command)"
    default: "\(action)"
    }
  }

  private static func describe(_ write: LedgerWrite) -> String {
    switch write {
    case .put(let collection, let key, _): "put \(collection.rawValue)/\(key)"
    case .delete(let collection, let key): "delete \(collection.rawValue)/\(key)"
    case .enqueue(let message): "enqueue \(message.id) \(message.action) attempts \(message.attempts)"
    case .dequeue(let id): "dequeue \(id)"
    }
  }
}
