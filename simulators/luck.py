"""Random numbers by counter: the n-th of a stream is a hash, so it needs no state and no order.

A stream belongs to one entity by its id. What is drawn for a cell depends on the seed, the cell's
id and the count alone: not on other cells, nor on how many steps are made at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from math import cos, log, pi, sin, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulators.kernel import kernel, part

Array = NDArray[np.float64]
Keys = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 2.0**-53


class _Streams(NamedTuple):
    """What a number is drawn for. Plain numbers: numba knows them without being asked."""

    NATURE: int = 0  # what the entity is, drawn once
    NOISE: int = 1
    RIPPLE: int = 2
    DRIFT: int = 3
    CHANCE: int = 4
    EVENT: int = 5
    EFFECT: int = 6
    LAB: int = 7
    SENSOR: int = 8
    DATA: int = 9
    CONSTANT: int = 10


Stream = _Streams()


def keys(seed: int, ids: Iterable[str]) -> Keys:
    """uint64 of each id, by seed."""
    digests = [blake2b(f"{seed}/{name}".encode(), digest_size=8).digest() for name in ids]
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)


@part
def _mix(x: np.uint64) -> np.uint64:
    """splitmix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


@part
def uniform(key: np.uint64, stream: int, n: int) -> float:
    """Of (0, 1), both ends left out."""
    bits = _mix(_mix(key + np.uint64(stream) * _M2) + np.uint64(n) * _GOLDEN)
    return (float(bits >> _S11) + 0.5) * _UNIT


@part
def normal_pair(key: np.uint64, stream: int, n: int) -> tuple[float, float]:
    """Two independent standard normals (Box and Muller 1958)."""
    radius = sqrt(-2 * log(uniform(key, stream, 2 * n)))
    angle = 2 * pi * uniform(key, stream, 2 * n + 1)
    return radius * cos(angle), radius * sin(angle)


@part
def normal(key: np.uint64, stream: int, n: int) -> float:
    return normal_pair(key, stream, n)[0]


@kernel
def uniforms(keys: Keys, stream: int, n: NDArray[np.int64]) -> Array:
    """keys, n: [m] -> float64[m]"""
    out = np.empty(len(keys))
    for i in range(len(keys)):
        out[i] = uniform(keys[i], stream, n[i])
    return out


@kernel
def normals(keys: Keys, stream: int, n: NDArray[np.int64]) -> Array:
    """keys, n: [m] -> float64[m]"""
    out = np.empty(len(keys))
    for i in range(len(keys)):
        out[i] = normal(keys[i], stream, n[i])
    return out


@kernel
def wander(keys: Keys, stream: int, knot_s: float, times_s: Array) -> Array:
    """A smooth disturbance of mean 0 and mean square 1: straight lines between normals that are
    knot_s apart. keys [m], times_s [t], never negative -> float64[t, m]"""
    out = np.empty((len(times_s), len(keys)))
    for i in range(len(times_s)):
        place = times_s[i] / knot_s
        n = int(place)
        share = place - n
        for j in range(len(keys)):
            before, after = normal(keys[j], stream, n), normal(keys[j], stream, n + 1)
            out[i, j] = (before + (after - before) * share) * sqrt(1.5)
    return out


class Draw:
    """Numbers drawn once for each of some entities, one after the other."""

    def __init__(self, keys: Keys, stream: int = Stream.NATURE) -> None:
        self._keys, self._stream, self._n = keys, stream, 0

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Array:
        return low + (high - low) * uniforms(self._keys, self._stream, self._next())

    def normal(self, mean: float | Array = 0.0, deviation: float = 1.0) -> Array:
        return mean + deviation * normals(self._keys, self._stream, self._next())

    def _next(self) -> NDArray[np.int64]:
        self._n += 1
        return np.full(len(self._keys), self._n, np.int64)
