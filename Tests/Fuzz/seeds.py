"""Writes the seeds of Tests/Fuzz/corpus that can be made from what the project has: run once, and again when messages or
files change. `Scripts/fuzz --merge` adds what the fuzzer finds. Usage: ../../.venv/bin/python seeds.py (needs openssl)."""

import hashlib
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

import ocpp

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "CodecCheck"))
from samples import Deriver  # noqa: E402

CORPUS = HERE / "corpus"


def seed(target: str, name: str, content: bytes | str) -> None:
    path = CORPUS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def messages() -> None:
    calls = []
    for version, suffix in (("v201", ""), ("v21", " 2.1")):
        for path in sorted((pathlib.Path(ocpp.__file__).parent / version / "schemas").glob("*.json")):
            name = path.stem
            deriver = Deriver(schema := json.loads(path.read_text(encoding="utf-8-sig")))
            if version == "v21" and (CORPUS / "message" / f"{name}-201").exists():
                continue
            kind = version.removeprefix("v")
            seed("message", f"{name}-{kind}", f"{name}{suffix}\n{compact(deriver.maximal(schema))}")
            if version == "v201" and name.endswith("Request"):
                calls.append(f'[2,"{len(calls)}","{name.removesuffix("Request")}",{compact(deriver.minimal(schema))}]')
    for number, call in enumerate(calls):
        seed("station", f"call-{number:02}", call)
    seed("station", "all", "\n".join(calls[:20]))


def frames() -> None:
    for name, text in {
        "call": '[2,"1","Reset",{"type":"Immediate"}]',
        "result": '[3,"our-call",{"currentTime":"2026-01-01T00:00:00Z"}]',
        "error": '[4,"our-call","GenericError","text",{"a":[1,2.5e3,null]}]',
        "result-error": '[5,"our-call","GenericError","",{}]',
        "send": '[6,"1","NotifyPeriodicEventStream",{}]',
        "null": '[2,"1","Reset",null]',
        "escapes": '[ 2 , "\\u0031\\ud83d\\ude00" , "Re\\u0073et" , { "type" : "x\\n" } ]',
        "broken": '[2,"1","Reset",{"type":',
        "long": '[2,"' + "1" * 40 + '","Reset",{}]',
    }.items():
        seed("frame", name, text)
    accept = "Sec-WebSocket-Accept: +hEVJrqGJkxmB6GRWOSoqu5gTOQ=\r\n"
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    for name, text in {
        "agreed": head + accept + "Sec-WebSocket-Protocol: ocpp2.0.1\r\n\r\n\x81\x02hi",
        "no-protocol": head + accept + "\r\n",
        "folded": head + " folded\r\n" + accept + "\r\n",
        "refused": "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        "not-http": "SSH-2.0-OpenSSH\r\n",
    }.items():
        seed("handshake", name, b"\x02" + text.encode("latin-1"))


def files() -> None:
    seen = set()
    for path in sorted((ROOT / "DeviceModel").glob("*/*/*.json")):
        if path.name not in seen and path.stat().st_size < 6000:
            seen.add(path.name)
            seed("devicemodel", path.stem, path.read_bytes())
    for path in sorted((ROOT / "DeviceModel" / "meters").glob("*.json"))[::4]:
        seed("devicemodel", f"meter-{path.stem}", path.read_bytes())
    commands = [
        {"id": 1, "cmd": "state"}, {"id": 2, "cmd": "plugIn", "evse": 1, "connector": 1, "ev": {"maxCurrentA": 16, "phases": 3}},
        {"id": "a", "cmd": "swipe", "idToken": "DEADBEEF", "type": "ISO14443", "evses": [1, 2]},
        {"cmd": "meter", "evse": 1, "energyWh": 1.5, "powerW": 7360, "currentA": [32, 0, 0], "voltageV": [230], "hold": False},
        {"cmd": "fault", "action": "raise", "fault": "UnderVoltage", "evse": 0, "severity": "high"},
        {"cmd": "dataTransfer", "vendorId": "x", "messageId": "y", "data": {"z": [None, True, 1e-3]}},
        {"cmd": "subscribe", "events": ["connector", "csms"]}, {"cmd": "reboot", "cause": "powerLoss"},
        {"cmd": "network", "online": False}, {"cmd": "lock", "evse": 1, "stuck": True}, {"cmd": "ev", "evse": 1, "state": "suspended"},
        {"cmd": "maintenance", "action": "resetRCD", "evse": 1}, {"cmd": "plugOut", "evse": 1},
    ]
    for number, command in enumerate(commands):
        seed("control", f"{number:02}-{command['cmd']}", compact(command))


def certificates() -> None:
    with tempfile.TemporaryDirectory() as folder:
        def make(name: str, *arguments: str) -> bytes:
            subprocess.run(
                ["openssl", "req", "-x509", "-nodes", "-keyout", f"{folder}/key", "-out", f"{folder}/{name}", "-days", "3650",
                 *arguments], check=True, capture_output=True)
            return pathlib.Path(folder, name).read_bytes()

        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        first = make("ec", *curve, "-subj", "/C=DE/O=A, B=c/CN=root 1", "-addext", "keyUsage=keyCertSign")
        second = make("rsa", "-newkey", "rsa:2048", "-subj", "/CN=csms", "-addext", "subjectAltName=DNS:*.example,IP:::1")
        third = make("ed", "-newkey", "ed25519", "-subj", "/CN=\u00fc/serialNumber=42", "-utf8")
        for name, pem in {"ec": first, "rsa": second, "ed25519": third, "bundle": b"# text\n" + first + b"\r\n" + second}.items():
            seed("certificate", f"{name}.pem", pem)
        seed("certificate", "ec.der", subprocess.run(
            ["openssl", "x509", "-in", f"{folder}/ec", "-outform", "DER"], check=True, capture_output=True).stdout)
    seed("certificate", "broken.pem", first[:200] + b"\n-----END CERTIFICATE-----\n" + second)
    seed("certificate", "key.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def ledger() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/ledger.db"
        database = sqlite3.connect(path)
        database.executescript("""
            PRAGMA page_size=512; PRAGMA application_id=0; PRAGMA user_version=1;
            CREATE TABLE outbox (id INTEGER PRIMARY KEY, transaction_id TEXT, action TEXT NOT NULL, message_id TEXT NOT NULL,
              payload BLOB NOT NULL, attempts INTEGER NOT NULL, unknown_time_boot INTEGER, checksum INTEGER);
            CREATE TABLE record (collection TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, checksum INTEGER,
              PRIMARY KEY (collection, key)) WITHOUT ROWID;
        """)
        for number in range(12):
            database.execute("INSERT INTO outbox VALUES (?,?,?,?,?,0,NULL,NULL)",
                             (number, "tx", "TransactionEvent", f"m{number}", b'{"seqNo":%d}' % number * 20))
            database.execute("INSERT INTO record VALUES ('station',?,?,NULL)", (f"k{number}", b"value" * 20))
        database.commit()
        database.close()
        content = pathlib.Path(path).read_bytes()
        seed("ledger", "whole", b"\xff" + content)
        seed("ledger", "half", b"\xff" + content[: len(content) // 2])
        database = sqlite3.connect(path)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("UPDATE record SET value='new'")
        database.commit()
        log = pathlib.Path(path + "-wal").read_bytes()
        content = pathlib.Path(path).read_bytes()
        cut = round(255 * len(content) / (len(content) + len(log)))
        seed("ledger", "with-log", bytes([cut]) + content + log)
        database.close()


def serial() -> None:
    seed("serial", "pn532", bytes.fromhex("0000ff00ff00 0000ff06fad503320107068800 0000ff01ff7f8100 0000ffffff0004fcd54b0100".replace(" ", "")))
    seed("serial", "mcu", bytes.fromhex("0301018003000501020304050600 00ff00"))


def journal() -> None:
    seed("journal", "start", '{"in":"start","at":[0,1767225600000],"clock":"system","do":["ping"]}')
    seed("journal", "pilot", '{"in":{"hardware":{"pilot":{"evse":1,"connector":1,"state":"B"}}},"at":[1,2],"clock":"unset","do":[]}')
    seed("journal", "frame", '{"in":{"link":{"message":{"frame":{"hex":"5b325d"}}}},"at":[1,2],"clock":"unset","do":[]}')
    seed("journal", "failed", compact({"in": {"commitFailed": {"failure": {"kind": "full", "text": "x", "keys": [{"message": 3}]},
         "refused": ["ping", {"send": {"frame": "[]"}}]}}, "at": [1, 2], "clock": "csms", "do": []}))


def text() -> None:
    for number, location in enumerate((
        "http://host/logs/", "https://me:pass%20word@host:8443/x?sig=abc#part", "ftp://me@[::1]:21/x", "ftpes://u:***1234@h",
        "sftp://u:p@h:2222/dir/", "ftp://a:b:c@d@e/?@", "http://h?q",
    )):  # fmt: skip
        seed("text", f"location-{number}", location)
    seed("text", "transfer", "\n".join(map(compact, (
        {"progress": {"done": 10, "total": 20}}, {"hostKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"}, {"done": {"bytes": 20}},
        {"failed": {"reason": "refused", "text": "530 Login incorrect"}},
    ))))  # fmt: skip
    seed("text", "hosts", "host ssh-rsa AAAA\n[host]:2222,other ssh-ed25519 BBBB comment\n@revoked host ssh-rsa CCCC\n|1|a|b ssh-rsa D\n")
    seed("text", "script", '{"progress":40}\n{"version":"2.0.0","slot":"B","good":false}\n{"error":"no space"}\n')
    slot = {"state": "booted", "bootname": "A", "boot_status": "good", "slot_status": {"bundle": {"version": "2.0.0"}}}
    seed("text", "rauc-state", compact({"compatible": "station", "booted": "A", "slots": [{"rootfs.0": slot}]}))
    seed("text", "rauc-install", " 40% Copying image to rootfs.1\nLastError: Invalid bundle format\nInstalling `/f` failed\n")
    seed("text", "rauc-busy", "rauc-Message: 20:29:17: Using central status file /s\nAlready processing a different method\n")
    lines, previous = [], "0" * 64
    for number in range(1, 4):
        body = compact({"n": number, "ts": "2026-01-01T00:00:00.000Z", "clock": "csms", "type": "X", "previous": previous})[:-1]
        previous = hashlib.sha256(body.encode()).hexdigest()
        lines.append(f'{body},"hash":"{previous}"}}')
    seed("text", "security-log", "\n".join(lines))
    seed("text", "security-log-gap", "\n".join((lines[0], lines[2])))
    seed("text", "security-log-state", "\n".join((compact({"anchor": {"n": 2**63 - 1, "hash": ""}, "toldBreak": "x"}), *lines)))


if __name__ == "__main__":
    for make in (messages, frames, files, certificates, ledger, serial, journal, text):
        make()
    print(f"{sum(1 for path in CORPUS.rglob('*') if path.is_file())} seeds in {CORPUS.relative_to(ROOT)}")
