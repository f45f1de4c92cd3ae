"""Sparkplug B payloads as bytes: protobuf's wire format, for what we say ourselves."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

INT64, DOUBLE, BOOLEAN, STRING = 4, 10, 11, 12
"""Datatypes."""
_DOUBLE_VALUE = b"\x69"
_NULL = b"\x38\x01"


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def _block(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def metric_named(
    name: str,
    value: float | bool | int | None,
    time_ms: int,
    *,
    alias: int | None = None,
    unit: str = "",
) -> bytes:
    """A metric as births and commands have it. None: its value is null, a Double's."""
    parts = [_block(1, name.encode())]
    if alias is not None:
        parts.append(_number(2, alias))
    parts.append(_number(3, time_ms))
    if isinstance(value, bool):
        parts += [_number(4, BOOLEAN), _number(14, value)]
    elif isinstance(value, int):
        parts += [_number(4, INT64), _number(11, value)]
    elif value is None:
        parts += [_number(4, DOUBLE), _number(7, 1)]
    else:
        parts += [_number(4, DOUBLE), varint(13 << 3 | 1) + struct.pack("<d", value)]
    if unit:
        told = _number(1, STRING) + _block(8, unit.encode())
        parts.append(_block(9, _block(1, b"engUnit") + _block(2, told)))
    return b"".join(parts)


def payload_of(time_ms: int, metrics: Iterable[bytes], seq: int | None = None) -> bytes:
    parts = [_number(1, time_ms), *(_block(2, metric) for metric in metrics)]
    if seq is not None:
        parts.append(_number(3, seq))
    return b"".join(parts)


def data_of(time_ms: int, aliases: Sequence[bytes], values: NDArray[np.float64], seq: int) -> bytes:
    """A DATA payload of Doubles; NaN is null. aliases: of `alias_of`, one for each value."""
    stamp = _number(3, time_ms)
    words = values.astype("<f8").tobytes()
    metrics = [
        alias + stamp + (_NULL if null else _DOUBLE_VALUE + words[8 * i : 8 * i + 8])
        for i, (alias, null) in enumerate(zip(aliases, np.isnan(values).tolist(), strict=True))
    ]
    return payload_of(time_ms, metrics, seq)


def alias_of(number: int) -> bytes:
    return _number(2, number)
