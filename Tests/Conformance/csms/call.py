"""Sends one CALL through a running CSMS program: `python -m csms.call RequestStopTransaction '{"transactionId":"..."}'`."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m csms.call", description="Let the running CSMS send a CALL and print the answer."
    )
    parser.add_argument("action", help="for example GetVariables; with --wait: the action to wait for")
    parser.add_argument("payload", nargs="?", default="{}", help="JSON; with --wait: paths and values that must match")
    parser.add_argument(
        "--wait", action="store_true", help="wait until the station has sent such a call, print its payload"
    )
    parser.add_argument("--station", help="station id, if several are connected")
    parser.add_argument("--timeout", type=float, default=30, help="seconds (%(default)s)")
    parser.add_argument(
        "--socket", default=os.environ.get("CSMS_SOCKET", "csms.sock"), help="command socket (%(default)s, CSMS_SOCKET)"
    )
    options = parser.parse_args()
    try:
        payload = json.loads(options.payload)
    except ValueError as error:
        parser.error(f"payload is not JSON: {error}")
    if options.wait:
        command = {"wait": options.action, "where": payload, "timeout": options.timeout}
    else:
        command = {"action": options.action, "payload": payload, "timeout": options.timeout}
    if options.station:
        command["station"] = options.station
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(options.timeout + 5)
            client.connect(options.socket)
            client.sendall(json.dumps(command).encode() + b"\n")
            answer = json.loads(client.makefile().readline())
    except (OSError, ValueError) as error:
        print(f"csms.call: {options.socket}: {error}", file=sys.stderr)
        return 2
    print(json.dumps(answer, indent=2))
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
