"""Rows to InfluxDB's line protocol, in columns.

One line for each (series, time) with all its fields; values as the shortest decimals that read back
to the same bits; a field `{name}_q` with the quality where it is not GOOD, and only that where the
value is BAD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import orjson
from numba import njit
from numpy.typing import NDArray

from plant.batch import Quality

F = TypeVar("F", bound=Callable[..., object])
SEVERITY, BAD = int(Quality.SEVERITY), int(Quality.BAD)
COMMA, CLOSE, SPACE, NEWLINE = (int(c) for c in b",] \n")
ZERO, EQUALS, UNDERSCORE, LETTER_Q, LETTER_I = (int(c) for c in b"0=_qi")
TIME_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Words:
    """Texts laid out for the kernel: word i is `bytes[at[i]:at[i + 1]]`."""

    bytes: NDArray[np.uint8]
    at: NDArray[np.int64]

    @classmethod
    def of(cls, words: Sequence[str]) -> Words:
        encoded = [word.encode() for word in words]
        at = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), at)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.at)


def series(measurement: str, tags: Mapping[str, str]) -> str:
    """Measurement and tags as they begin a line; empty tags are left out."""
    parts = [escaped(measurement, ", ")]
    parts += [f"{k}={escaped(v, ', =')}" for k, v in sorted(tags.items()) if v]
    return ",".join(parts)


def escaped(text: str, special: str) -> str:
    return "".join("\\" + c if c in special else c for c in text)


def string_field(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def arranged(
    head: NDArray[np.intp], tags: NDArray[np.int32], times: NDArray[np.int64], heads: int
) -> NDArray[np.intp]:
    """The rows in the order of their lines: by (head, time, tag); of rows with the same three the
    first. Quick where rows of a head come in the order of time, as they mostly do."""
    order = np.empty(len(head), np.intp)
    return order[: _arrange(order, head, tags, times, heads)]


def lines(
    heads: Words,
    fields: Words,
    head: NDArray[np.intp],
    field: NDArray[np.integer[Any]],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
    order: NDArray[np.intp] | None = None,
) -> memoryview:
    """n rows (index of head, index of field, time ns >= 0, value, quality) as lines. Rows of one
    (head, time) must be together: as they come, or in the `order` given, which may leave some out.
    """
    if order is None:
        order = np.arange(len(times))
    if not len(order):
        return memoryview(b"")
    numbers = orjson.dumps(values[order], option=orjson.OPT_SERIALIZE_NUMPY)
    text = np.frombuffer(numbers, np.uint8)
    longest = int(fields.lengths.max()) + TIME_DIGITS + 16
    room = len(text) + len(order) * (int(heads.lengths.max()) + 2 * longest)
    out = np.empty(room, np.uint8)
    size = _fill(
        out,
        text,
        heads.bytes,
        heads.at,
        fields.bytes,
        fields.at,
        head,
        field.astype(np.int32, copy=False),
        times,
        quality,
        order,
    )
    return out[:size].data


def compiled(function: F) -> F:
    return cast(F, njit(cache=True, nogil=True)(function))


@compiled
def _arrange(
    order: NDArray[np.intp],
    head: NDArray[np.intp],
    tags: NDArray[np.int32],
    times: NDArray[np.int64],
    heads: int,
) -> int:
    at = np.zeros(heads + 1, np.intp)
    for h in head:
        at[h + 1] += 1
    at = np.cumsum(at)
    place = at.copy()
    for i in range(len(head)):
        order[place[head[i]]] = i
        place[head[i]] += 1
    size = 0
    for h in range(heads):
        first, last = at[h], at[h + 1]
        moved = 0
        for k in range(first + 1, last):
            row = order[k]
            to = k
            while to > first and _before(row, order[to - 1], tags, times):
                order[to] = order[to - 1]
                to -= 1
            order[to] = row
            moved += k - to
            if moved > 8 * (k - first) + 1000:  # far from sorted
                rows = order[first:last].copy()
                rows = rows[np.argsort(tags[rows], kind="mergesort")]
                order[first:last] = rows[np.argsort(times[rows], kind="mergesort")]
                break
        for k in range(first, last):
            row = order[k]
            if k > first:
                other = order[size - 1]
                if times[row] == times[other] and tags[row] == tags[other]:
                    continue
            order[size] = row
            size += 1
    return size


@compiled
def _before(one: int, other: int, tags: NDArray[np.int32], times: NDArray[np.int64]) -> bool:
    if times[one] != times[other]:
        return bool(times[one] < times[other])
    return bool(tags[one] < tags[other])


@compiled
def _copy(
    out: NDArray[np.uint8], size: int, words: NDArray[np.uint8], first: int, last: int
) -> int:
    for k in range(first, last):
        out[size] = words[k]
        size += 1
    return size


@compiled
def _integer(out: NDArray[np.uint8], size: int, number: int) -> int:
    digits = 1
    rest = number // 10
    while rest:
        digits += 1
        rest //= 10
    for k in range(size + digits - 1, size - 1, -1):
        out[k] = ZERO + number % 10
        number //= 10
    return size + digits


@compiled
def _fill(
    out: NDArray[np.uint8],
    text: NDArray[np.uint8],
    heads: NDArray[np.uint8],
    head_at: NDArray[np.int64],
    fields: NDArray[np.uint8],
    field_at: NDArray[np.int64],
    head: NDArray[np.intp],
    field: NDArray[np.int32],
    times: NDArray[np.int64],
    quality: NDArray[np.uint8],
    order: NDArray[np.intp],
) -> int:
    size = 0
    at = 1  # in text, after its "["
    open_head, open_time = -1, 0  # of the line begun
    for i in order:
        if head[i] != open_head or times[i] != open_time:
            if open_head >= 0:
                size = _end(out, size, open_time)
            open_head, open_time = head[i], times[i]
            size = _copy(out, size, heads, head_at[open_head], head_at[open_head + 1])
            out[size] = SPACE
        else:
            out[size] = COMMA
        size += 1
        first, last = field_at[field[i]], field_at[field[i] + 1]
        bad = (quality[i] & SEVERITY) == BAD
        if bad:
            while text[at] != COMMA and text[at] != CLOSE:
                at += 1
        else:
            size = _copy(out, size, fields, first, last)
            out[size] = EQUALS
            size += 1
            while text[at] != COMMA and text[at] != CLOSE:
                out[size] = text[at]
                size += 1
                at += 1
        at += 1
        if quality[i] != 0:
            if not bad:
                out[size] = COMMA
                size += 1
            size = _copy(out, size, fields, first, last)
            out[size], out[size + 1], out[size + 2] = UNDERSCORE, LETTER_Q, EQUALS
            size = _integer(out, size + 3, int(quality[i]))
            out[size] = LETTER_I
            size += 1
    return _end(out, size, open_time)


@compiled
def _end(out: NDArray[np.uint8], size: int, time: int) -> int:
    out[size] = SPACE
    size = _integer(out, size + 1, time)
    out[size] = NEWLINE
    return size + 1
