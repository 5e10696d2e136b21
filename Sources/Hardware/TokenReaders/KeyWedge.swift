/// A reader that types: key codes in, tokens out. In virtual time.
///
/// Codes are those of the keys (linux/input-event-codes.h), so the keyboard layout does not matter; letters are upper case in
/// the token. A key that is no digit of the token spoils what is typed until the next ENTER.
struct KeyWedge: Sendable {
  /// What is typed is forgotten when no key follows within this time.
  static let timeout = TimeSpan.seconds(1)
  /// `struct input_event`: two longs of time, type, code, value.
  static let eventSize = 2 * MemoryLayout<Int>.size + 8

  let hexadecimal: Bool
  let lengths: ClosedRange<Int>
  private var typed = ""
  private var isSpoilt = false
  private var lastKey: MonotonicTime?
  private var rest: [UInt8] = []
  /// What was typed and was no token.
  private(set) var refused = 0

  init(hexadecimal: Bool, lengths: ClosedRange<Int>) {
    self.hexadecimal = hexadecimal
    self.lengths = lengths
  }

  /// Bytes of `struct input_event`; the tokens that end in them.
  mutating func take(_ bytes: [UInt8], at now: MonotonicTime) -> [String] {
    rest += bytes
    var tokens: [String] = []
    while rest.count >= Self.eventSize {
      let event = rest.prefix(Self.eventSize)
      rest.removeFirst(Self.eventSize)
      let fields = Array(event.suffix(8))
      func word(_ at: Int) -> UInt16 { UInt16(littleEndian: UInt16(fields[at]) | UInt16(fields[at + 1]) << 8) }
      // EV_KEY with the value 1, pressed: neither released (0) nor repeated by holding (2).
      guard word(0) == 1, word(4) == 1, word(6) == 0 else { continue }
      if let token = press(word(2), at: now) { tokens.append(token) }
    }
    return tokens
  }

  private mutating func press(_ code: UInt16, at now: MonotonicTime) -> String? {
    if let lastKey, now > lastKey + Self.timeout { forget() }
    lastKey = now
    if Self.enter.contains(code) {
      defer { forget() }
      guard !isSpoilt, lengths.contains(typed.count) else {
        if isSpoilt || !typed.isEmpty { refused += 1 }
        return nil
      }
      return typed
    }
    // Shift and lock keys are pressed beside letters by some readers.
    if Self.modifiers.contains(code) { return nil }
    guard let digit = Self.digits[code] ?? (hexadecimal ? Self.letters[code] : nil), typed.count < lengths.upperBound
    else {
      isSpoilt = true
      return nil
    }
    typed.append(digit)
    return nil
  }

  /// The device is gone, or too slow.
  mutating func forget() {
    typed = ""
    isSpoilt = false
    lastKey = nil
  }

  mutating func reset() {
    forget()
    rest = []
  }

  // KEY_ENTER, KEY_KPENTER.
  private static let enter: Set<UInt16> = [28, 96]
  // KEY_LEFTSHIFT, KEY_RIGHTSHIFT, KEY_CAPSLOCK, KEY_NUMLOCK.
  private static let modifiers: Set<UInt16> = [42, 54, 58, 69]
  // KEY_1 to KEY_9 and KEY_0, KEY_KP0 to KEY_KP9.
  private static let digits: [UInt16: Character] = [
    2: "1", 3: "2", 4: "3", 5: "4", 6: "5", 7: "6", 8: "7", 9: "8", 10: "9", 11: "0",
    82: "0", 79: "1", 80: "2", 81: "3", 75: "4", 76: "5", 77: "6", 71: "7", 72: "8", 73: "9",
  ]
  // KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F.
  private static let letters: [UInt16: Character] = [30: "A", 48: "B", 46: "C", 32: "D", 18: "E", 33: "F"]
}
