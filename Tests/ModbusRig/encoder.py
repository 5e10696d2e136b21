"""Puts values into registers as a meter model says: written from the format's description, without the station's code.

A model file is DeviceModel/meters/MODEL.json. `Image` holds the registers of one device; `expected` is what a reader must
make of them, in thousandths of the unit.
"""

import json
import random
import struct
from fractions import Fraction
from pathlib import Path

METERS = Path(__file__).resolve().parents[2] / "DeviceModel" / "meters"
WORDS = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2, "decimal32": 2, "udecimal32": 2,
         "int64": 4, "uint64": 4, "float64": 4}


def models():
    return sorted(path.stem for path in METERS.glob("*.json"))


def load(model):
    return json.loads((METERS / f"{model}.json").read_text())


def words(value, bits):
    value &= (1 << bits) - 1
    return [value >> shift & 0xFFFF for shift in range(bits - 16, -16, -16)]


def encode(kind, raw):
    """The registers of a raw value, high word first. decimal32: a pair of value and exponent."""
    if kind == "float32":
        return list(struct.unpack(">HH", struct.pack(">f", raw)))
    if kind == "float64":
        return list(struct.unpack(">HHHH", struct.pack(">d", raw)))
    if kind in ("decimal32", "udecimal32"):
        value, exponent = raw
        return words((exponent & 0xFF) << 24 | (value & 0xFFFFFF), 32)
    return words(raw, 16 * WORDS[kind])


def thousandths(number):
    """A Fraction in thousandths, halves away from zero."""
    scaled = abs(number) * 1000
    whole = int(scaled + Fraction(1, 2))
    return -whole if number < 0 else whole


class Image:
    """The registers of one device."""

    def __init__(self, model, seed=1):
        self.model = load(model)
        self.registers = {3: {}, 4: {}}
        self.expected = {}
        self.random = random.Random(f"{model} {seed}")
        for name, field in self.model.get("identity", {}).items():
            self.identity(name, field)
        exponents = {}
        for name, field in sorted(self.model["quantities"].items()):
            self.quantity(name, field, exponents)
        if self.model.get("maxGap", 0):
            self.fill_gaps(self.model["maxGap"])

    def store(self, field, registers):
        function = field.get("functionCode", self.model["functionCode"])
        order = field.get("wordOrder", self.model["wordOrder"])
        space = self.registers[function]
        for offset, word in enumerate(registers if order == "high-first" else registers[::-1]):
            place = field["address"] + offset
            assert space.get(place, word) == word, f"register {place} has two values"
            space[place] = word

    def identity(self, name, field):
        if field["type"] == "string":
            text = field.get("matches", "") + f"{name[:3].upper()}42"
            text = text[: 2 * field["registers"]]
            data = text.encode().ljust(2 * field["registers"], b"\0")
            registers = list(struct.unpack(f">{field['registers']}H", data))
            self.store({**field, "wordOrder": "high-first"}, registers)
            self.expected[name] = text
        else:
            values = field.get("values")
            raw = int(next(iter(values)), 0) if values else 12345
            self.store(field, encode(field["type"], raw))
            self.expected[name] = next(iter(values.values())) if values else str(raw)

    def quantity(self, name, field, exponents):
        total = Fraction(0)
        for part in field.get("parts", [field]):
            total += self.part(name, part, exponents, bool(field.get("parts")))
        prefix = 1000 if field.get("unit", "").startswith("k") else 1
        self.expected[name] = thousandths(total * prefix)

    def part(self, name, part, exponents, is_part):
        kind = part["type"]
        scale = Fraction(str(part.get("scale", 1)))
        power = 0
        if "exponent" in part:
            place = part["exponent"]["address"]
            if place not in exponents:
                exponents[place] = {"energy": -1, "power": 1}.get(name.split(".")[0].removesuffix("Import").removesuffix("Export"), -2)
                self.store({**part["exponent"], "wordOrder": "high-first"}, words(exponents[place], 16))
            power = exponents[place] + part["exponent"].get("bias", 0)
        # A different, realistic value for each quantity; the same place may be read as two quantities.
        key = ("raw", part["address"])
        if key in exponents:
            raw = exponents[key]
        else:
            raw = exponents[key] = self.raw(name, kind, scale * Fraction(10) ** power, is_part)
        self.store(part, encode(kind, raw))
        if kind == "float32":
            number = Fraction(struct.unpack(">f", struct.pack(">f", raw))[0])
        elif kind in ("decimal32", "udecimal32"):
            number = Fraction(raw[0]) * Fraction(10) ** raw[1]
        else:
            number = Fraction(raw)
        return number * scale * Fraction(10) ** power

    def raw(self, name, kind, scale, is_part):
        base = name.split(".")[0]
        low, high = {
            "voltage": (220, 240), "current": (6, 31), "power": (-6000, 11000), "powerReactive": (-900, 900),
            "powerFactor": (-1, 1), "frequency": (49.9, 50.1), "temperature": (-20, 60),
        }.get(base, (10**6, 9 * 10**6))
        if base == "power" and kind.startswith("u"):
            low = 0
        if is_part:
            low, high = (0, 999) if scale == 1 else (10**6, 2 * 10**6)
        value = self.random.uniform(low, high)
        if kind in ("float32", "float64"):
            return value / float(scale)
        if kind in ("decimal32", "udecimal32"):
            exponent = -3
            while abs(value) * 10 ** -exponent > 8_000_000:
                exponent += 1
            return int(value * 10**-exponent), exponent
        if kind in ("int64", "uint64") and "energy" in base:
            # Beyond what a double holds exactly.
            return 2**53 // 10 + self.random.randrange(10**6) * 2 + 1
        return int(Fraction(value) / scale)

    def fill_gaps(self, gap):
        """What may be read over is there, with a pattern that no value has."""
        for space in self.registers.values():
            places = sorted(space)
            for a, b in zip(places, places[1:]):
                if b - a - 1 <= gap:
                    for place in range(a + 1, b):
                        space[place] = 0x7FC1
