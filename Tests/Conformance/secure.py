"""Security profiles 2 and 3: the certificates of one test, a CSMS behind TLS, and Part 6's states about them."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from csms import ABSENT, Csms, Event, Front, Message
from csms.message import CALL
from csms.pki import Authority, hash_data, same_hash_data, server_context
from rig import Rig, address, not_applicable
from states import booted
from station_adapter import connection_data

#: Serial number of the station: the common name of its certificate (A00.FR.405, A00.FR.507).
SERIAL = "SN-0001"

#: What every test here is started with, over rig.QUIET. The password has the characters that an identifierString may have.
SETTINGS = {
    "InternalCtrlr/ChargeBoxSerialNumber": SERIAL,
    "SecurityCtrlr/BasicAuthPassword": "Abc-123=456:789@xyz",
    "OCPPCommCtrlr/NetworkProfileConnectionAttempts": "3",
}

ROOTS = {
    "CSMSRootCertificate": "ca/csms/CSMS_ROOT_CA.pem",
    "ManufacturerRootCertificate": "ca/mf/MF_ROOT_CA.pem",
}


class Certificates:
    """A root, a sub-CA that signs for the CSMS and for stations, and one certificate for each."""

    def __init__(self) -> None:
        self.root = Authority("CSMS Root")
        self.issuing = Authority("CSMS Sub CA", self.root)
        self.server = self.issuing.issue()
        self.station = self.issuing.issue(SERIAL, client=True)

    def front(self, profile: int) -> Front:
        """What the CSMS has at its port in this security profile."""
        if profile == 1:
            return None
        return server_context(self.server, client_root=self.root if profile == 3 else None)

    def provisioned(self, profile: int) -> dict[str, str]:
        """What the installer puts on the station for this security profile."""
        files = {}
        if profile >= 2:
            files[ROOTS["CSMSRootCertificate"]] = self.root.pem
        if profile == 3:
            files["client/csms/station.pem"] = self.station.chain
            files["client/csms/station.key"] = self.station.key_pem
        return files


async def start(
    rig: Rig,
    profile: int,
    settings: Mapping[str, str] | None = None,
    *,
    front: Front | str = "of the profile",
    made: Certificates | None = None,
    certificates: Mapping[str, str] | None = None,
    booted: bool = True,
    arguments: list[str] | None = None,
) -> Certificates:
    """A CSMS and a station in this security profile. Returns the certificates of the test, `made` if given.

    `front` stands in place of the CSMS' good TLS, `certificates` are on the station beside those it needs.
    """
    made = made or Certificates()
    settings = SETTINGS | {"SecurityCtrlr/SecurityProfile": str(profile)} | dict(settings or {})
    rig.csms.passwords = {rig.station_id: settings["SecurityCtrlr/BasicAuthPassword"]} if profile < 3 else None
    rig.csms.scheme = "ws" if profile == 1 else "wss"
    await rig.csms.start(front=made.front(profile) if isinstance(front, str) else front)
    await rig.start(
        settings,
        booted=booted,
        arguments=arguments,
        security_profile=profile,
        certificates=made.provisioned(profile) | dict(certificates or {}),
    )
    return made


def of_profile(rig: Rig, profile: int) -> dict[str, Any]:
    """connectionData of the CSMS that the station is connected with."""
    return connection_data(rig.csms.url, profile)


# What the CSMS sees of the connections


def last_event(rig: Rig, what: str, csms: Csms | None = None) -> Event | None:
    events = (csms or rig.csms).record.events(what)
    return events[-1] if events else None


async def reconnected(rig: Rig, after: Event | None, timeout: float | None = None) -> None:
    """The station is connected again, after the event `connected`."""
    await rig.csms.expect_event("connected", after=after, timeout=timeout)


async def refusals(csms: Csms, count: int = 1, after: Event | None = None) -> list[Event]:
    """Waits for `count` more TCP connections after `after`, none of which may come so far as to an HTTP request."""
    found: list[Event] = []
    for _ in range(count):
        after = await csms.expect_event("accepted", after=after, timeout=2 * csms.patience)
        found.append(after)
    return found


def attempts_after(csms: Csms, event: Event) -> list[Event]:
    """HTTP requests that came after `event`."""
    return [one for one in csms.record.events("attempt") if one.number > event.number]


def presented(rig: Rig) -> x509.Certificate:
    """The certificate that the station has shown on its connection."""
    tls = rig.csms.link.tls
    der = tls.getpeercert(True) if tls else None
    assert der, "the station has shown no certificate"
    return x509.load_der_x509_certificate(der)


def check_cipher_suites(tls: ssl.SSLObject) -> None:
    """A00.FR.313, 319, 321: TLS 1.2 or above, one of the two pairs of cipher suites, no compression."""
    assert tls.version() in ("TLSv1.2", "TLSv1.3"), tls.version()
    assert tls.compression() is None
    offered = {name for name, _, _ in tls.shared_ciphers() or []}
    pairs = (
        {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"},
        {"AES128-GCM-SHA256", "AES256-GCM-SHA384"},
    )
    assert any(pair <= offered for pair in pairs), f"offered: {', '.join(sorted(offered))}"


def check_key(key: Any) -> None:
    """A00.FR.502, 503: RSA of 2048 bits, elliptic curves of 224 bits at least."""
    least = 2048 if isinstance(key, rsa.RSAPublicKey) else 224
    assert key.key_size >= least, f"a key of {key.key_size} bits"


# Memory and reusable states


async def sign_certificate(rig: Rig, *, triggered: bool = True, step: str = "") -> Message:
    """RenewChargingStationCertificate, steps 1 to 4: TriggerMessage, and the station's request with a proper CSR."""
    if triggered:
        trigger = await rig.csms.call("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})
        trigger.check({"status": "Accepted"}, step or "step 2")
    request = await rig.csms.expect("SignCertificate", step=step)
    request.check({"certificateType": (ABSENT, "ChargingStationCertificate")}, step or "step 3")
    text = request["csr"]
    assert text.startswith("-----BEGIN CERTIFICATE REQUEST-----"), text
    csr = x509.load_pem_x509_csr(text.encode())
    assert csr.is_signature_valid, "the signing request is not signed by its key"
    check_key(csr.public_key())
    await rig.csms.answered(request)
    return request


async def certificate_signed(rig: Rig, chain: str, status: str = "Accepted") -> Message:
    """RenewChargingStationCertificate, steps 5 and 6."""
    payload = {"certificateChain": chain, "certificateType": "ChargingStationCertificate"}
    return (await rig.csms.call("CertificateSigned", payload)).check({"status": status}, "CertificateSigned")


async def renew_charging_station_certificate(
    rig: Rig, authority: Authority, *, triggered: bool = True, reconnects: bool = True
) -> str:
    """RenewChargingStationCertificate; with `reconnects` waits until the station is back. Returns the chain."""
    request = await sign_certificate(rig, triggered=triggered)
    chain = authority.sign(request["csr"])
    connected = last_event(rig, "connected")
    await certificate_signed(rig, chain)
    if reconnects:
        await reconnected(rig, connected)
    return chain


async def certificate_installed(
    rig: Rig, authority: Authority, use: str = "CSMSRootCertificate", status: str = "Accepted"
) -> None:
    """CertificateInstalled."""
    payload = {"certificateType": use, "certificate": authority.pem}
    (await rig.csms.call("InstallCertificate", payload)).check({"status": status}, "CertificateInstalled")


async def installed(rig: Rig, *types: str, status: str | tuple[str, ...] = "Accepted") -> list[dict]:
    """GetInstalledCertificateIds for these types (all without): the entries."""
    answer = await rig.csms.call("GetInstalledCertificateIds", {"certificateType": list(types)} if types else {})
    answer.check({"status": status}, "GetInstalledCertificates")
    found = answer.payload.get("certificateHashDataChain", [])
    assert bool(found) == (answer["status"] == "Accepted"), answer.raw
    assert not types or {one["certificateType"] for one in found} <= set(types), answer.raw
    return found


def is_among(entries: Sequence[dict], certificate: x509.Certificate, use: str, issuer: Any = None) -> bool:
    """Whether GetInstalledCertificateIds names this certificate, by the hash algorithm of its choice."""
    return any(
        one["certificateType"] == use
        and same_hash_data(
            one["certificateHashData"],
            hash_data(certificate, issuer, one["certificateHashData"]["hashAlgorithm"]),
        )
        for one in entries
    )


async def get_installed_certificates(rig: Rig, *wanted: tuple[str, Authority]) -> list[dict]:
    """GetInstalledCertificates: asks for these types, each authority must be there."""
    entries = await installed(rig, *dict.fromkeys(use for use, _ in wanted))
    for use, authority in wanted:
        issuer = authority.issuer.certificate if authority.issuer else None
        assert is_among(entries, authority.certificate, use, issuer), f"{authority.name} is not in {entries}"
    return entries


# Network connection profiles


async def set_network_profile(rig: Rig, slot: int, data: dict[str, Any], status: str = "Accepted") -> Message:
    """SetNetworkProfile."""
    payload = {"configurationSlot": slot, "connectionData": data}
    return (await rig.csms.call("SetNetworkProfile", payload)).check({"status": status}, "SetNetworkProfile")


async def set_variable(rig: Rig, component: str, variable: str, value: str) -> str:
    """SetVariables; the status."""
    data = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
    answer = await rig.csms.call("SetVariables", {"setVariableData": [data]})
    return answer["setVariableResult[0].attributeStatus"]


async def set_priority(rig: Rig, *slots: int) -> str:
    """SetVariables of NetworkConfigurationPriority; the status."""
    return await set_variable(rig, "OCPPCommCtrlr", "NetworkConfigurationPriority", ",".join(map(str, slots)))


async def two_slots(rig: Rig) -> None:
    """The test needs two configuration slots (B09.FR.06)."""
    asked = {"requestId": 4711, "componentVariable": [address("OCPPCommCtrlr/NetworkConfigurationPriority")]}
    await rig.csms.call("GetReport", asked)
    items = (await rig.csms.expect("NotifyReport", {"requestId": 4711})).payload["reportData"]
    slots = items[0]["variableCharacteristics"].get("valuesList", "")
    if len(slots.split(",")) < 2:
        not_applicable(f"one slot for network connection profiles only: {slots!r}")


async def migrate(rig: Rig, target: Csms, profile: int, *, priority: Sequence[int] = (2, 1)) -> None:
    """B09, B10: slot 2 is the other CSMS, it comes first, the station resets itself."""
    await set_network_profile(rig, 2, connection_data(target.url, profile))
    status = await set_priority(rig, *priority)
    assert status in ("Accepted", "RebootRequired"), status
    await rig.settle()
    rig.csms.forget()
    rig.reported.clear()
    (await rig.csms.call("Reset", {"type": "OnIdle"})).check({"status": "Accepted"}, "Reset")


async def booted_at(rig: Rig, csms: Csms, *, timeout: float | None = None) -> Message:
    """Booted at this CSMS, which from now on is the one the test talks with."""
    rig.csms = csms
    if timeout:
        await csms.connected(timeout)
    return await booted(rig)


async def expect_security_event(rig: Rig, type: str) -> Message:
    return await rig.csms.expect("SecurityEventNotification", {"type": type})


def security_events(rig: Rig) -> list[str]:
    """The types of all that the station has sent to the CSMS in question."""
    messages = rig.csms.record.messages("in")
    return [one["type"] for one in messages if one.kind == CALL and one.action == "SecurityEventNotification"]


async def still_works(rig: Rig) -> None:
    """The station answers, asks who may charge, and acts on the answer."""
    await rig.settle()
    rig.csms.forget()
    rig.csms.tokens.set(rig.other_token.id, "Unknown")
    await rig.station.swipe(rig.other_token.id, rig.other_token.type, rig.evse_id)
    await rig.csms.expect("Authorize", {"idToken.idToken": rig.other_token.id})
    await rig.csms.expect_none("TransactionEvent", seconds=0.1)
