"""Protobuf's wire format: numbers, and what is passed over. Nothing beyond `end` is read."""

from __future__ import annotations

import numpy as np

from collector.sparkplug.kernel import inlined, kernel

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types: the low three bits of a key; the others are the number of the field."""
MOST_KEY = 0xFFFFFFFF


@inlined
def varint(buffer, position, end):  # type: ignore[no-untyped-def]
    """-> its 64 bits, where it ended; -1 when it is none"""
    value, shift, after = np.int64(0), 0, np.int64(-1)
    while position < end and shift < 70:
        byte = np.int64(buffer[position])
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            after = position
            break
    return value, after


@kernel
def skip(buffer, position, end, wire):  # type: ignore[no-untyped-def]
    """Pass over a value. -> where it ended; -1 when it does not"""
    if wire == VARINT:
        return varint(buffer, position, end)[1]
    if wire == BYTES:
        length, position = varint(buffer, position, end)
        if position < 0 or length < 0:
            return -1
    elif wire == FIXED32:
        length = np.int64(4)
    elif wire == FIXED64:
        length = np.int64(8)
    else:
        return -1
    return position + length if length <= end - position else -1


@inlined
def little_endian(buffer, begin, count):  # type: ignore[no-untyped-def]
    bits = np.int64(0)
    for i in range(count):
        bits |= np.int64(buffer[begin + i]) << (8 * i)
    return bits


@kernel
def property_at(buffer, begin, end, name):  # type: ignore[no-untyped-def]
    """A property of a metric by its name, uint8[k]. -> where it begins and ends, or -1"""
    wanted = _place_of_key(buffer, begin, end, name)
    position = begin
    while wanted >= 0 and position < end:
        key, position = varint(buffer, position, end)
        if position < 0:
            break
        start = position
        position = skip(buffer, position, end, key & 7)
        if position < 0:
            break
        if key == 2 << 3 | BYTES:
            if wanted == 0:
                return varint(buffer, start, end)[1], position
            wanted -= 1
    return -1, -1


@kernel
def _place_of_key(buffer, begin, end, name):  # type: ignore[no-untyped-def]
    position, place = begin, 0
    while position < end:
        key, position = varint(buffer, position, end)
        if position < 0:
            return -1
        start = position
        position = skip(buffer, position, end, key & 7)
        if position < 0:
            return -1
        if key == 1 << 3 | BYTES:
            start = varint(buffer, start, end)[1]
            if position - start == len(name):
                same = True
                for i in range(len(name)):
                    same = same and buffer[start + i] == name[i]
                if same:
                    return place
            place += 1
    return -1
