"""Chunk: samples of a longer stretch, sorted by (tag, time) as a store gives them, from which
frame after frame is cut without sorting again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.beat.frame import Rows
from analytics.kernel import kernel
from plant.batch import Batch, Quality

_SEVERITY = int(Quality.SEVERITY)
_BAD = int(Quality.BAD)


class Chunk:
    """What is left of a sorted batch; `cut` takes the samples before a time off it."""

    def __init__(self, batch: Batch, edges: NDArray[np.int64]) -> None:
        self.left = len(batch)
        self._batch = batch
        self._next = edges[:-1].copy()  # row of each tag's next sample
        self._stop = edges[1:]

    @classmethod
    def of(cls, batch: Batch, tags: int) -> Chunk | None:
        """None when the batch is not sorted by (tag, time), or has a (tag, time) twice."""
        edges = np.empty(tags + 1, np.int64)
        return cls(batch, edges) if find_tags(batch.tags, batch.times, edges) else None

    def cut(self, end: int) -> Rows:
        """The samples before `end` that were not cut off yet."""
        times = self._batch.times
        offsets = np.empty(len(self._next) + 1, np.int64)
        n = count_before(end, times, self._next, self._stop, offsets)
        rows = Rows(offsets, np.empty(n, np.int64), np.empty(n), np.empty(n, np.uint8))
        take_rows(
            times, self._batch.values, self._batch.quality, self._next,
            offsets, rows.times, rows.values, rows.quality,
        )  # fmt: skip
        self.left -= n
        return rows

    def first(self) -> int:
        """Time of the oldest sample left; some must be."""
        return int(self._batch.times[self._next[self._next < self._stop]].min())


def as_batch(rows: Rows) -> Batch:
    """The rows with the tag of each."""
    tags = np.repeat(np.arange(len(rows.offsets) - 1, dtype=np.int32), np.diff(rows.offsets))
    return Batch(tags, rows.times, rows.values, rows.quality)


@kernel
def find_tags(tags: NDArray[np.int32], times: NDArray[np.int64], edges: NDArray[np.int64]) -> bool:
    """Fill edges[tags + 1], the rows at which each tag begins; False when not in strict order."""
    at = 0
    for row in range(len(tags)):
        tag = tags[row]
        if row and (tag < tags[row - 1] or (tag == tags[row - 1] and times[row] <= times[row - 1])):
            return False
        while at <= tag:
            edges[at] = row
            at += 1
    edges[at:] = len(tags)
    return True


@kernel
def count_before(
    end: int,
    times: NDArray[np.int64],
    begin: NDArray[np.int64],
    stop: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> int:
    """offsets[tags + 1] of the rows before `end`; returns how many."""
    total = 0
    for tag in range(len(begin)):
        offsets[tag] = total
        row = begin[tag]
        while row < stop[tag] and times[row] < end:
            row += 1
        total += row - begin[tag]
    offsets[len(begin)] = total
    return total


@kernel
def take_rows(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
    begin: NDArray[np.int64],
    offsets: NDArray[np.int64],
    out_times: NDArray[np.int64],
    out_values: NDArray[np.float64],
    out_quality: NDArray[np.uint8],
) -> None:
    """Copy the rows that offsets speak of, and step `begin` over them. A BAD value becomes NaN."""
    for tag in range(len(begin)):
        row = begin[tag]
        for at in range(offsets[tag], offsets[tag + 1]):
            out_times[at] = times[row]
            out_values[at] = np.nan if (quality[row] & _SEVERITY) >= _BAD else values[row]
            out_quality[at] = quality[row]
            row += 1
        begin[tag] = row
