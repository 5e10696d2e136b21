"""Block N, customer information (N09, N10)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from checks import authorization_cache, local_list, local_start, supported
from csms import Message, present
from rig import Rig
from states import Session, id_token_cached, id_token_local_auth_list, listed

requirement = pytest.mark.requirement

SETTINGS = {
    "LocalAuthListCtrlr/Enabled": "true",
    "AuthCtrlr/LocalPreAuthorize": "true",
    "AuthCacheCtrlr/Enabled": "true",
}


def identity(rig: Rig) -> dict:
    return {"idToken": rig.token.json}


async def customer(
    rig: Rig, report: bool, clear: bool, reference: dict, id: int = 1, status: str = "Accepted"
) -> Message:
    payload = {"requestId": id, "report": report, "clear": clear, **reference}
    return (await supported(rig, "CustomerInformation", payload)).check({"status": status})


async def told(rig: Rig, id: int = 1) -> str:
    """All parts of a report, checked as a series."""
    text, number = "", 0
    while True:
        part = await rig.csms.expect("NotifyCustomerInformation", {"requestId": id})
        part.check({"seqNo": number, "generatedAt": rig.is_now})
        text += part["data"]
        if not part.payload.get("tbc", False):
            return text
        number += 1


async def known(rig: Rig, *, in_list: bool = True) -> None:
    """A token that is in cache and list, and whose session is over."""
    await rig.start(SETTINGS)
    local_start(rig)
    await authorization_cache(rig)
    await id_token_cached(rig)
    if in_list:
        await local_list(rig)
        await id_token_local_auth_list(rig, listed(rig.token))
    rig.csms.forget()


@requirement("N09.FR.01", "N09.FR.02", "N09.FR.05")
async def test_TC_N_27_CS(rig: Rig):
    """Report: the station knows the customer"""
    await known(rig)
    await customer(rig, True, False, identity(rig))
    text = await told(rig)
    assert "Authorization cache" in text and "Local authorization list" in text and rig.token.id in text


@requirement("N09.FR.02", "N09.FR.06")
async def test_TC_N_28_CS(rig: Rig):
    """Report: the station does not know the customer"""
    await rig.start(SETTINGS)
    await customer(rig, False, True, identity(rig))
    await told(rig)
    await customer(rig, True, False, identity(rig), 2)
    (await rig.csms.expect("NotifyCustomerInformation")).check({"data": "", "seqNo": 0, "requestId": 2})


@requirement("N09.FR.03", "N09.FR.09")
async def test_TC_N_29_CS(rig: Rig):
    """Report: a request without a reference is Invalid, as is one with two"""
    await rig.start(SETTINGS)
    await customer(rig, True, False, {}, status="Invalid")
    await customer(rig, True, False, identity(rig) | {"customerIdentifier": "c1"}, status="Invalid")


@requirement("N10.FR.01", "N10.FR.03")
async def test_TC_N_30_CS(rig: Rig):
    """Clear and report: the station knows the customer; the local list stays"""
    await known(rig)
    await customer(rig, True, True, identity(rig))
    assert "Authorization cache" in await told(rig)
    await customer(rig, True, False, identity(rig), 2)
    part = (await rig.csms.expect("NotifyCustomerInformation")).check({"requestId": 2, "data": present})
    assert not part.payload.get("tbc", False)
    assert "Authorization cache" not in part["data"] and "Local authorization list" in part["data"]


@requirement("N10.FR.01", "N10.FR.04")
async def test_TC_N_31_CS(rig: Rig):
    """Clear and report: the station does not know the customer"""
    await rig.start(SETTINGS)
    await customer(rig, True, True, identity(rig))
    assert await told(rig) == ""


@requirement("N10.FR.01", "N10.FR.06")
async def test_TC_N_32_CS(rig: Rig):
    """Clear without a report"""
    await rig.start(SETTINGS)
    await customer(rig, False, True, identity(rig))
    assert "cleared" in await told(rig)


@requirement("N10.FR.05", "N10.FR.08", "N09.FR.09")
async def test_TC_N_33_CS(rig: Rig):
    """Clear: a request without a reference is Invalid"""
    await rig.start(SETTINGS)
    await customer(rig, True, True, {}, status="Invalid")


@requirement("N09.FR.07", "N10.FR.07")
async def test_neither_report_nor_clear(rig: Rig):
    """Neither report nor clear: Rejected"""
    await rig.start(SETTINGS)
    await customer(rig, False, False, identity(rig), status="Rejected")


@requirement("N10.FR.01", "N10.FR.03")
async def test_TC_N_62_CS(rig: Rig):
    """Clear and report by a customer identifier: the group that the CSMS gave the token"""
    await rig.start(SETTINGS)
    local_start(rig)
    await authorization_cache(rig)
    await id_token_cached(rig, groupIdToken={"idToken": "customer-4711", "type": "Central"})
    reference = {"customerIdentifier": "customer-4711"}
    await customer(rig, True, True, reference)
    assert "customer-4711" in await told(rig)
    await customer(rig, True, False, reference, 2)
    assert await told(rig, 2) == ""


@requirement("N10.FR.01", "N10.FR.03")
async def test_TC_N_63_CS(rig: Rig):
    """Clear and report by a certificate: none is ever stored"""
    await rig.start(SETTINGS)
    certificate = {
        "hashAlgorithm": "SHA256", "issuerNameHash": "ab" * 32, "issuerKeyHash": "cd" * 32, "serialNumber": "0f"
    }  # fmt: skip
    await customer(rig, True, True, {"customerCertificate": certificate})
    await told(rig)
    await customer(rig, True, False, {"customerCertificate": certificate}, 2)
    assert await told(rig, 2) == ""


def mentions(folder: Path, text: str) -> list[str]:
    """The files below the folder that hold this text, in whatever case."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and text.lower().encode() in path.read_bytes().lower()
    ]


@requirement("N10.FR.03", "N10.FR.06")
async def test_cleared_from_the_medium(rig: Rig):
    """What is cleared is in no file any more: ledger with its unused pages and log, diagnostics log, message log"""
    await known(rig, in_list=False)
    data = rig.folder / "data"
    assert mentions(data, rig.token.id), "nothing to be cleared"
    await customer(rig, True, True, identity(rig))
    assert "Diagnostics log" in await told(rig)
    assert mentions(data, rig.token.id) == []
    assert mentions(rig.folder, rig.token.id) == []
    # Nor does the asking bring it back.
    await customer(rig, True, False, identity(rig), 2)
    assert await told(rig, 2) == ""
    await rig.station.stop()
    assert mentions(data, rig.token.id) == []
    with sqlite3.connect(data / "ledger.sqlite") as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@requirement("N10.FR.03")
async def test_open_transaction_is_kept(rig: Rig):
    """A transaction that is not over is kept, and the report says so"""
    await rig.start(SETTINGS)
    local_start(rig)
    session = Session(rig)
    await session.authorized()
    await session.ev_connected_pre_session()
    await customer(rig, True, True, identity(rig))
    text = await told(rig)
    assert "Kept until the CSMS has it" in text and str(session.transaction_id) in text
    await session.parking_bay_unoccupied()
