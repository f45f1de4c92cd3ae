"""The kernels against protobuf itself, on random payloads and on broken ones."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from sparkplug import BITS, PAYLOAD, metric, payload

from collector.sparkplug import wire

ROOT = Path(__file__).parents[3]


def random_metric(luck: random.Random) -> dict[str, object]:
    datatype = luck.choice([*range(1, 13)])
    value: object
    if datatype == 12:
        value = "text" * luck.randrange(40)
    elif datatype == 11:
        value = luck.random() < 0.5
    elif datatype > 8:
        value = luck.choice([0.0, -0.0, 1e30, float("inf"), luck.gauss(0, 1e6)])
        value = float(np.float32(value)) if datatype == 9 else value
    else:
        value = luck.getrandbits(BITS.get(datatype, 64 if datatype == 8 else 32))
    row = metric(datatype=datatype, value=value, told=luck.random() < 0.5)
    if luck.random() < 0.6:
        row["alias"] = luck.getrandbits(luck.choice([7, 20, 64]))
    if luck.random() < 0.5:
        row["name"] = "n" * luck.randrange(1, 200)
    if luck.random() < 0.5:
        row["timestamp"] = luck.getrandbits(luck.choice([7, 42, 63]))
    if luck.random() < 0.2:
        row["is_historical"] = luck.random() < 0.5
    if luck.random() < 0.2:
        values = [{"type": 3, "int_value": luck.getrandbits(32)}, {"type": 12, "string_value": "é"}]
        row["properties"] = {"keys": ["Quality", "unit"], "values": values}
    return row


def read(content: bytes) -> tuple[int, int, list[tuple[object, ...]]] | None:
    """By the kernels: time, seq and the metrics; None when it is no payload."""
    buffer = np.frombuffer(bytearray(content), np.uint8)
    time, seq, count = wire.head(buffer, 0, len(buffer))
    if count < 0:
        return None
    rows = np.empty((count, wire.METRIC), np.int64)
    if not wire.metrics(buffer, 0, len(buffer), rows):
        return None
    return time, seq, [_row(content, row) for row in rows]


def _row(content: bytes, row: np.ndarray) -> tuple[object, ...]:
    flags, field, bits = (int(row[i]) for i in (wire.FLAGS, wire.FIELD, wire.BITS))
    word = np.array([bits], np.int64)
    value = {
        10: bits, 11: bits % 2**64, 14: bool(bits),
        12: float(word.view(np.float32)[0]), 13: float(word.view(np.float64)[0]),
    }.get(field)  # fmt: skip
    return (
        content[row[wire.NAME] : row[wire.NAME_END]],
        int(row[wire.ALIAS]) % 2**64 if flags & wire.HAS_ALIAS else None,
        int(row[wire.TIME]) if flags & wire.HAS_TIME else None,
        int(row[wire.TYPE]),
        bool(flags & wire.HISTORICAL),
        bool(flags & wire.IS_NULL),
        field,
        repr(value),
    )


def library(content: bytes) -> tuple[int, int, list[tuple[object, ...]]]:
    message = PAYLOAD()
    message.ParseFromString(content)
    late = 9_223_372_036_854
    rows = []
    for m in message.metrics:
        kind = m.WhichOneof("value")
        number = m.DESCRIPTOR.fields_by_name[kind].number if kind else 0
        value = getattr(m, kind) if kind and number < 15 else None
        stamp = m.timestamp if m.timestamp < 2**63 else late
        rows.append((
            m.name.encode() if isinstance(m.name, str) else m.name,
            m.alias if m.HasField("alias") else None,
            stamp if m.HasField("timestamp") else None, m.datatype, m.is_historical, m.is_null,
            number, repr(value),
        ))  # fmt: skip
    time = message.timestamp if message.HasField("timestamp") else -1
    return (
        time if time < 2**63 else late,
        message.seq & 255 if message.HasField("seq") else -1,
        rows,
    )


def test_random_payloads_are_read_as_protobuf_reads_them():
    luck = random.Random(11)
    for _ in range(300):
        rows = [random_metric(luck) for _ in range(luck.randrange(30))]
        content = payload(rows, luck.randrange(256), luck.getrandbits(42))
        assert read(content) == library(content)


def test_broken_payloads_are_read_the_same_or_refused():
    luck = random.Random(12)
    accepted = 0
    for _ in range(6000):
        content = bytearray(payload([random_metric(luck) for _ in range(luck.randrange(1, 5))], 3))
        for _ in range(luck.randrange(1, 4)):
            content[luck.randrange(len(content))] = luck.getrandbits(8)
        if luck.random() < 0.3:
            del content[luck.randrange(len(content)) :]
        ours = read(bytes(content))
        try:
            theirs = library(bytes(content))
        except (DecodeError, UnicodeDecodeError):
            continue
        if ours is None:
            continue
        assert ours == theirs
        accepted += 1
    assert accepted > 300


def test_no_byte_beyond_the_payload_is_read():
    """The kernels as plain Python, where an index beyond its array is an error, on broken bytes."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("fuzz.py")), "5", "900"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_ten_million_hostile_bytes_do_no_harm():
    luck = random.Random(13)
    good = payload([random_metric(luck) for _ in range(40)], 3)
    total = 0
    while total < 10_000_000:
        content = bytearray(good)
        for _ in range(luck.randrange(1, 6)):
            content[luck.randrange(len(content))] = luck.getrandbits(8)
        read(bytes(content))
        total += len(content)
