"""Samples as a server has them: arrays, in the types and with the status they have on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

BOOLEAN, SBYTE, BYTE, INT16, UINT16, INT32, UINT32, INT64, UINT64, FLOAT, DOUBLE, STRING = range(
    1, 13
)
"""Built-in types by their number in Part 6, table 1."""
YEAR_1601 = int(np.iinfo(np.int64).min)
"""Stands for one second into the year in which OPC UA time begins, which is too long ago in ns."""
NOT_A_NUMBER = "4,05"  # what a tag says that suddenly is a String
_INTEGERS = range(SBYTE, FLOAT)


@dataclass(frozen=True, slots=True)
class Samples:
    """Columns of length n. tags: int32, column in the plant; times: int64 ns by the source;
    values: float64, on the wire; status: uint32, OPC UA; kinds: uint8, built-in types."""

    tags: NDArray[np.int32]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    status: NDArray[np.uint32]
    kinds: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.tags)

    def take(self, which: NDArray[np.bool_] | NDArray[np.integer[Any]] | slice) -> Samples:
        return Samples(
            self.tags[which], self.times[which], self.values[which], self.status[which],
            self.kinds[which],
        )  # fmt: skip


def variant(value: float, kind: int) -> ua.Variant:
    """A value as the library's own encoder needs it; as `queue.encode` writes it."""
    told: object = value
    if kind == BOOLEAN:
        told = value != 0
    elif kind in _INTEGERS:
        told = int(value)
    elif kind == STRING:
        told = NOT_A_NUMBER
    return ua.Variant(told, ua.VariantType(kind))
