#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The folders in which meter models are looked for; the first that has a model's file gives it.
public struct MeterLibrary: Sendable {
  /// What a look into the library gives. A model with an error is not there, but its problems are.
  public struct Models: Sendable {
    public var models: [MeterModel] = []
    public var problems: [Problem] = []
    public var errorCount: Int { problems.count { $0.severity == .error } }
  }

  /// Where a package puts them.
  public static let installed = "/usr/share/station/meters"

  public let directories: [String]

  public init(directories: [String]) { self.directories = directories }

  /// The folders for a station: `given` alone when there is one; else `meters/` in the station's own folder, `meters/`
  /// beside it (where the shipped stations have it), and `installed`.
  public init(given: String?, stationDirectory: String?) {
    if let given {
      directories = [given]
    } else if let stationDirectory {
      let base = stationDirectory.hasSuffix("/") ? stationDirectory : stationDirectory + "/"
      directories = [base + "meters", base + "../meters", Self.installed]
    } else {
      directories = [Self.installed]
    }
  }

  /// The names of all models, sorted; unreadable folders have none.
  public var names: [String] {
    var names: Set<String> = []
    for directory in directories {
      for name in (try? Folder.names(in: directory)) ?? [] { names.insert(String(name.dropLast(5))) }
    }
    return names.sorted()
  }

  /// The file of a model; `nil` when no folder has one.
  public func file(of name: String) -> String? {
    guard !name.isEmpty, !name.contains("/"), !name.hasPrefix(".") else { return nil }
    return directories.lazy.map { "\($0)/\(name).json" }.first { Folder.exists($0) }
  }

  /// One model; with `nil` a problem says what is wrong with its file, or that there is none.
  public func model(_ name: String) -> (model: MeterModel?, problems: [Problem]) {
    guard let file = file(of: name) else {
      return (
        nil,
        [
          Problem(
            .error, file: directories.first ?? Self.installed, message: "there is no meter model \"\(name)\"",
            expected: "one of \(names.joined(separator: ", "))", suggestion: Suggestion.nearest(to: name, in: names))
        ]
      )
    }
    return Self.read(file, name: name)
  }

  /// All models, sorted by name.
  public func all() -> Models {
    var result = Models()
    for name in names {
      let read = model(name)
      result.problems += read.problems
      if let model = read.model { result.models.append(model) }
    }
    return result
  }

  static func read(_ file: String, name: String) -> (model: MeterModel?, problems: [Problem]) {
    var problems = ProblemList()
    var model: MeterModel?
    do throws(Folder.Failure) {
      let parsed = JSONFileParser.parse(name: file, bytes: try Folder.read(file), problems: &problems)
      if let root = parsed?.root, problems.errorCount == 0 {
        var reader = MeterModelReader(problems: problems)
        model = reader.model(root, id: name)
        problems = reader.problems
      }
    } catch {
      problems.add(Problem(.error, file: file, message: error.message, expected: error.expected))
    }
    return (model, problems.problems)
  }
}
