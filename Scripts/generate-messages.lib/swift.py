"""The Swift text of one type."""

from names import case_names, quoted

WIDTH = 120
SWIFT_TYPES = {
    "string": "String", "integer": "Int", "decimal": "DecimalNumber", "bool": "Bool", "dateTime": "DateTime",
    "json": "JSONValue",
}
PLACEHOLDERS = {
    "string": '""', "integer": "0", "decimal": ".zero", "bool": "false",
    "dateTime": "DateTime(unixMilliseconds: 0)", "json": ".null",
}


def swift_type(member):
    name = member.type_name or SWIFT_TYPES[member.kind]
    return f"[{name}]" if member.is_array else name


# MARK: Documentation


def bounds_text(low, high, unit=""):
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    return f"at least {low}{unit}" if low is not None else f"at most {high}{unit}"


def rule_texts(rules):
    """What a version demands, in words."""
    texts = []
    if rules.min_items is not None or rules.max_items is not None:
        texts.append(bounds_text(rules.min_items, rules.max_items, " items"))
    if rules.max_length is not None:
        texts.append(f"at most {rules.max_length} characters")
    if rules.minimum is not None or rules.maximum is not None:
        texts.append(bounds_text(rules.minimum, rules.maximum))
    if rules.integer:
        texts.append("an integer")
    return texts


def documentation(member):
    """Version, bounds and default of a member in one line, or None."""
    parts = []
    if len(member.owner_versions) == 2 and len(member.rules) == 1:
        parts.append("2.1." if "v21" in member.rules else "2.0.1 only.")
    texts = {v: rule_texts(r) for v, r in member.rules.items()}
    required = {v for v, r in member.rules.items() if r.required}
    if required and not member.is_required:
        parts.append("Required in " + ("2.0.1." if "v201" in required else "2.1."))
    if len(texts) == 2 and texts["v201"] != texts["v21"]:
        shared = [t for t in texts["v201"] if t in texts["v21"]]
        old = [t for t in texts["v201"] if t not in shared]
        new = [t for t in texts["v21"] if t not in shared]
        for prefix, items in (("", shared), ("2.0.1: ", old), ("2.1: ", new)):
            if items:
                parts.append(sentence(prefix, items))
    else:
        items = next(iter(texts.values()))
        if items:
            parts.append(sentence("", items))
    if member.default is not None:
        parts.append(f"Default `{member.default}`.")
    return " ".join(parts) or None


def sentence(prefix, items):
    text = prefix + ", ".join(items) + "."
    return text[0].upper() + text[1:]


# MARK: Schema text


def rule_words(rules):
    if rules is None:
        return "-"
    words = []
    if rules.required:
        words.append("required")
    if rules.integer:
        words.append("integer")
    if rules.min_items is not None or rules.max_items is not None:
        words.append(f"items {bound(rules.min_items)}..{bound(rules.max_items)}")
    if rules.max_length is not None:
        words.append(f"length ..{rules.max_length}")
    if rules.minimum is not None or rules.maximum is not None:
        words.append(f"range {bound(rules.minimum)}..{bound(rules.maximum)}")
    return " ".join(words)


def bound(value):
    return "" if value is None else str(value)


def schema_line(member):
    sides = [rule_words(member.rules.get(v)) for v in member.owner_versions]
    if len(sides) == 2 and sides[0] != sides[1]:
        return f"{member.name} {sides[0]} | {sides[1]}".replace("  ", " ").rstrip()
    return f"{member.name} {sides[0]}".rstrip()


# MARK: Types


def object_type(o, supertypes="OCPPDataType", extra=()):
    lines = []
    if o.versions == ("v21",):
        lines.append("/// 2.1.")
    lines.append(f"public struct {o.name}: {supertypes} {{")
    for m in o.members:
        text = documentation(m)
        if text:
            lines.append(f"  /// {text}")
        lines.append(f"  public var {quoted(m.name)}: {swift_type(m)}{'' if m.is_required else '?'}")
    lines.append("")
    lines += initializer(o)
    lines.append("}")
    lines.append("")
    lines.append(f"extension {o.name} {{")
    lines += extra
    if o.versions == ("v21",):
        lines.append("  public static var firstVersion: OCPPVersion { .v21 }")
    lines += wrapped("  public static var blank: Self { Self(", blanks(o), ") }")
    lines.append("  static let schema = ObjectSchema(")
    lines.append('    """')
    lines += ["    " + schema_line(m) for m in o.members]
    lines.append('    """)')
    lines.append("")
    lines += reader(o)
    lines.append("")
    lines += writer(o)
    lines.append("}")
    return lines


def initializer(o):
    parameters = [
        f"{m.name}: {swift_type(m)}{'' if m.is_required else '? = nil'}" if m.name != "self" else None for m in o.members
    ]
    lines = [f"  public init({', '.join(parameters)}) {{"]
    if len(lines[0]) > WIDTH:
        lines = ["  public init("]
        line = "   "
        for index, parameter in enumerate(parameters):
            piece = " " + parameter + ("," if index + 1 < len(parameters) else "")
            if len(line) + len(piece) > WIDTH:
                lines.append(line)
                line = "   "
            line += piece
        lines += [line, "  ) {"]
    lines += [f"    self.{m.name} = {quoted(m.name)}" for m in o.members]
    lines.append("  }")
    return lines


def reader(o):
    lines = ["  @inline(never)", "  public mutating func read(from r: inout JSONReader) throws(JSONFailure) {"]
    lines.append("    var o = try r.beginObject(Self.schema)")
    if len(o.members) == 1:
        lines.append(f"    while try r.nextMember(&o) != nil {{ {read(o.members[0])} }}")
    else:
        lines.append("    while let member = try r.nextMember(&o) {")
        lines.append("      switch member {")
        for index, m in enumerate(o.members):
            label = f"case {index}" if index + 1 < len(o.members) else "default"
            lines.append(f"      {label}: {read(m)}")
        lines += ["      }", "    }"]
    lines.append("  }")
    return lines


def blanks(o):
    """Arguments for what must have a value before it is read; the reader sees to it that it is replaced."""
    return [f"{m.name}: {'[]' if m.is_array else PLACEHOLDERS.get(m.kind, '.blank')}" for m in o.members if m.is_required]


def call(function, arguments):
    line = f"    {function}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return [line]
    lines, line = [f"    {function}("], "     "
    for index, argument in enumerate(arguments):
        piece = " " + argument + ("," if index + 1 < len(arguments) else ")")
        if len(line) + len(piece) > WIDTH:
            lines.append(line)
            line = "     "
        line += piece
    return lines + [line]


def read(m):
    name = "self." + m.name
    if m.is_array:
        return f"{name} = try r." + {
            "object": f"objects(o, {m.type_name}.self)",
            "enum": f"enumerations(o, {m.type_name}.self)",
            "openEnum": f"openEnums(o, {m.type_name}.self)",
            "string": "strings(o)",
            "integer": "integers(o)",
        }[m.kind]
    if m.kind == "object":
        return f"try r.object(&{name})"
    return f"{name} = try r." + {
        "enum": f"enumeration({m.type_name}.self)",
        "openEnum": f"openEnum(o, {m.type_name}.self)",
        "string": "string(o)",
        "integer": "integer(o)",
        "decimal": "decimal(o)",
        "bool": "bool()",
        "dateTime": "dateTime()",
        "json": "value()",
    }[m.kind]


def writer(o):
    lines = ["  @inline(never)", "  public func write(into w: inout JSONWriter) {", "    w.beginObject()"]
    both = [m for m in o.members if len(o.versions) == 1 or "v201" in m.rules]
    newer = [m for m in o.members if m not in both]
    for m in both:
        lines.append("    " + write(m))
    if newer:
        lines.append("    if w.isV21 {")
        for m in newer:
            lines.append("      " + write(m))
        lines.append("    }")
    lines += ["    w.endObject()", "  }"]
    return lines


def write(m):
    name = quoted(m.name)
    if m.is_array:
        function = {
            "object": "objects", "enum": "enumerations", "openEnum": "openEnums", "string": "strings",
            "integer": "integers",
        }[m.kind]
    else:
        function = {
            "object": "object", "enum": "enumeration" if m.is_required else "optional", "openEnum": "openEnum",
            "string": "string", "integer": "integer", "decimal": "decimal", "bool": "bool", "dateTime": "dateTime",
            "json": "json",
        }[m.kind]
        if any(r.integer for r in m.rules.values()):
            function = "integral201"
    statement = f'w.{function}("{m.name}", {name})'
    if m.is_required:
        return statement
    condition = f"if let {name}" + (f", !{name}.isEmpty" if m.is_array else "")
    return f"{condition} {{ {statement} }}"


# MARK: Enumerations


def enum_type(e, has_blank):
    lines = []
    if e.versions == ("v21",):
        lines.append("/// 2.1.")
    lines.append(f"public enum {e.name}: String, OCPPEnum, OCPPCodedEnum {{")
    names = case_names(e.values)
    for name, value in zip(names, e.values):
        if value in e.only_in_21:
            lines.append("  /// 2.1.")
        lines.append(f'  case {quoted(name)}' + (f' = "{value}"' if name != value else ""))
    if e.only_in_21:
        lines.append("")
        only = [names[e.values.index(v)] for v in e.only_in_21]
        lines += wrapped("  public static var onlyIn21: [Self] { [", [f".{n}" for n in only], "] }")
    lines.append("")
    lines.append("  static let table = EnumTable(Self.self)")
    if has_blank:
        lines.append(f"  static var blank: Self {{ .{names[0]} }}")
    lines.append("}")
    return lines


def wrapped(head, items, tail):
    line = head + ", ".join(items) + tail
    if len(line) <= WIDTH:
        return [line]
    lines, line = [head.rstrip()], "   "
    for index, item in enumerate(items):
        piece = " " + item + ("," if index + 1 < len(items) else "")
        if len(line) + len(piece) > WIDTH:
            lines.append(line)
            line = "   "
        line += piece
    return lines + [line, "  " + tail]


def open_enum_type(e):
    names = case_names(e.values)
    lines = [
        "/// In 2.0.1 one of the values named here, in 2.1 any string.",
        f"public struct {e.name}: OCPPOpenEnum, OCPPCodedOpenEnum {{",
        f"  public static let maxLength = {e.max_length}",
        "  public let rawValue: String",
        "  public init(unchecked rawValue: String) { self.rawValue = rawValue }",
        "",
    ]
    for name, value in zip(names, e.values):
        lines.append(f'  public static let {quoted(name)} = Self(unchecked: "{value}")')
    lines.append("")
    lines += wrapped("  public static var allCases: [Self] { [", [f".{n}" for n in names], "] }")
    lines.append("")
    lines.append("  static let names = EnumNames(allCases.map(\\.rawValue))")
    lines.append('  static var blank: Self { Self(unchecked: "") }')
    lines.append("}")
    return lines
