"""Samples derived from a JSON schema: valid ones, and for each constraint on each path one that violates it alone."""

from dataclasses import dataclass

TYPE = "TypeConstraintViolation"
PROPERTY = "PropertyConstraintViolation"
OCCURRENCE = "OccurrenceConstraintViolation"

DATE_TIME = "2026-03-14T09:26:53.589Z"
# One of each JSON type.
VALUES = {"string": "x", "integer": 7, "number": 7.5, "boolean": True, "array": [], "object": {}, "null": None}
FITS = {
    "string": {"string"}, "integer": {"integer"}, "number": {"integer", "number"}, "boolean": {"boolean"},
    "array": {"array"}, "object": {"object"},
}


@dataclass
class Sample:
    value: object
    # What was done to it, for people.
    label: str
    # Error code and path of the violation; both None when valid.
    code: str | None = None
    path: str | None = None


class Deriver:
    def __init__(self, schema):
        self.definitions = schema.get("definitions", {})

    def resolve(self, schema):
        if "$ref" in schema:
            return self.definitions[schema["$ref"].removeprefix("#/definitions/")]
        return schema

    # MARK: Valid values

    def minimal(self, schema):
        schema = self.resolve(schema)
        kind = schema.get("type")
        if "enum" in schema:
            return schema["enum"][0]
        if kind == "object":
            return {n: self.minimal(schema["properties"][n]) for n in schema.get("required", [])}
        if kind == "array":
            return [self.minimal(schema["items"])] * schema.get("minItems", 0)
        if kind == "string":
            return DATE_TIME if schema.get("format") == "date-time" else "x"
        if kind in ("integer", "number"):
            return int(max(schema.get("minimum", 0), min(schema.get("maximum", 1), 1)))
        if kind == "boolean":
            return False
        return "anything"

    def maximal(self, schema):
        schema = self.resolve(schema)
        kind = schema.get("type")
        if "enum" in schema:
            return schema["enum"][-1]
        if kind == "object":
            value = {n: self.maximal(s) for n, s in schema.get("properties", {}).items()}
            if schema.get("additionalProperties") is not False:
                value["other"] = {"list": [1, 2.5, "three", None, {}], "vendorId": ""}
            return value
        if kind == "array":
            count = max(1, min(2, schema.get("maxItems", 2)), schema.get("minItems", 0))
            return [self.maximal(schema["items"])] * count
        if kind == "string":
            return DATE_TIME if schema.get("format") == "date-time" else "Größe \"\\/\b\f\n\r\t\x01 \U0001F50C"[
                : schema.get("maxLength")]
        if kind == "integer":
            return int(min(schema.get("maximum", 2**63 - 1), 2**63 - 1))
        if kind == "number":
            return min(schema.get("maximum", 1234567.891), 1234567.891)
        if kind == "boolean":
            return True
        return {"a": [None, False, {"b": -0.000001}]}

    # MARK: Variants

    def variants(self, schema, path=""):
        """Samples of this schema, one deviation each, the violations with their paths."""
        schema = self.resolve(schema)
        kind = schema.get("type")
        yield from self.types(schema, kind, path)
        if "enum" in schema:
            yield from self.enum(schema, path)
        elif kind == "object":
            yield from self.object(schema, path)
        elif kind == "array":
            yield from self.array(schema, path)
        elif kind == "string":
            yield from self.string(schema, path)
        elif kind in ("integer", "number"):
            yield from self.number(schema, kind, path)

    def types(self, schema, kind, path):
        for name, value in VALUES.items():
            if kind is None:
                yield Sample(value, f"any: {name}")
            elif name not in FITS[kind]:
                yield Sample(value, f"{name} for {kind}", TYPE, path)

    def enum(self, schema, path):
        for value in schema["enum"]:
            yield Sample(value, f"value {value}")
        for value in ("", "__none", schema["enum"][0] + " ", schema["enum"][0].swapcase()):
            yield Sample(value, f"value {value!r}", PROPERTY, path)

    def string(self, schema, path):
        longest = schema.get("maxLength")
        if schema.get("format") == "date-time":
            return
        yield Sample("", "empty")
        if longest is not None:
            for character in ("x", "ü", "\U0001F50C"):
                yield Sample(character * longest, "as long as allowed")
            yield Sample("x" * (longest + 1), "too long", PROPERTY, path)
            yield Sample("\U0001F50C" * (longest + 1), "too long in code points", PROPERTY, path)

    def number(self, schema, kind, path):
        low, high = schema.get("minimum"), schema.get("maximum")
        steps = [1] if kind == "integer" else [1, 0.001]
        for bound, sign in ((low, -1), (high, 1)):
            if bound is None:
                yield Sample(sign * 1000000, "unbounded")
                continue
            yield Sample(int(bound), "at the bound")
            for step in steps:
                yield Sample(int(bound) + sign * step, "out of bounds", PROPERTY, path)
        if kind == "number" and low is None and high is None:
            for value in (0.1, -0.1, 16.02, 1e-6, 123456789.123456, 1e15):
                yield Sample(value, "decimal")

    def array(self, schema, path):
        item = schema["items"]
        low, high = schema.get("minItems", 0), schema.get("maxItems")
        one = self.minimal(item)
        for count in range(low):
            yield Sample([one] * count, "too few items", OCCURRENCE, path)
        if high is not None:
            yield Sample([one] * high, "as many items as allowed")
            yield Sample([one] * (high + 1), "too many items", OCCURRENCE, path)
        for variant in self.variants(item, f"{path}/0"):
            variant.value = [variant.value] + [one] * (low - 1)
            yield variant
        if high is None or high > 1:
            yield Sample([one, VALUES["null"]], "null item", TYPE, f"{path}/1")

    def object(self, schema, path):
        properties = schema.get("properties", {})
        minimal = self.minimal(schema)
        for name in schema.get("required", []):
            without = {k: v for k, v in minimal.items() if k != name}
            yield Sample(without, f"without {name}", OCCURRENCE, f"{path}/{name}")
        if schema.get("additionalProperties") is False:
            yield Sample({**minimal, "notInSchema": 1}, "extra member", OCCURRENCE, f"{path}/notInSchema")
            if properties:
                known = next(iter(properties))
                other = known[0].swapcase() + known[1:]
                yield Sample({**minimal, other: 1}, "member in other case", OCCURRENCE, f"{path}/{other}")
        else:
            yield Sample({**minimal, "notInSchema": {"a": [1, None]}}, "extra member where allowed")
        for name, member in properties.items():
            for variant in self.variants(member, f"{path}/{name}"):
                variant.value = {**minimal, name: variant.value}
                yield variant


def derive(schema):
    deriver = Deriver(schema)
    yield Sample(deriver.minimal(schema), "minimal")
    yield Sample(deriver.maximal(schema), "maximal")
    yield from deriver.variants(schema)
