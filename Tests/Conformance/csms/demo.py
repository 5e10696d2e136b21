"""`python -m csms --tls`: throw-away certificates in a folder, and the station's command line that goes with them."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import ssl
from pathlib import Path

from .message import Message
from .pki import HOSTS, Authority, Identity, server_context
from .server import Csms

HELP = """\
TLS. `python -m csms --port 9443 --tls` makes a root, a sub-CA, a certificate for itself and one for the station in --pki
(a folder that is there is used again) and prints the command of a station that trusts them. Signing requests
(SignCertificate) are signed and answered, so this renews the station's certificate:
    python -m csms --port 9443 --tls --profile 3 --socket csms.sock
    python -m csms.call TriggerMessage '{"requestedMessage":"SignChargingStationCertificate"}'
The keys lie in the folder without encryption: for trying out only.
"""

#: Files of the folder: those of the CSMS, and what is the certificate folder of the station.
ROOT, SUB, SERVER, STATION = "root", "sub", "server", "station"


class Pki:
    def __init__(self, folder: str, host: str, station: str):
        self.folder = Path(folder)
        self.certificates = self.folder / "station-certs"
        if (self.folder / f"{SERVER}.key").exists():
            self.root = Authority.load(self.folder / ROOT)
            self.issuing = Authority.load(self.folder / SUB, self.root)
            self.server = Identity.load(self.folder / SERVER)
        else:
            self.root = Authority("Trial CSMS Root")
            self.issuing = Authority("Trial CSMS Sub CA", self.root)
            self.server = self.issuing.issue(host, hosts=tuple(dict.fromkeys([host, *HOSTS])))
            self._write(ROOT, self.root.pem, self.root.key_pem)
            self._write(SUB, self.issuing.pem, self.issuing.key_pem)
            self._write(SERVER, self.server.chain, self.server.key_pem)
        self._provision(station)

    def _write(self, name: str, certificates: str, key: str) -> None:
        self._file(self.folder / f"{name}.pem", certificates)
        self._file(self.folder / f"{name}.key", key)

    @staticmethod
    def _file(path: Path, text: str) -> None:
        for folder in reversed(path.parents):
            folder.mkdir(mode=0o700, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)

    def _provision(self, station: str) -> None:
        """The station's certificate folder; what is in it already is the station's."""
        root = self.certificates / "ca/csms/CSMS_ROOT_CA.pem"
        if not root.exists():
            self._file(root, self.root.pem)
        own = self.certificates / "client/csms"
        if not own.exists():
            made = self.issuing.issue(station, client=True)
            self._file(own / f"{STATION}.pem", made.chain)
            self._file(own / f"{STATION}.key", made.key_pem)

    def front(self, profile: int) -> ssl.SSLContext:
        return server_context(self.server, client_root=self.root if profile == 3 else None)

    def sign_requests(self, csms: Csms) -> None:
        """Answers SignCertificate with Accepted, and sends the certificate right after."""
        tasks: set[asyncio.Task] = set()

        async def send(request: Message) -> None:
            await csms.answered(request)
            kind = request.payload.get("certificateType")
            payload = {"certificateChain": self.issuing.sign(request["csr"])}
            await csms.request("CertificateSigned", payload | ({"certificateType": kind} if kind else {}))

        def answer(request: Message) -> dict:
            task = asyncio.get_running_loop().create_task(send(request))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return {"status": "Accepted"}

        csms.respond("SignCertificate", answer)

    def station_command(self, url: str, profile: int, passwords: dict[str, str] | None) -> str:
        """`station run`, with what this CSMS asks for."""
        data = {"ocppVersion": "OCPP20", "ocppTransport": "JSON", "ocppCsmsUrl": url, "messageTimeout": 30}
        data |= {"securityProfile": profile, "ocppInterface": "Wired0"}
        settings = {
            "InternalCtrlr/NetworkConnectionProfiles": json.dumps([{"configurationSlot": 1, "connectionData": data}]),
            "SecurityCtrlr/SecurityProfile": str(profile),
        }
        station, password = next(iter((passwords or {}).items()), (None, None))
        command = ["station", "run", "--config-dir", "DeviceModel/ac-two-evse", "--data-dir", "station-data"]
        command += ["--certs-dir", str(self.certificates.resolve()), "--control-socket", "station.sock"]
        command += ["--station-id", station] if station else []
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        command += ["--set", f"SecurityCtrlr/BasicAuthPassword={password}"] if password and profile == 2 else []
        return "A station for it:\n    " + shlex.join(command)
