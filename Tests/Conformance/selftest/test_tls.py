"""The CSMS behind TLS: what it presents, what it asks for, and what stands at its port meanwhile."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from csms import Csms
from csms.fronts import answering, silence, stapling
from csms.pki import Authority, hash_data, new_key, same_hash_data, self_signed, server_context
from secure import SERIAL, Certificates

HERE = Path(__file__).resolve().parents[1]


def client(made: Certificates, shows: bool = False, folder: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=made.root.pem)
    if shows and folder:
        (folder / "c.pem").write_text(made.station.key_pem + made.station.chain)
        context.load_cert_chain(folder / "c.pem")
    return context


async def beat(csms: Csms, context: ssl.SSLContext) -> None:
    url = f"wss://127.0.0.1:{csms.port}/cp001"
    async with websockets.connect(url, ssl=context, subprotocols=["ocpp2.0.1"], proxy=None) as socket:
        await socket.send('[2,"1","Heartbeat",{}]')
        assert json.loads(await socket.recv())[0] == 3


@pytest.fixture
def csms(runner):
    csms = Csms()
    yield csms
    runner.run(csms.stop())


async def test_profile_2_and_3(csms, tmp_path):
    made = Certificates()
    await csms.start(front=made.front(2))
    await beat(csms, client(made))
    await csms.put(made.front(3))
    with pytest.raises((OSError, websockets.WebSocketException, EOFError)):
        await beat(csms, client(made))
    await beat(csms, client(made, True, tmp_path))
    assert len(csms.record.events("accepted")) == 3
    assert len(csms.record.events("attempt")) == 2


@pytest.mark.parametrize(
    "front",
    [
        lambda made: None,
        lambda made: silence,
        lambda made: answering(b"hello"),
        lambda made: server_context(self_signed()),
        lambda made: server_context(made.issuing.issue(days=(-3, -2))),
        lambda made: server_context(made.server, maximum=ssl.TLSVersion.TLSv1_1, minimum=ssl.TLSVersion.TLSv1),
        lambda made: server_context(made.issuing.issue(sha1=True)),
        lambda made: server_context(made.issuing.issue(kind="rsa1024")),
    ],
)
async def test_bad_fronts_are_bad_for_openssl_too(csms, front):
    made = Certificates()
    await csms.start(front=front(made))
    with pytest.raises((OSError, EOFError, TimeoutError, websockets.WebSocketException)):
        async with asyncio.timeout(0.5):
            await beat(csms, client(made))
    assert csms.record.events("accepted") and not csms.record.events("attempt")
    await csms.put(made.front(2))
    await beat(csms, client(made))


async def test_a_connection_outlives_the_front(csms):
    made = Certificates()
    await csms.start(front=made.front(2))
    url = f"{csms.url}/cp001"
    async with websockets.connect(url, ssl=client(made), subprotocols=["ocpp2.0.1"], proxy=None) as socket:
        await csms.put(silence)
        await socket.send('[2,"1","Heartbeat",{}]')
        assert json.loads(await socket.recv())[0] == 3


@pytest.mark.parametrize("revoked, word", [(False, "good"), (True, "revoked")])
async def test_stapling(csms, tmp_path, revoked, word):
    made = Certificates()
    (tmp_path / "root.pem").write_text(made.root.pem)
    await csms.start()
    inner, csms_port = csms, csms.port
    outer = Csms()
    response = made.issuing.staple(made.server.certificate, revoked=revoked)
    await outer.start(front=stapling(made.server, response, csms_port))
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{outer.port}", "-status", "-CAfile", "root.pem"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdin=asyncio.subprocess.DEVNULL, stdout=-1, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert f"Cert Status: {word}".encode() in output
    await beat(outer, client(made))
    assert len(inner.record.events("connected")) == 1
    await outer.stop()


def test_signing_and_hash_data():
    made = Certificates()
    key = new_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SERIAL)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    chain = x509.load_pem_x509_certificates(made.issuing.sign(csr.public_bytes(Encoding.PEM).decode()).encode())
    assert chain[0].public_key() == key.public_key() and chain[0].subject == name
    assert chain[1] == made.issuing.certificate
    chain[0].verify_directly_issued_by(chain[1])
    chain[1].verify_directly_issued_by(made.root.certificate)
    data = hash_data(chain[0], chain[1])
    upper = data | {"issuerKeyHash": data["issuerKeyHash"].upper(), "serialNumber": "00" + data["serialNumber"]}
    assert same_hash_data(data, upper)
    assert not same_hash_data(data, hash_data(chain[1], made.root.certificate))
    new = Authority("New root", made.root)
    new.certificate.verify_directly_issued_by(made.root.certificate)


async def test_the_program_with_tls(runner, tmp_path):
    arguments = ["--port", "0", "--tls", "--profile", "3", "--pki", str(tmp_path / "pki")]
    for _ in range(2):  # the second time with the certificates of the first
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-u", "-m", "csms", *arguments), cwd=HERE, stdout=-1, stderr=-1
        )
        try:
            url = (await process.stderr.readline()).decode().split()[-1]
            station = tmp_path / "pki/station-certs"
            context = ssl.create_default_context(cafile=station / "ca/csms/CSMS_ROOT_CA.pem")
            own = station / "client/csms"
            context.load_cert_chain(own / "station.pem", own / "station.key")
            async with websockets.connect(
                f"{url}/cp001", ssl=context, subprotocols=["ocpp2.0.1"], proxy=None
            ) as socket:
                name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cp001")])
                csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(new_key(), hashes.SHA256())
                payload = {"csr": csr.public_bytes(Encoding.PEM).decode()}
                await socket.send(json.dumps([2, "1", "SignCertificate", payload]))
                assert json.loads(await socket.recv()) == [3, "1", {"status": "Accepted"}]
                kind, id, action, payload = json.loads(await socket.recv())
                assert (kind, action) == (2, "CertificateSigned")
                assert payload["certificateChain"].count("BEGIN CERTIFICATE") == 2
                await socket.send(json.dumps([3, id, {"status": "Accepted"}]))
            text = (await process.stderr.readline() + await process.stderr.readline()).decode()
            assert "station run" in text and str(station) in text
        finally:
            process.terminate()
            await process.communicate()
        assert process.returncode == 0
