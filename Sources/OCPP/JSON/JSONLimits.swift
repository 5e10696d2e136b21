/// Bounds on what is read. Input beyond one is refused with `FormatViolation`; nothing is cut off in silence.
public enum JSONLimits {
  /// Largest document, bytes.
  public static let maxBytes = 4 << 20
  /// Deepest nesting of objects and arrays in a document.
  public static let maxDepth = 64
  /// Deepest nesting that `JSONReader.skipValue` walks over, so that a splitter can leave the refusal to the decoder.
  public static let maxSkipDepth = 128
  /// Longest `PayloadError.path`, characters; longer ones lose their end.
  public static let maxPathLength = 200
}
