/// Runs the inputs of a journal through a station again and compares what comes out, byte for byte.
public struct Replay: Sendable {
  /// Where the replay differs from the recording.
  public struct Difference: Hashable, Sendable {
    /// Number of the line, from 1.
    public var line: Int
    public var recorded: [UInt8]
    public var replayed: [UInt8]
  }

  public private(set) var inputs = 0
  private var station: Station?
  /// The names in a journal stay as they are.
  private var codes = KeyCodeNames()

  public init() {}

  /// Takes the next line, without its line feed.
  /// - Returns: the difference, when the line came out otherwise than recorded.
  /// - Throws: when the line cannot be read.
  public mutating func take(_ line: [UInt8], number: Int) throws(JournalError) -> Difference? {
    do throws(JournalError) {
      guard var station else {
        let (start, time) = try Journal.start(of: line)
        let again = Journal.line(for: start, at: time, &codes)
        self.station = Station(start, at: time)
        return again == line ? nil : Difference(line: number, recorded: line, replayed: again)
      }
      let (input, time) = try Journal.input(of: line)
      let actions = station.handle(input, at: time)
      self.station = station
      inputs += 1
      let again = Journal.line(for: input, at: time, clock: station.clockSource, actions: actions, &codes)
      return again == line ? nil : Difference(line: number, recorded: line, replayed: again)
    } catch {
      throw JournalError(line: number, error.message)
    }
  }

  /// Replays a whole journal up to the first difference.
  public static func run(_ journal: [UInt8]) throws(JournalError) -> (inputs: Int, difference: Difference?) {
    var replay = Replay()
    var number = 0
    for line in journal.split(separator: 0x0A) {
      number += 1
      if let difference = try replay.take(Array(line), number: number) { return (replay.inputs, difference) }
    }
    guard number > 0 else { throw JournalError("the journal is empty") }
    return (replay.inputs, nil)
  }
}
