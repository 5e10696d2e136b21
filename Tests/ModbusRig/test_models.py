"""Every meter model, served by another encoder and read back, to the last digit."""

import json
from decimal import Decimal

import pytest

import encoder
from conftest import Bus, meter


@pytest.fixture(scope="module", params=["tcp", "rtu"])
def all_models(request, tmp_path_factory):
    bus = Bus(request.param, tmp_path_factory.mktemp("bus"), ["models"])
    yield bus
    bus.stop()


@pytest.mark.parametrize("model", encoder.models())
def test_reads_back(all_models, model):
    unit = encoder.models().index(model) + 1
    code, out, err = meter("read", *all_models.options, "--unit", unit, "--model", model, "--json", "--limit-s", 60)
    assert code == 0, err
    answer = json.loads(out, parse_float=Decimal)
    image = encoder.Image(model)
    read = {value["quantity"]: value["value"] for value in answer["values"]}
    expected = {name: Decimal(image.expected[name]) / 1000 for name in image.model["quantities"]}
    assert {name: Decimal(value) for name, value in read.items()} == expected
    if "serialNumber" in image.expected:
        assert answer["serialNumber"] == image.expected["serialNumber"]
    for name, text in answer["identity"].items():
        assert text == image.expected[name]
    assert answer["statistics"]["failures"] <= 2, "more than a refused block read"


def test_the_models_are_the_expected_ones():
    assert set(encoder.models()) >= {
        "eastron-sdm630", "eastron-sdm72-v1", "eastron-sdm72-v2", "eastron-sdm120", "eastron-sdm230", "abb-b21", "abb-b23",
        "carlo-gavazzi-em340", "carlo-gavazzi-em24", "schneider-iem3000", "inepro-pro380", "iskra-wm3m4",
        "bauer-bsm-ws36a"}
