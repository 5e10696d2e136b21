"""What can stand at the port of a CSMS beside the TLS of Python: OCSP stapling, records in small pieces, silence, garbage.
For `Csms.put`. Those that speak TLS themselves hand the plain stream on to a CSMS that listens without TLS at `port`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from OpenSSL import SSL

from .pki import Identity

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes the connection and never says anything."""
    while await reader.read(4096):
        pass


def answering(data: bytes) -> Handler:
    """Sends `data` to whatever comes, and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(data)
        await writer.drain()

    return handle


def refusing(context: ssl.SSLContext) -> Handler:
    """TLS with a context that no good station agrees to, and the alert that says why: asyncio's TLS keeps alerts to itself.

    A station that does agree gets an HTTP answer of no use, so that it shows.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        step: Callable[[], object] = tls.do_handshake
        try:
            while True:
                try:
                    step()
                    step = lambda: tls.read(4096) and tls.write(b"HTTP/1.1 418 x\r\nContent-Length: 0\r\n\r\n")  # noqa: E731
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await _some(reader))
        finally:
            writer.write(outgoing.read())
            await writer.drain()

    return handle


def stapling(identity: Identity, response: bytes, port: int) -> Handler:
    """TLS with this certificate and a stapled OCSP response (DER)."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_privatekey(identity.key)
    context.use_certificate(identity.certificate)
    for certificate in identity.between:
        context.add_extra_chain_cert(certificate)
    context.set_ocsp_server_callback(lambda *_: response)
    return lambda reader, writer: _terminate(context, reader, writer, port)


async def _terminate(
    context: SSL.Context, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    """The TLS side of `reader` and `writer`; the plain side is a connection to `port`, made once the handshake is done."""
    tls = SSL.Connection(context, None)
    tls.set_accept_state()
    while True:
        try:
            tls.do_handshake()
            break
        except SSL.WantReadError:
            _flush(tls, writer)
            tls.bio_write(await _some(reader))
        except SSL.Error:
            return _flush(tls, writer)
    _flush(tls, writer)
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)

    async def inwards() -> None:
        while True:
            try:
                inner_writer.write(tls.recv(16384))
            except SSL.WantReadError:
                tls.bio_write(await _some(reader))
            except (SSL.Error, EOFError):
                return

    async def outwards() -> None:
        while data := await inner_reader.read(16384):
            tls.sendall(data)
            _flush(tls, writer)

    tasks = [asyncio.ensure_future(inwards()), asyncio.ensure_future(outwards())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        inner_writer.close()


async def _some(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(16384)
    if not data:
        raise EOFError
    return data


def _flush(tls: SSL.Connection, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(tls.bio_read(16384))
    except SSL.WantReadError:
        pass
