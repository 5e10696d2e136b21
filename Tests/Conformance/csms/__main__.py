"""The CSMS as a program: `python -m csms --port 9000`. Prints every message, checks every frame, accepts every token."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from . import demo
from .control import serve_commands
from .printer import line
from .record import Entry, as_json
from .server import Csms


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m csms",
        description="A CSMS for trying out charging stations (OCPP 2.0.1).",
        epilog=demo.HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=9000, help="port to listen on, 0 for any (%(default)s)")
    parser.add_argument("--socket", help="unix socket for commands, see `python -m csms.call --help`")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of text")
    parser.add_argument("--log", metavar="FILE", help="also write JSON lines to FILE")
    parser.add_argument(
        "--interval", type=int, default=300, help="heartbeat interval given to stations, seconds (%(default)s)"
    )
    tokens = parser.add_argument_group("who may charge")
    tokens.add_argument(
        "--token",
        action="append",
        default=[],
        metavar="IDTOKEN",
        help="accept this idToken, any other is Unknown; repeatable",
    )
    tokens.add_argument(
        "--block", action="append", default=[], metavar="IDTOKEN", help="this idToken is Blocked; repeatable"
    )
    tokens.add_argument(
        "--accept-all", action="store_true", help="accept every idToken that is not blocked (default without --token)"
    )
    parser.add_argument(
        "--password",
        action="append",
        default=[],
        metavar="STATION=PASSWORD",
        help="Basic authentication; without it every station is let in; repeatable",
    )
    tls = parser.add_argument_group("TLS")
    tls.add_argument(
        "--tls", action="store_true", help="TLS with throw-away certificates, made in --pki; see below for the station"
    )
    tls.add_argument(
        "--profile",
        type=int,
        choices=(2, 3),
        default=2,
        help="OCPP security profile with --tls: 2, or 3, where stations show certificates (%(default)s)",
    )
    tls.add_argument("--pki", metavar="DIR", default="csms-pki", help="folder of the certificates (%(default)s)")
    tls.add_argument(
        "--name", default="cp001", metavar="STATION", help="station that a certificate is made for (%(default)s)"
    )
    options = parser.parse_args()
    if options.profile == 3 and not options.tls:
        parser.error("--profile 3 needs --tls")
    return options


async def run(options: argparse.Namespace) -> int:
    log = open(options.log, "w", encoding="utf-8") if options.log else None

    def show(entry: Entry) -> None:
        print(as_json(entry) if options.json else line(entry), flush=True)
        if log:
            print(as_json(entry), file=log, flush=True)

    pki = demo.Pki(options.pki, options.host, options.name) if options.tls else None
    passwords = dict(pair.partition("=")[::2] for pair in options.password) or None
    csms = Csms(passwords=passwords, listener=show, refuse_invalid=True)
    csms.boot_interval = options.interval
    csms.tokens.accept_all = options.accept_all or not options.token
    for token in options.token:
        csms.tokens.set(token)
    for token in options.block:
        csms.tokens.set(token, "Blocked")
    await csms.start(options.host, options.port, pki.front(options.profile) if pki else None)
    print(f"CSMS listens at {csms.url}", file=sys.stderr, flush=True)
    if pki:
        pki.sign_requests(csms)
        print(pki.station_command(csms.url, options.profile, passwords), file=sys.stderr, flush=True)
    commands = await serve_commands(csms, options.socket) if options.socket else None
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    if commands:
        commands.close()
    await csms.stop()
    violations = csms.violations
    for violation in violations:
        print(f"violation: {violation}", file=sys.stderr)
    return 1 if violations else 0


def main() -> None:
    try:
        sys.exit(asyncio.run(run(arguments())))
    except OSError as error:
        sys.exit(f"csms: {error}")


if __name__ == "__main__":
    main()
