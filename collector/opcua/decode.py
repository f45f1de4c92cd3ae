"""Bodies of OPC UA responses to batches, a whole notification at a time."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from asyncua.ua.uatypes import StatusCode, UInt32
from numpy.typing import NDArray

from collector.opcua import scan
from collector.opcua.scan import Rows, Slots
from plant.batch import Batch

MOST_ROWS = 1 << 22
"""Of one response: a body of a few bytes could otherwise name an array of tags without end."""

_FEW_ROWS = 1 << 12
_NOTHING_MORE = (bytes(8), b"\x00\xff\xff\xff\xff" + bytes(3))


class Undecodable(ConnectionError):
    """A body that is no OPC UA Binary, or that says more than it holds."""


def plain_header(body: bytes, response: int) -> bytes:
    """Time, handle and result of that response, whose body begins at byte 28: no diagnostics, texts
    or additions are between. Raises Undecodable."""
    if body[:4] != struct.pack("<HH", 1, response) or body[20:28] not in _NOTHING_MORE:
        raise Undecodable(f"no response {response} with a plain header")
    return body[4:28]


@dataclass(frozen=True, slots=True)
class Publication:
    """A PublishResponse. Times in ns.

    has_notifications: False for a keep-alive, whose sequence number is the next one. ended: the
    status with which the server ended the subscription, 0 when it did not. overflowed: columns of
    the tags whose queue at the server overflowed, once for each time.
    """

    subscription: int
    sequence: int
    published: int
    has_notifications: bool
    ended: int
    batch: Batch
    refused: Counter[str]
    overflowed: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Reading:
    """A ReadResponse; read_at: the server's clock [ns]."""

    read_at: int
    batch: Batch
    refused: Counter[str]


class Decoder:
    """Keeps the room that values are read into.

    Time: the source's, else the server's, both to the ns, else `received` [ns] to the µs, marked
    RECEIVED_TIME. Status Bad gives NaN. Refused, one for each tag: `no_value` (none though the
    status is not Bad, or an array without the tag's element), `wrong_type` (anything but one number
    or boolean where the tag is a value, an array of them where it is an element); one for each
    item: `unknown_handle`; one for each notification that brings no data change: `undecodable`.

    Both methods raise Undecodable, or UaStatusCodeError when the server says that the service
    failed.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._rows = Rows.room(_FEW_ROWS)
        self._head = np.zeros(scan.HEAD, np.int64)

    def publication(self, body: bytes, received: int) -> Publication:
        octets, time = np.frombuffer(body, np.uint8), _whole_us(received)
        rows = self._scanned(
            lambda: scan.scan_publish(octets, self._slots, time, self._rows, self._head)
        )
        head = self._head
        return Publication(
            subscription=int(head[scan.SUBSCRIPTION]),
            sequence=int(head[scan.SEQUENCE]),
            published=int(head[scan.PUBLISH_TIME]),
            has_notifications=bool(head[scan.NOTIFICATIONS]),
            ended=int(head[scan.ENDED]),
            batch=self._batch(rows),
            refused=self._refused(),
            overflowed=self._rows.tags[:rows][self._rows.overflow[:rows] != 0],
        )

    def reading(self, body: bytes, asked: NDArray[np.int64], received: int) -> Reading:
        """asked: int64[k], the handles whose nodes were read, in the request's order."""
        octets, time = np.frombuffer(body, np.uint8), _whole_us(received)
        rows = self._scanned(
            lambda: scan.scan_read(octets, asked, self._slots, time, self._rows, self._head)
        )
        return Reading(int(self._head[scan.RESPONSE_TIME]), self._batch(rows), self._refused())

    def _scanned(self, scanned: Callable[[], int]) -> int:
        """How many rows; makes room for them as long as there are more."""
        while (rows := scanned()) == scan.FULL and len(self._rows.tags) < MOST_ROWS:
            self._rows = Rows.room(4 * len(self._rows.tags))
        if rows < 0:
            raise Undecodable("the response is no OPC UA Binary, or holds too many values")
        status = int(self._head[scan.SERVICE_RESULT])
        StatusCode(UInt32(status)).check()
        return rows

    def _batch(self, rows: int) -> Batch:
        tags, times, values, quality, _ = self._rows
        return Batch(
            tags[:rows].copy(), times[:rows].copy(), values[:rows].copy(), quality[:rows].copy()
        )

    def _refused(self) -> Counter[str]:
        reasons = {
            "unknown_handle": scan.UNKNOWN_HANDLE,
            "no_value": scan.NO_VALUE,
            "wrong_type": scan.WRONG_TYPE,
            "undecodable": scan.OTHER_NOTIFICATIONS,
        }
        return Counter(
            {name: int(self._head[at]) for name, at in reasons.items() if self._head[at]}
        )


def warm() -> None:
    """Have the scanner compiled: takes up to a minute when numba's cache is empty."""
    nothing = np.empty(0, np.int64)
    none, numbers = np.empty(0, np.int32), np.empty(0, np.float64)
    decoder = Decoder(Slots(np.zeros(1, np.int64), none, nothing, numbers, numbers))
    with suppress(Undecodable):
        decoder.publication(b"", 0)
    with suppress(Undecodable):
        decoder.reading(b"", nothing, 0)


def _whole_us(time: int) -> int:
    return time // 1000 * 1000
