"""Rows to InfluxDB's line protocol, in columns.

One line for each (series, time) with all its fields; values as the shortest decimals that read back
to the same bits; a field `{name}_q` with the quality where it is not GOOD, and only that where the
value is BAD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

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


def lines(
    heads: Words,
    fields: Words,
    head: NDArray[np.intp],
    field: NDArray[np.intp],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
) -> bytes:
    """n rows (index of head, index of field, time ns >= 0, value, quality) as lines. Rows of one
    (head, time) must be together."""
    if not len(times):
        return b""
    text = np.frombuffer(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY), np.uint8)
    room = len(text) + int(heads.lengths[head].sum() + (2 * fields.lengths[field]).sum())
    out = np.empty(room + len(times) * (TIME_DIGITS + 16), np.uint8)
    size = _fill(
        out, text, heads.bytes, heads.at, fields.bytes, fields.at, head, field, times, quality
    )
    return out[:size].tobytes()


def compiled(function: F) -> F:
    return cast(F, njit(cache=True, nogil=True)(function))


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
    field: NDArray[np.intp],
    times: NDArray[np.int64],
    quality: NDArray[np.uint8],
) -> int:
    size = 0
    at = 1  # in text, after its "["
    rows = len(times)
    for i in range(rows):
        end = at
        while text[end] != COMMA and text[end] != CLOSE:
            end += 1
        if i == 0 or head[i] != head[i - 1] or times[i] != times[i - 1]:
            size = _copy(out, size, heads, head_at[head[i]], head_at[head[i] + 1])
            out[size] = SPACE
        else:
            out[size] = COMMA
        size += 1
        name_first, name_last = field_at[field[i]], field_at[field[i] + 1]
        bad = (quality[i] & SEVERITY) == BAD
        if not bad:
            size = _copy(out, size, fields, name_first, name_last)
            out[size] = EQUALS
            size = _copy(out, size + 1, text, at, end)
        if quality[i] != 0:
            if not bad:
                out[size] = COMMA
                size += 1
            size = _copy(out, size, fields, name_first, name_last)
            out[size], out[size + 1], out[size + 2] = UNDERSCORE, LETTER_Q, EQUALS
            size = _integer(out, size + 3, int(quality[i]))
            out[size] = LETTER_I
            size += 1
        if i == rows - 1 or head[i] != head[i + 1] or times[i] != times[i + 1]:
            out[size] = SPACE
            size = _integer(out, size + 1, int(times[i]))
            out[size] = NEWLINE
            size += 1
        at = end + 1
    return size
