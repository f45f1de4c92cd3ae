"""From the bytes of a connection to its packets: many PUBLISH packets from one read.

MQTT 3.1.1 and 5.0, sections 2 and 3.3. The peer is not trusted: no length is followed beyond the
bytes that are there, and a packet beyond what a payload may be is never kept whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collector.mqtt.kernel import kernel

Rows = NDArray[np.int64]

FIRST, BEGIN, TOPIC, TOPIC_END, ANSWER, ALIAS, PAYLOAD, END, KNOWN = range(9)
"""Columns of a packet: its first byte, and where in the buffer it and its parts begin and end.
ANSWER: the four bytes of its PUBACK (QoS 1) or PUBREC (QoS 2), 0 for none, as little-endian number.
KNOWN is filled by `find_topics`. A packet other than PUBLISH has FIRST, BEGIN, END, and as its
PAYLOAD all behind its length."""
PUBLISH = 3
PUBACK, PUBREC = 0x40, 0x50
HEAD = 1 << 17
"""More than the longest topic and what is before and behind it; properties apart."""
MOST_OTHER = 1 << 20
"""Bytes of a packet that is no PUBLISH."""
CAPACITY = 1 << 18
ROWS = 4096
_FAR = 1 << 62  # the end of a packet that is not kept
FAULTS = (
    "",
    "a remaining length of more than four bytes",
    "a PUBLISH whose parts reach beyond its end",
    "a PUBLISH with QoS 3",
    "a PUBLISH with message id 0",
    "a PUBLISH with a property that it cannot have",
    "a packet other than PUBLISH of more than a megabyte",
)
_OK, _LENGTH, _PARTS, _QOS, _ID, _PROPERTY, _OTHER = range(7)


class MalformedError(Exception):
    """What came is no MQTT."""


class PacketReader:
    """The bytes of one connection that are not packets yet."""

    def __init__(self, five: bool, most_payload_bytes: int) -> None:
        self._five = five
        self._most = most_payload_bytes + HEAD
        self._begin = self._end = 0
        self.bytes = memoryview(b"")
        self.buffer = np.empty(0, np.uint8)
        self._passing = 0  # bytes of a packet too large to keep that are still to come
        self._passed = np.zeros((0, 9), np.int64)
        self._rows = np.zeros((ROWS, 9), np.int64)
        self._hold(CAPACITY)

    def _hold(self, size: int) -> None:
        held = bytearray(size)
        array = np.frombuffer(held, np.uint8)
        if self._end:
            array[: self._end] = self.buffer[: self._end]
        self.bytes = memoryview(held)
        self.buffer = array

    def room(self) -> memoryview:
        """Where the next bytes belong."""
        return self.bytes[self._end :]

    def take(self, count: int) -> Rows:
        """`count` bytes came into `room`. -> a packet too large to keep that has now passed, [0 or
        1, 9]; `packets` told it before, without its answer."""
        self._begin = 0
        self._end += count
        if not self._passing:
            return self._passed[:0]
        self._begin = min(self._passing, count)  # nothing else is held while one passes
        self._passing -= self._begin
        return self._passed[: not self._passing]

    def packets(self) -> Rows:
        """The next packets of what came, int64[n, 9], valid until the next call; none when all are
        taken. MalformedError."""
        n, self._begin, fault = scan(
            self.buffer, self._begin, self._end, self._five, self._most, self._rows
        )
        rows: Rows = self._rows[:n]
        if fault and not n:
            raise MalformedError(FAULTS[fault])
        if self._begin > self._end:
            self._passing = self._begin - self._end
            self._begin = self._end
            self._passed = rows[-1:].copy()
            rows[-1, ANSWER] = 0
            rows[-1, END] = _FAR
        return rows

    def keep(self) -> None:
        """All packets are taken: keep what is left, with room for the rest of it."""
        left = self._end - self._begin
        if self._begin:
            self.buffer[:left] = self.buffer[self._begin : self._end].copy()
        self._end = left
        if left == len(self.buffer):
            self._hold(min(2 * left, self._most + HEAD))


@kernel
def scan(buffer, position, end, five, most, rows):  # type: ignore[no-untyped-def]
    """Packets of buffer[position:end], uint8, into rows [n, 9]. -> count, where the next begins,
    fault. The next begins beyond `end` when the last is larger than `most` bytes."""
    count = 0
    while count < len(rows) and position + 2 <= end:
        first = np.int64(buffer[position])
        body, length, fault = _length(buffer, position + 1, end)
        if fault:
            return count, position, fault
        if body == 0:
            break
        stop = body + length
        if first >> 4 != PUBLISH:
            if length > MOST_OTHER:
                return count, position, _OTHER
            if stop > end:
                break
            rows[count, :] = 0
            rows[count, PAYLOAD] = body
        else:
            if stop > end and (stop - position <= most or end - position < HEAD):
                break
            fault = _publish(buffer, first, body, stop, end, five, rows[count])
            if fault:
                return count, position, fault
        rows[count, FIRST] = first
        rows[count, BEGIN] = position
        rows[count, END] = stop
        count += 1
        position = stop
    return count, position, _OK


@kernel
def _length(buffer, position, end):  # type: ignore[no-untyped-def]
    """A variable byte integer. -> where it ended (0: not all there), its value, fault"""
    value = np.int64(0)
    for i in range(4):
        if position + i >= end:
            return 0, value, _OK
        byte = np.int64(buffer[position + i])
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return position + i + 1, value, _OK
    return 0, value, _LENGTH


@kernel
def _publish(buffer, first, position, stop, end, five, row):  # type: ignore[no-untyped-def]
    """The parts of a PUBLISH from its variable header on; only its head need be there (`end`)."""
    there = min(stop, end)
    qos = first >> 1 & 3
    row[:] = 0
    if qos == 3:
        return _QOS
    if position + 2 > there:
        return _PARTS
    row[TOPIC] = position + 2
    position = row[TOPIC] + _two(buffer, position)
    row[TOPIC_END] = position
    if position + (2 if qos else 0) > there:
        return _PARTS
    if qos:
        high, low = np.int64(buffer[position]), np.int64(buffer[position + 1])
        if high | low == 0:
            return _ID
        row[ANSWER] = (PUBREC if qos == 2 else PUBACK) | 2 << 8 | high << 16 | low << 24
        position += 2
    if five:
        begin, length, fault = _length(buffer, position, there)
        if fault or begin == 0 or begin + length > stop:
            return _PARTS
        position = begin + length
        if position <= there:
            row[ALIAS], fault = _alias(buffer, begin, position)
            if fault:
                return fault
    row[PAYLOAD] = position
    return _OK


@kernel
def _alias(buffer, position, end):  # type: ignore[no-untyped-def]
    """The topic alias among the properties (0: none). MQTT 5.0, 2.2.2.2"""
    alias = np.int64(0)
    while position < end:
        kind = buffer[position]
        position += 1
        if kind == 0x01:  # payload format
            position += 1
        elif kind == 0x02:  # message expiry
            position += 4
        elif kind == 0x23:
            if position + 2 <= end:
                alias = _two(buffer, position)
                if alias == 0:
                    return alias, _PROPERTY
            position += 2
        elif kind == 0x0B:  # subscription identifier
            position, _, fault = _length(buffer, position, end)
            if fault or position == 0:
                return alias, _PROPERTY
        elif kind in (0x03, 0x08, 0x09, 0x26):  # content type, response topic, correlation, user
            for _ in range(2 if kind == 0x26 else 1):
                if position + 2 > end:
                    return alias, _PARTS
                position += 2 + _two(buffer, position)
        else:
            return alias, _PROPERTY
    return alias, _OK if position == end else _PARTS


@kernel
def _two(buffer, position):  # type: ignore[no-untyped-def]
    return np.int64(buffer[position]) << 8 | np.int64(buffer[position + 1])
