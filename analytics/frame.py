"""Frame: all tags at one beat, immutable. Beats sit on the epoch grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.summarise import group, summarise
from plant.batch import Batch

NEVER = np.iinfo(np.int64).min
"""Time of a reading that was never made."""


@dataclass(frozen=True, slots=True)
class Held:
    """The newest reading of each tag before some time. All arrays have length tags."""

    times: NDArray[np.int64]  # NEVER where there is none
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]

    @classmethod
    def nothing(cls, tags: int) -> Held:
        return cls(np.full(tags, NEVER, np.int64), np.full(tags, np.nan), np.zeros(tags, np.uint8))


@dataclass(frozen=True, slots=True)
class Frame:
    """The samples of [start, end), sorted by (tag, time), one per (tag, time).

    A reading stands from its own time until the next one of its tag, at most the tag's hold time
    (step interpolation, domain.md §1.1: E = Σ V_k I_k Δt); after that, and while its quality is
    BAD, the tag is unknown: NaN.

    Rows `offsets[t]:offsets[t+1]` of times, values, quality are tag t's. The summary arrays have
    length tags: mean is time-weighted over the known part of the beat, coverage is that part as a
    fraction, last is the value standing at the end; NaN where unknown. count counts every sample,
    BAD ones too; their value is NaN.
    """

    start: int
    end: int
    held: Held  # as of `start`
    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]
    mean: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    count: NDArray[np.int64]
    coverage: NDArray[np.float64]
    last: NDArray[np.float64]


def freeze(
    hold_ns: NDArray[np.int64], start: int, end: int, held: Held, batch: Batch
) -> tuple[Frame, Held]:
    """The frame of [start, end) and the readings held at its end.

    hold_ns: int64[tags], `plant.hold_ns`. held: the readings as of `start`. batch: samples of
    [start, end) in any order; of two with the same tag and time the first row counts. The result
    does not depend on the order of rows with different tag or time. Raises ValueError when a
    sample lies outside the frame.
    """
    tags = len(hold_ns)
    rows = len(batch)
    if rows and (batch.times.min() < start or batch.times.max() >= end):
        raise ValueError(
            f"samples from {batch.times.min()} to {batch.times.max()} ns do not belong to the"
            f" frame [{start}, {end}): give freeze the samples of this beat only"
        )
    offsets = np.empty(tags + 1, np.int64)
    times = np.empty(rows, np.int64)
    values = np.empty(rows, np.float64)
    quality = np.empty(rows, np.uint8)
    kept = group(
        batch.tags, batch.times, batch.values, batch.quality, offsets, times, values, quality
    )
    if kept < 0:
        b = batch.take(np.argsort(batch.times, kind="stable"))
        kept = group(b.tags, b.times, b.values, b.quality, offsets, times, values, quality)
    times, values, quality = times[:kept], values[:kept], quality[:kept]

    mean, minimum, maximum, coverage, last = np.empty((5, tags))
    summarise(
        start, end, hold_ns, held.times, held.values, offsets, times, values,
        mean, minimum, maximum, coverage, last,
    )  # fmt: skip
    count = np.diff(offsets)
    frame = Frame(
        start, end, held, offsets, times, values, quality,
        mean, minimum, maximum, count, coverage, last,
    )  # fmt: skip
    fresh = count > 0
    newest = offsets[1:][fresh] - 1
    after = Held(held.times.copy(), held.values.copy(), held.quality.copy())
    after.times[fresh] = times[newest]
    after.values[fresh] = values[newest]
    after.quality[fresh] = quality[newest]
    return frame, after
