"""What a CSMS does with a signed meter value: OCMF records (1.4.1) and their signature, verified with the PyPI package cryptography."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from checks import ENERGY

#: The station whose meter signs.
SIGNED = "ac-signed-meter"
METHOD = "ECDSA-secp256r1-SHA256"
KEY = "oca:base16:asn1:"


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Of the publicKey field, as the OCA's note on signed meter values has it."""
    name = base64.b64decode(text, validate=True).decode()
    assert name.startswith(KEY), f"public key {name!r}"
    key = serialization.load_der_public_key(bytes.fromhex(name.removeprefix(KEY)))
    assert isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1", key
    return key


def record(sample: dict) -> tuple[str, dict, bytes]:
    """Payload as signed, the same read, and the signature, of a sample's signed value."""
    signed = sample["signedMeterValue"]
    assert signed["encodingMethod"] == "OCMF" and signed["signingMethod"] == METHOD, signed
    head, payload, tail = base64.b64decode(signed["signedMeterData"], validate=True).decode().split("|")
    assert head == "OCMF", head
    section = json.loads(tail)
    assert section["SA"] == METHOD, section
    return payload, json.loads(payload, parse_float=Decimal), bytes.fromhex(section["SD"])


def is_genuine(payload: str, signature: bytes, key: ec.EllipticCurvePublicKey) -> bool:
    try:
        key.verify(signature, payload.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def verify(samples: list[dict], key: ec.EllipticCurvePublicKey) -> None:
    """Each of these samples is the register, signed by the key's owner, and says the same as the record."""
    assert samples
    for sample in samples:
        payload, values, signature = record(sample)
        assert is_genuine(payload, signature, key), f"the signature does not verify: {sample}"
        # One digit more, and it does not.
        assert not is_genuine(payload.replace("kWh", "MWh"), signature, key), "anything verifies"
        assert sample.get("measurand", ENERGY) == ENERGY and sample["unitOfMeasure"]["unit"] == "Wh", sample
        reading = values["RD"][0]
        assert reading["RU"] == "kWh" and reading["RV"] * 1000 == Decimal(str(sample["value"])), sample
    pages = [int(record(sample)[1]["PG"].removeprefix("F")) for sample in samples]
    assert pages == sorted(pages), f"the records are numbered {pages}"
