"""Batch: many samples as arrays, and the quality of a sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

SECOND = 1_000_000_000
"""Nanoseconds in a second; every time in potline is int64 ns since the epoch, UTC."""


class Quality(IntEnum):
    """Quality of a sample. The low two bits are the OPC UA severity, the others are marks."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2  # the value is NaN: from this time on the tag's value is unknown
    SEVERITY = 3  # mask
    CONFIRMED = 4  # not a change: the server confirmed at this time that the value still holds
    BACKFILLED = 8  # read from a history or a file, not live
    RECEIVED_TIME = 16  # the source gave no time; the time of receipt was used
    COUNTER_BACKWARDS = 32  # a counter stood below its previous reading


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples as four columns of equal length n. No order is promised between rows.

    tags: int32[n], the tag's column in the plant. times: int64[n], ns since the epoch, by the
    source. values: float64[n], in the signal's unit; NaN where quality is BAD. quality: uint8[n].
    """

    tags: NDArray[np.int32]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.tags)

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Self:
        """The rows chosen by a mask, an index array or a slice."""
        return type(self)(
            self.tags[which], self.times[which], self.values[which], self.quality[which]
        )

    @classmethod
    def of(
        cls,
        tags: object,
        times: object,
        values: object,
        quality: object | None = None,
    ) -> Self:
        """A batch from anything numpy can turn into arrays; quality GOOD when not given."""
        tag_array = np.ascontiguousarray(tags, dtype=np.int32)
        quality_array = (
            np.zeros(len(tag_array), np.uint8)
            if quality is None
            else np.ascontiguousarray(quality, dtype=np.uint8)
        )
        return cls(
            tag_array,
            np.ascontiguousarray(times, dtype=np.int64),
            np.ascontiguousarray(values, dtype=np.float64),
            quality_array,
        )

    @classmethod
    def empty(cls) -> Self:
        return cls.of([], [], [])

    @classmethod
    def concat(cls, batches: Iterable[Batch]) -> Self:
        """All rows of all batches, in the order given."""
        parts = [b for b in batches if len(b)]
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([b.tags for b in parts]),
            np.concatenate([b.times for b in parts]),
            np.concatenate([b.values for b in parts]),
            np.concatenate([b.quality for b in parts]),
        )
