"""What births told, as one hash table for the kernels: (scope, alias or hash of a name) -> metric.

A scope is a number of its own for each birth, so that nothing of an earlier one is ever found.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from collector.sparkplug.wire import (
    ALIAS,
    BITS,
    FLAGS,
    HAS_ALIAS,
    NAME,
    NAME_END,
    TYPE,
    hash_of,
    insert,
)

_SMALLEST = 1024


class Births:
    def __init__(self) -> None:
        self._scope = 0
        self._used = 0
        self._hold(_SMALLEST)

    def _hold(self, slots: int) -> None:
        self.table = (
            np.zeros(slots, np.int64),  # scopes, 0 where nothing is
            np.zeros(slots, np.int64),  # keys
            np.zeros(slots, np.int64),  # datatype + 256 * (column + 1)
            np.frombuffer(bytearray(b"Quality"), np.uint8),
        )

    def new_scope(self) -> int:
        self._scope += 1
        return self._scope

    def tell(
        self,
        payload: NDArray[np.uint8],
        rows: NDArray[np.int64],
        wanted: Mapping[bytes, int],
        alias_scope: int,
        live: NDArray[np.int64],
    ) -> tuple[int, set[bytes]]:
        """Take the metrics [n, METRIC] of a birth. -> the scope of their names, and which names of
        `wanted` (name -> column) it has. live: scopes that are still of use."""
        scope = self.new_scope()
        held = payload.tobytes()
        told: set[bytes] = set()
        scopes, keys, values = [], [], []
        for begin, end, alias, flags, kind in rows[
            :, (NAME, NAME_END, ALIAS, FLAGS, TYPE)
        ].tolist():
            name = held[begin:end]
            column = wanted.get(name, -1)
            value = (kind & 255) + 256 * (column + 1)
            if column >= 0:
                told.add(name)
            if flags & HAS_ALIAS:
                scopes.append(alias_scope)
                keys.append(alias)
                values.append(value)
            if column >= 0 or not flags & HAS_ALIAS:
                scopes.append(scope)
                keys.append(hash_of(payload, begin, end))
                values.append(value)
        self._add(np.array((scopes, keys, values), np.int64), live)
        return scope, told

    def _add(self, new: NDArray[np.int64], live: NDArray[np.int64]) -> None:
        """new: scopes, keys, values [3, n]"""
        held, old_keys, old_values, _ = self.table
        if 2 * (self._used + new.shape[1]) > len(held):
            kept = np.isin(held, live) & (held != 0)
            needed = 4 * (int(kept.sum()) + new.shape[1])
            self._hold(max(_SMALLEST, 1 << needed.bit_length()))
            self._used = insert(*self.table[:3], held[kept], old_keys[kept], old_values[kept])
        self._used += insert(*self.table[:3], *new)


def death_number(payload: NDArray[np.uint8], rows: NDArray[np.int64]) -> int | None:
    """bdSeq, which says to which birth a death belongs; None when it is not told."""
    held = payload.tobytes()
    for begin, end, bits in rows[:, (NAME, NAME_END, BITS)].tolist():
        if held[begin:end] == b"bdSeq":
            return int(bits)
    return None
