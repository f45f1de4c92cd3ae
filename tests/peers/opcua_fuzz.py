"""Bodies that no honest server sends, held against memory that must not be touched.

The scanner reads them at the very edge of a page that nobody may read: one byte too far ends the
process. Its rows lie between rows that must stay as they are. What it takes, the library must read
the same, wherever the library reads it at all; what it does not take is not given to the library,
which runs backwards on negative lengths and allocates whatever an array of nothing claims.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collector.opcua import scan
from collector.opcua.scan import Rows

from .opcua_bodies import (
    MAKERS,
    Recording,
    by_library,
    cut,
    data_change,
    mixed,
    publish_response,
    slots_of,
)

LENGTHS = [-(2**31), -5, -2, -1, 0, 1, 2, 60, 255, 2**16, 2**31 - 1]
RECEIVED = 1_772_366_400_000_005_000
LONGEST_S = 0.5  # for a body of some kB; takes microseconds
UNTOUCHED = 77
SLOTS = slots_of([[-1]] * 30 + [[0, 2, 5]] * 30, 0.5, 3.0)


class Edge:
    """Memory with a page at both ends that may not be read or written."""

    def __init__(self, size: int) -> None:
        page = mmap.PAGESIZE
        self._size = -(-size // page) * page
        self._map = mmap.mmap(-1, self._size + 2 * page)
        self._room = np.frombuffer(self._map, np.uint8)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for at in (0, page + self._size):
            start = ctypes.c_void_p(self._room.ctypes.data + at)
            if protect(start, ctypes.c_size_t(page), 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        self._inner = self._room[page : page + self._size]

    def put(self, body: bytes, at_end: bool) -> NDArray[np.uint8]:
        """The body, read-only, its last or its first byte at the edge."""
        start = self._size - len(body) if at_end else 0
        view = self._inner[start : start + len(body)]
        view[:] = np.frombuffer(body, np.uint8)
        view.flags.writeable = False
        return view


@dataclass
class Findings:
    bodies: int = 0
    octets: int = 0
    taken: int = 0
    equal: int = 0
    library_failed: int = 0
    rows: int = 0
    slowest_s: float = 0.0


def seeds() -> list[bytes]:
    recorded = [body for maker in MAKERS for body in Recording.of(maker).publish]
    made = [publish_response(data_change(mixed(n))) for n in (1, 28, 60, 300)]
    return [*recorded, *made, publish_response()]


def mutants(seed: int, octets: int) -> Iterator[bytes]:
    """Bodies of so many bytes in all: seeds truncated, spliced, flipped, with hostile lengths, and
    plain noise behind an honest beginning."""
    luck = np.random.default_rng(seed)
    origins = seeds()
    done = 0
    while done < octets:
        body = bytearray(origins[luck.integers(len(origins))])
        for _ in range(1 + int(luck.integers(2) * luck.integers(4))):
            _mutate(body, luck, origins)
        done += len(body)
        yield bytes(body)


def _mutate(body: bytearray, luck: np.random.Generator, origins: list[bytes]) -> None:
    at = int(luck.integers(len(body) + 1))
    how = luck.integers(10)
    if how == 0:
        del body[at:]
    elif how < 6:
        for _ in range(luck.integers(1, 5)):
            if body:
                body[luck.integers(len(body))] ^= 1 << int(luck.integers(8))
    elif how < 8:
        body[at : at + 4] = int(luck.choice(LENGTHS)).to_bytes(4, "little", signed=True)
    elif how == 8:
        other = origins[luck.integers(len(origins))]
        body[at:] = other[int(luck.integers(len(other) + 1)) :]
    elif luck.integers(2):
        body[at:] = luck.bytes(int(luck.integers(200)))
    else:
        del body[at : at + int(luck.integers(1, 20))]


def fuzz(seed: int, octets: int) -> Findings:
    """AssertionError for a body that is read otherwise than the library reads it, or too slowly;
    a body that is read beyond its end ends the process."""
    luck = np.random.default_rng(seed + 1)
    edge = Edge(1 << 20)
    room = Rows.room(5000)
    head = np.zeros(scan.HEAD, np.int64)
    asked = np.arange(32, dtype=np.int64)
    found = Findings()
    scan.scan_publish(edge.put(publish_response(), True), SLOTS, RECEIVED, room, head)
    scan.scan_read(edge.put(b"", True), asked, SLOTS, RECEIVED, room, head)
    for body in mutants(seed, octets):
        found.bodies += 1
        found.octets += len(body)
        octets_seen = edge.put(body, bool(luck.integers(8)))
        size = int(luck.choice([0, 40, 4000, 4000, 4000]))
        rows = Rows(*(column[500 : 500 + size] for column in room))
        for column in room:
            column[:] = UNTOUCHED
        began = time.perf_counter()
        count = scan.scan_publish(octets_seen, SLOTS, RECEIVED, rows, head)
        scan_s = time.perf_counter() - began
        found.slowest_s = max(found.slowest_s, scan_s)
        assert scan_s < LONGEST_S, body.hex()
        for column in room:
            assert (column[:500] == UNTOUCHED).all(), body.hex()
            assert (column[500 + size :] == UNTOUCHED).all(), body.hex()
        assert scan.FULL <= count <= size, body.hex()
        if count >= 0 and head[scan.SERVICE_RESULT] == 0:
            found.taken += 1
            found.rows += count
            _compare(body, Rows(*(column[:count].copy() for column in rows)), head, found)
        scan.scan_read(octets_seen, asked, SLOTS, RECEIVED, rows, head)
        read = body.replace(b"\x01\x00\x3d\x03", b"\x01\x00\x7a\x02", 1)
        scan.scan_read(edge.put(read, True), asked, SLOTS, RECEIVED, rows, head)
    return found


def _compare(body: bytes, rows: Rows, head: NDArray[np.int64], found: Findings) -> None:
    try:
        with _patience(2.0):
            batch, refused = by_library(body, SLOTS, RECEIVED)
    except Exception:  # what the library cannot read, it cannot confirm
        found.library_failed += 1
        return
    reasons = {
        "unknown_handle": scan.UNKNOWN_HANDLE,
        "no_value": scan.NO_VALUE,
        "wrong_type": scan.WRONG_TYPE,
        "undecodable": scan.OTHER_NOTIFICATIONS,
    }
    ours = {reason: int(head[at]) for reason, at in reasons.items() if head[at]}
    assert ours == refused, f"{ours} is not {dict(refused)} of {body.hex()}"
    assert rows.tags.tolist() == batch.tags.tolist(), body.hex()
    assert rows.values.tobytes() == batch.values.tobytes(), body.hex()
    assert rows.quality.tobytes() == batch.quality.tobytes(), body.hex()
    assert cut(rows.times).tobytes() == batch.times.tobytes(), body.hex()
    found.equal += 1


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    def over(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
