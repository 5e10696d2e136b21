"""Every measurand of every meter model that OCPP names, from the registers of an independent encoder to what the core is told."""

import pytest

import encoder
from conftest import poll

#: Quantity of a model -> measurands of its positive and its negative part; what the core has fields for is not here.
BOTH = {"power": ("Power.Active.Import", "Power.Active.Export"), "powerReactive": ("Power.Reactive.Import", "Power.Reactive.Export")}
ONE = {"energyImport": "Energy.Active.Import.Register", "energyExport": "Energy.Active.Export.Register", "powerFactor": "Power.Factor"}
#: No measurand of OCPP.
NONE = {"energySum", "temperature"}
#: Told by fields of their own when they are of the whole (or, the second two, of a phase).
FIELDS = {"energyImport", "energyExport", "power", "frequency"}, {"current", "voltage"}


def expected(image):
    """Measurand and phase -> thousandths."""
    values = {}
    for name in image.model["quantities"]:
        kind, _, phase = name.partition(".")
        if kind in NONE or kind in FIELDS[bool(phase)]:
            continue
        value, place = image.expected[name], f" {phase}" if phase else ""
        if kind in BOTH:
            values |= {BOTH[kind][0] + place: max(0, value), BOTH[kind][1] + place: max(0, -value)}
        else:
            values[ONE[kind] + place] = value
    return values


def swapped(values):
    """As a meter that is wired backwards is read: import is export; of a power factor the magnitude is left."""
    words = {"Import": "Export", "Export": "Import"}
    result = {}
    for name, value in values.items():
        turned = " ".join(".".join(words.get(part, part) for part in word.split(".")) for word in name.split(" "))
        result[turned] = abs(value) if name.startswith("Power.Factor") else value
    return result


def read(slaves_on, model, **fields):
    """The first and the last good report of a meter of this model."""
    unit = encoder.models().index(model) + 1
    reports, statistics = poll(slaves_on("tcp", "models"), 3, [unit], model, pollIntervalMs=500, **fields)
    good = [report for report in reports if report["quality"] == "good"]
    assert good and not any(report["raised"] for report in reports), reports
    assert statistics["failures"] <= 2, "more than a refused block read"
    return good[0], good[-1]


@pytest.mark.parametrize("model", encoder.models())
def test_all_measurands(slaves_on, model):
    image = encoder.Image(model)
    first, last = read(slaves_on, model)
    assert first["energyImport"] == image.expected["energyImport"], "the first poll waits for nothing that is slow"
    assert last.get("others", {}) == expected(image)


@pytest.mark.parametrize("model", ["abb-b23", "eastron-sdm630", "inepro-pro380"])
def test_wired_backwards(slaves_on, model):
    _, last = read(slaves_on, model, inverted=True)
    assert last["others"] == swapped(expected(encoder.Image(model)))


def test_no_measurand_is_forgotten():
    every = set().union(*(expected(encoder.Image(model)) for model in encoder.models()))
    kinds = (*ONE.values(), *BOTH["power"], *BOTH["powerReactive"])
    assert every >= {f"{kind} L{phase}" for kind in kinds for phase in (1, 2, 3)} | {"Power.Factor", "Power.Reactive.Import"}
