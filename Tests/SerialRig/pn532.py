"""A model of a PN532 on HSU, written from NXP UM0701-02."""

import os

from line import Line

ACK = bytes([0, 0, 0xFF, 0, 0xFF, 0])


class PN532(Line):
    def __init__(self, folder, name="pn532"):
        self.card, self.fault = None, None
        self.buffer = b""
        self.awake = False
        self.configured = False
        self.asked = []
        super().__init__(folder, name)

    def tick(self, data):
        self.buffer += data
        if not self.awake:
            # Wakes by a long preamble.
            if b"\x55\x55\0\0\0" not in self.buffer:
                return
            self.awake = True
        while (at := self.buffer.find(b"\0\xff")) >= 0 and len(self.buffer) >= at + 4:
            length = self.buffer[at + 2]
            if self.buffer[at + 2:at + 4] == b"\0\xff":
                self.buffer = self.buffer[at + 4:]
                continue
            if (length + self.buffer[at + 3]) % 256 or length < 2:
                self.buffer = self.buffer[at + 2:]
                continue
            if len(self.buffer) < at + 4 + length + 2:
                return
            body = self.buffer[at + 4:at + 4 + length]
            total = (sum(body) + self.buffer[at + 4 + length]) % 256
            self.buffer = self.buffer[at + 6 + length:]
            if total == 0 and body[0] == 0xD4:
                self.answer(body[1], body[2:])

    def answer(self, code, parameters):
        self.asked.append(code)
        if self.fault == "silence":
            return
        self.write(ACK)
        if self.fault == "ack-only":
            return
        data = b""
        if code == 0x02:
            data = bytes([0x32, 1, 6, 7])
        elif code == 0x14:
            assert parameters[0] == 1, "normal mode"
            self.configured = True
        elif code == 0x4A:
            assert self.configured, "SAMConfiguration comes before the first look for a card"
            data = bytes([1, 1, 0, 4, 8, len(self.card)]) + self.card if self.card else b"\0"
        body = bytes([0xD5, code + 1]) + data
        answer = bytes([0, 0, 0xFF, len(body), -len(body) % 256]) + body + bytes([-sum(body) % 256, 0])
        if self.fault == "checksum":
            answer = answer[:-2] + bytes([answer[-2] ^ 1, 0])
        if self.fault == "half":
            answer = answer[: len(answer) // 2]
        if self.fault == "garbage-between":
            answer = os.urandom(7).replace(b"\xff", b"\x01") + answer
        self.write(answer)
