"""Broken bytes through the kernels as plain Python, where an index beyond its array is an error.

NUMBA_DISABLE_JIT=1 python fuzz.py SEED ROUNDS
"""

from __future__ import annotations

import random
import sys
from types import SimpleNamespace

import numpy as np

from collector.mqtt.columns import PacketDecoder
from collector.mqtt.wire import FIRST, PUBLISH, MalformedError, scan

GOOD = b'{"t":"2026-11-21T12:00:00.5+08:00","a":-1.5e3,"b":[1,null,3.25],"c":true,"x":"y"}'
BYTES = b'{}[]",:-.+eEZtfn0123456789 \x00\x80\xff'
PROPERTIES = [b"\x00", b"\x03\x23\x00\x01", b"\x04\x0b\x80\x01\x01", b"\x05\x26\x00\x01k\x00"]


def broken(luck: random.Random) -> bytearray:
    """Some PUBLISH packets, a few of their bytes changed, the end cut off."""
    wire = bytearray()
    for _ in range(3):
        payload = bytearray(GOOD)
        for _ in range(luck.choice([0, 1, 1, 3])):
            payload[luck.randrange(len(payload))] = luck.choice(BYTES)
        del payload[luck.randrange(len(payload) * 3) :]
        body = b"\x00\x03p/a\x00\x01" + luck.choice(PROPERTIES) + payload
        wire += bytes([0x32, len(body) & 127 | 128, len(body) >> 7]) + body
    for _ in range(luck.choice([0, 0, 1, 5])):
        wire[luck.randrange(min(len(wire), luck.choice([16, 400])))] = luck.randrange(256)
    del wire[luck.randrange(len(wire) * 2) :]
    return wire


def tag(column: int, pointer: str) -> SimpleNamespace:
    address = {"topic": "p/a", "pointer": pointer, "time": "/t"}
    signal = SimpleNamespace(kind="gauge")
    return SimpleNamespace(
        id=pointer, source="m", column=column, signal=signal, scale=1, offset=0, address=address
    )


def main() -> None:
    np.seterr(all="ignore")  # what wraps around in a compiled kernel warns in Python
    tags = [tag(i, pointer) for i, pointer in enumerate(["/a", "/b/0", "/b/2", "/c"])]
    decoder = PacketDecoder(SimpleNamespace(tags=tags), "m", 1 << 20)
    luck = random.Random(int(sys.argv[1]))
    malformed = taken = 0
    for _ in range(int(sys.argv[2])):
        wire = broken(luck)
        buffer = np.frombuffer(wire, np.uint8)  # not one byte more
        rows = np.zeros((8, 9), np.int64)
        count, _, fault = scan(buffer, 0, len(buffer), True, 1 << 20, rows)
        packets = rows[:count][rows[:count, FIRST] >> 4 == PUBLISH]
        malformed += bool(fault)
        try:
            decoder.take(memoryview(wire), buffer, packets, 0)
        except MalformedError:
            malformed += 1
        taken += len(packets)
    batch, refused = decoder.flush()
    print(f"{taken} packets, {malformed} wires malformed, {len(batch)} samples, {refused}")
    assert min(taken, malformed, len(batch)) > 100
    assert refused.keys() >= {"bad_json", "bad_time", "no_value", "unknown_topic"}


if __name__ == "__main__":
    main()
