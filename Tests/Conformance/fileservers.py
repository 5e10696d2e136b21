"""Real file servers for the tests: HTTP, HTTPS, FTP, FTPS and SFTP, each on a port of its own and a directory.

    with fileservers.serve("SFTP", directory, pki) as server:
        url = server.url("firmware.bin")     # with user and password where the protocol has them
        server.cut_after = 200_000           # the next transfer is cut there, once: as a network that goes away
        server.pace = 0.05                   # seconds for every 64 KiB, until set to 0
        server.requests                      # what was asked: "GET /firmware.bin bytes=200000-"

All but HTTP uploads can be gone on with; HTTP downloads by ranges, with an ETag made of the content. `pki` (csms.pki.Authority) signs
the certificate of HTTPS and FTPS.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asyncssh
from cryptography import x509
from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from csms.pki import Authority, Identity, server_context

for name in ("pyftpdlib", "asyncssh"):
    # A logger without a handler is set up to print by pyftpdlib.
    logging.getLogger(name).addHandler(logging.NullHandler())
    logging.getLogger(name).propagate = False

PROTOCOLS = ("HTTP", "HTTPS", "FTP", "FTPS", "SFTP")
USER = "station"
PASSWORD = "s3cret-Word"
CHUNK = 64 << 10


class Cut(Exception):
    """The network goes away here."""


class Server:
    """What the protocols have in common."""

    def __init__(self, scheme: str, directory: Path) -> None:
        self.scheme = scheme
        self.directory = directory
        self.port = 0
        self.cut_after: int | None = None
        self.pace = 0.0
        self.requests: list[str] = []
        #: The status of every HTTP answer in place of a file.
        self.status: int | None = None
        #: Where one from 300 on sends the client; the same file by default.
        self.redirect: str | None = None
        self.cuts = 0
        self._bytes = 0
        self._lock = threading.Lock()

    def url(self, path: str, *, password: str = PASSWORD) -> str:
        credentials = f"{USER}:{password}@" if self.scheme not in ("http", "https") else ""
        return f"{self.scheme}://{credentials}127.0.0.1:{self.port}/{path}"

    def began(self, request: str) -> None:
        self.requests.append(request)
        self._bytes = 0

    def passed(self, count: int) -> None:
        """So many bytes of content went through. Raises `Cut` where the transfer is to end."""
        if self.pace:
            time.sleep(self.pace * count / CHUNK)
        with self._lock:
            self._bytes += count
            if self.cut_after is not None and self._bytes >= self.cut_after:
                self.cut_after = None
                self.cuts += 1
                raise Cut


# HTTP


class _HTTPHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Server

    def log_message(self, *_: object) -> None:
        pass

    def _abort(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _refused(self) -> bool:
        if self.served.status is None:
            return False
        self.send_response(self.served.status)
        if 300 <= self.served.status < 400:
            self.send_header("Location", self.served.redirect or self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.served.began(f"GET {self.path}" + (f" {asked}" if asked else ""))
        if self._refused():
            return
        path = self.served.directory / self.path.split("?")[0].lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        first = 0
        if asked and asked.startswith("bytes="):
            first = int(asked[len("bytes=") :].split("-")[0])
        if first >= len(content) > 0:
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:16]}"')
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        try:
            for start in range(first, len(content), CHUNK):
                chunk = content[start : start + CHUNK]
                self.wfile.write(chunk)
                self.served.passed(len(chunk))
        except (Cut, OSError):
            self._abort()

    def do_PUT(self) -> None:
        self.served.began(f"PUT {self.path}")
        if self._refused():
            return
        left = int(self.headers.get("Content-Length", "0"))
        path = self.served.directory / self.path.split("?")[0].lstrip("/")
        try:
            with path.open("wb") as file:
                while left > 0:
                    chunk = self.rfile.read(min(CHUNK, left))
                    if not chunk:
                        raise Cut
                    file.write(chunk)
                    left -= len(chunk)
                    self.served.passed(len(chunk))
        except (Cut, OSError):
            self._abort()
            return
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def get_request(self):  # type: ignore[no-untyped-def]
        connection, peer = super().get_request()
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, peer

    def handle_error(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _http(server: Server, context: ssl.SSLContext | None) -> Iterator[Server]:
    handler = type("Handler", (_HTTPHandler,), {"served": server})
    running = _HTTPServer(("127.0.0.1", 0), handler)
    running.context = context
    server.port = running.server_address[1]
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        running.shutdown()
        running.server_close()


# FTP


class _CutsData:
    """A data connection of pyftpdlib whose content is counted."""

    served: Server

    def _count(self, count: int) -> bool:
        try:
            self.served.passed(count)
        except Cut:
            self.cmd_channel.close()  # type: ignore[attr-defined]
            self.close()  # type: ignore[attr-defined]
            return False
        return True

    def send(self, data: bytes) -> int:
        sent = super().send(data)  # type: ignore[misc]
        self._count(sent)
        return sent

    def recv(self, size: int) -> bytes:
        data = super().recv(size)  # type: ignore[misc]
        return data if self._count(len(data)) else b""


def _ftp_context(identity: Identity) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(identity.certificate)
    context.use_privatekey(identity.key)
    for certificate in x509.load_pem_x509_certificates(identity.chain.encode())[1:]:
        context.add_extra_chain_cert(certificate)
    return context


@contextlib.contextmanager
def _ftp(server: Server, identity: Identity | None, implicit: bool) -> Iterator[Server]:
    data_base, control_base = (TLS_DTPHandler, TLS_FTPHandler) if identity else (DTPHandler, FTPHandler)
    data = type("Data", (_CutsData, data_base), {"served": server})

    class Control(control_base):  # type: ignore[misc, valid-type]
        use_sendfile = False
        banner = "ready"

        def handle(self) -> None:
            if implicit:
                self.secure_connection(self.ssl_context)
            super().handle()

        def process_command(self, cmd: str, *args: object, **more: object) -> None:
            if cmd in ("RETR", "STOR", "APPE", "REST"):
                path = args[0] if args else ""
                with contextlib.suppress(ValueError):
                    path = "/" + str(Path(str(path)).relative_to(server.directory))
                if cmd == "REST":
                    server.requests.append(f"REST {args[0]}")
                else:
                    server.began(f"{cmd} {path}")
            super().process_command(cmd, *args, **more)

    Control.dtp_handler = data
    Control.authorizer = DummyAuthorizer()
    Control.authorizer.add_user(USER, PASSWORD, str(server.directory), perm="elradfmwMT")
    if identity:
        Control.ssl_context = _ftp_context(identity)
        Control.tls_control_required = True
        Control.tls_data_required = True
    loop = IOLoop()
    running = FTPServer(("127.0.0.1", 0), Control, ioloop=loop)
    server.port = running.address[1]
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            loop.loop(timeout=0.02, blocking=False)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopping.set()
        thread.join(5)
        running.close_all()


# SFTP


class _SSHServer(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username == USER and password == PASSWORD


@contextlib.contextmanager
def _sftp(server: Server, host_key: asyncssh.SSHKey) -> Iterator[Server]:
    class Files(asyncssh.SFTPServer):
        def __init__(self, channel: asyncssh.SSHServerChannel) -> None:
            super().__init__(channel, chroot=str(server.directory).encode())
            self._ours = channel

        def open(self, path, pflags, attrs):  # type: ignore[no-untyped-def]
            writes = pflags & (asyncssh.FXF_WRITE | asyncssh.FXF_APPEND)
            server.began(f"{'write' if writes else 'read'} {path.decode()}")
            return super().open(path, pflags, attrs)

        def read(self, file_obj, offset, size):  # type: ignore[no-untyped-def]
            content = super().read(file_obj, offset, size)
            server.requests.append(f"read at {offset}")
            self._passed(len(content))
            return content

        def write(self, file_obj, offset, data):  # type: ignore[no-untyped-def]
            count = super().write(file_obj, offset, data)
            server.requests.append(f"write at {offset}")
            self._passed(len(data))
            return count

        def _passed(self, count: int) -> None:
            try:
                server.passed(count)
            except Cut:
                self._ours.get_connection().abort()

    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop: asyncio.Event

    async def work() -> None:
        nonlocal stop
        stop = asyncio.Event()
        listener = await asyncssh.create_server(
            _SSHServer, "127.0.0.1", 0, server_host_keys=[host_key], sftp_factory=Files
        )
        server.port = listener.get_port()
        ready.set()
        await stop.wait()
        listener.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()), daemon=True)
    thread.start()
    assert ready.wait(10), "the SFTP server does not start"
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)


@contextlib.contextmanager
def serve(
    protocol: str,
    directory: Path,
    pki: Authority | None = None,
    *,
    host_key: asyncssh.SSHKey | None = None,
    explicit: bool = False,
) -> Iterator[Server]:
    """A server of this protocol (`PROTOCOLS`). `explicit`: FTPS by AUTH TLS, with URLs of the scheme ftpes."""
    directory.mkdir(parents=True, exist_ok=True)
    scheme = "ftpes" if protocol == "FTPS" and explicit else protocol.lower()
    server = Server(scheme, directory)
    identity = None
    if protocol in ("HTTPS", "FTPS"):
        assert pki, f"{protocol} needs an authority"
        identity = pki.issue()
    match protocol:
        case "HTTP" | "HTTPS":
            manager = _http(server, server_context(identity) if identity else None)
        case "FTP" | "FTPS":
            manager = _ftp(server, identity, implicit=identity is not None and not explicit)
        case "SFTP":
            manager = _sftp(server, host_key or asyncssh.generate_private_key("ssh-ed25519"))
        case _:
            raise ValueError(protocol)
    with manager as running:
        yield running
