"""Reads the schemas of both versions and merges them into one set of types."""

import importlib.metadata
import importlib.util
import json
import os
from dataclasses import dataclass, field

PACKAGE_VERSION = "2.1.0"
VERSIONS = ("v201", "v21")
# Keywords that say nothing about what is valid.
ANNOTATIONS = {"$schema", "$id", "comment", "description", "javaType", "default", "definitions"}


class SchemaError(Exception):
    pass


@dataclass
class Rules:
    """What one version demands of a member."""

    required: bool = False
    integer: bool = False
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    min_items: int | None = None
    max_items: int | None = None


@dataclass
class Member:
    name: str
    # string integer decimal bool dateTime json enum openEnum object
    kind: str
    type_name: str | None
    is_array: bool
    # Version to Rules; a version that lacks the member is absent.
    rules: dict
    default: object = None

    @property
    def is_required(self):
        """In every version, so that the Swift property is not optional."""
        return all(v in self.rules and self.rules[v].required for v in VERSIONS if v in self.owner_versions)

    owner_versions: tuple = VERSIONS


@dataclass
class ObjectType:
    name: str
    versions: tuple
    members: list
    is_message: bool = False


@dataclass
class EnumType:
    name: str
    versions: tuple
    values: list
    only_in_21: list = field(default_factory=list)
    # Longest value, when 2.1 allows any string.
    max_length: int | None = None


@dataclass
class Model:
    objects: list
    enums: list
    open_enums: list
    messages: list


def folder():
    spec = importlib.util.find_spec("ocpp")
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError(f"this Python has no package `ocpp`; expected version {PACKAGE_VERSION}")
    version = importlib.metadata.version("ocpp")
    if version != PACKAGE_VERSION:
        raise SchemaError(f"the package `ocpp` is version {version}; expected {PACKAGE_VERSION}")
    return spec.submodule_search_locations[0]


def read(version):
    """Schema by name."""
    path = os.path.join(folder(), version, "schemas")
    result = {}
    for name in sorted(os.listdir(path)):
        with open(os.path.join(path, name), encoding="utf-8-sig") as f:
            result[name.removesuffix(".json")] = json.load(f)
    return result


def bare(schema):
    """The schema without annotations, for comparison."""
    if isinstance(schema, list):
        return [bare(x) for x in schema]
    if not isinstance(schema, dict):
        return schema
    result = {k: bare(v) for k, v in schema.items() if k not in ANNOTATIONS and k != "properties"}
    if "properties" in schema:
        result["properties"] = {k: bare(v) for k, v in schema["properties"].items()}
    return result


def definitions(schemas):
    """Definition by name; a name must mean the same in all schemas of a version."""
    result = {}
    for owner, schema in schemas.items():
        for name, definition in schema.get("definitions", {}).items():
            if name in result and bare(result[name]) != bare(definition):
                raise SchemaError(f"{name} in {owner} differs from {name} elsewhere")
            result.setdefault(name, definition)
    return result


def whole(value, where):
    if value is None:
        return None
    if value != int(value):
        raise SchemaError(f"{where}: bound {value} is not a whole number")
    return int(value)


class Merger:
    def __init__(self):
        self.schemas = {v: read(v) for v in VERSIONS}
        self.definitions = {v: definitions(s) for v, s in self.schemas.items()}
        self.open_lengths = {}

    def versions_of(self, tables, name):
        return tuple(v for v in VERSIONS if name in tables[v])

    def kind(self, version, schema, where):
        """(kind, type name, rules without `required`) of one member's or item's schema."""
        known = {"$ref", "type", "format", "maxLength", "minimum", "maximum"} | ANNOTATIONS
        unknown = set(schema) - known
        if unknown:
            raise SchemaError(f"{where}: keyword {sorted(unknown)} is not handled")
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/definitions/")
            return ("enum" if "enum" in self.definitions[version][name] else "object", name, Rules())
        kind = {
            "string": "string", "integer": "integer", "number": "decimal", "boolean": "bool", None: "json"
        }.get(schema.get("type"), "?")
        if kind == "string" and schema.get("format") == "date-time":
            kind = "dateTime"
        elif "format" in schema or kind == "?":
            raise SchemaError(f"{where}: {schema} is not handled")
        rules = Rules(
            max_length=schema.get("maxLength"),
            minimum=whole(schema.get("minimum"), where),
            maximum=whole(schema.get("maximum"), where),
        )
        return kind, None, rules

    def shape(self, version, schema, where):
        if schema.get("type") != "array":
            kind, name, rules = self.kind(version, schema, where)
            return kind, name, False, rules
        unknown = set(schema) - {"type", "items", "additionalItems", "minItems", "maxItems"} - ANNOTATIONS
        if unknown:
            raise SchemaError(f"{where}: keyword {sorted(unknown)} is not handled")
        kind, name, rules = self.kind(version, schema["items"], where)
        rules.min_items = schema.get("minItems")
        rules.max_items = schema.get("maxItems")
        return kind, name, True, rules

    def member(self, owner, versions, name, tables):
        found = {}
        default = None
        for version in versions:
            schema = tables[version]["properties"].get(name)
            if schema is None:
                continue
            kind, type_name, is_array, rules = self.shape(version, schema, f"{version} {owner}.{name}")
            rules.required = name in tables[version].get("required", [])
            found[version] = [kind, type_name, is_array, rules]
            default = schema.get("default", default)
        kinds = {tuple(f[:3]) for f in found.values()}
        if len(kinds) == 2:
            old, new = found["v201"], found["v21"]
            if (old[0], new[0], old[2]) == ("integer", "decimal", new[2]):
                old[0] = "decimal"
                old[3].integer = True
            elif (old[0], new[0], old[2]) == ("enum", "string", new[2]):
                self.open_lengths.setdefault(old[1], set()).add(new[3].max_length)
                old[0] = new[0] = "openEnum"
                new[1] = old[1]
            kinds = {tuple(f[:3]) for f in found.values()}
        if len(kinds) != 1:
            raise SchemaError(f"{owner}.{name} is {kinds}: this difference between the versions is not handled")
        kind, type_name, is_array = kinds.pop()
        return Member(name, kind, type_name, is_array, {v: f[3] for v, f in found.items()}, default, versions)

    def object(self, name, tables, is_message):
        versions = self.versions_of(tables, name)
        own = {v: tables[v][name] for v in versions}
        for version, schema in own.items():
            unknown = set(schema) - {"type", "properties", "required", "additionalProperties"} - ANNOTATIONS
            if unknown or schema.get("type") != "object" or schema.get("additionalProperties") is not False:
                raise SchemaError(f"{version} {name}: this kind of object is not handled")
        names = {n for schema in own.values() for n in schema.get("properties", {})}
        members = [self.member(name, versions, n, own) for n in sorted(names)]
        members.sort(key=lambda m: (not m.is_required, m.name == "customData", m.name))
        if len(members) > 64:
            raise SchemaError(f"{name} has more than 64 members")
        return ObjectType(name, versions, members, is_message)

    def enum(self, name):
        versions = self.versions_of(self.definitions, name)
        lists = {v: self.definitions[v][name]["enum"] for v in versions}
        values = [x for v in versions for x in lists[v]]
        values = list(dict.fromkeys(values))
        removed = [x for x in values if "v21" in lists and x not in lists["v21"]]
        if removed:
            raise SchemaError(f"{name}: values {removed} are not in 2.1; this is not handled")
        only = [x for x in values if "v201" in lists and x not in lists["v201"]]
        return EnumType(name, versions, values, only)

    def merge(self):
        self.check_custom_data()
        names = sorted(set().union(*self.definitions.values()) - {"CustomDataType"})
        is_enum = {n: any("enum" in self.definitions[v].get(n, {}) for v in VERSIONS) for n in names}
        objects = [self.object(n, self.definitions, False) for n in names if not is_enum[n]]
        messages = [self.object(n, self.schemas, True) for n in sorted(set().union(*self.schemas.values()))]
        enums, open_enums = [], []
        for name in (n for n in names if is_enum[n]):
            enum = self.enum(name)
            if name not in self.open_lengths:
                enums.append(enum)
                continue
            if len(self.open_lengths[name]) != 1 or enum.versions != ("v201",):
                raise SchemaError(f"{name} is both a list and a string in 2.1; this is not handled")
            enum.max_length = self.open_lengths[name].pop()
            open_enums.append(enum)
        self.check_no_cycle(objects)
        return Model(objects, enums, open_enums, messages)

    def check_custom_data(self):
        expected = {
            "type": "object", "required": ["vendorId"],
            "properties": {"vendorId": {"type": "string", "maxLength": 255}},
        }
        for version in VERSIONS:
            if bare(self.definitions[version]["CustomDataType"]) != expected:
                raise SchemaError(f"{version} CustomDataType is not what CustomDataType.swift implements")

    def check_no_cycle(self, objects):
        uses = {o.name: {m.type_name for m in o.members if m.kind == "object"} for o in objects}
        while uses:
            leaves = [n for n, used in uses.items() if not used & set(uses)]
            if not leaves:
                raise SchemaError(f"types that contain themselves: {sorted(uses)}")
            for name in leaves:
                del uses[name]


def load():
    return Merger().merge()
