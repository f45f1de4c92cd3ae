"""Frame: all tags over one beat or several, immutable. Beats sit on the epoch grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analytics.beat.summarise import OUTSIDE, UNORDERED, carry, group, summarise
from plant.batch import Batch

Floats = NDArray[np.float64]

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

    def of(self, tags: NDArray[np.int32]) -> Held:
        return Held(self.times[tags], self.values[tags], self.quality[tags])


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples sorted by (tag, time), one per (tag, time); rows offsets[t]:offsets[t+1] are tag t's.
    A BAD sample's value is NaN."""

    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """The samples of [start, end), sorted by (tag, time), one per (tag, time).

    A reading stands from its own time until the next one of its tag, at most the tag's hold time
    (step interpolation, E = Σ V_k I_k Δt); after that, and while its quality is BAD, the tag is
    unknown: NaN.

    Rows `offsets[t]:offsets[t+1]` of times, values, quality are tag t's. The summary (mean,
    coverage, last) is worked out when it is first asked for.
    """

    start: int
    end: int
    hold_ns: NDArray[np.int64]  # [tags]
    held: Held  # as of `start`
    offsets: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8]
    after: Held  # as of `end`
    beats: int = 1

    @property
    def mean(self) -> Floats:
        """[tags], time-weighted over the known part of the last beat, NaN where unknown."""
        return self._summary[0]

    @property
    def coverage(self) -> Floats:
        """[tags], that part as a fraction of the beat."""
        return self._summary[1]

    @property
    def last(self) -> Floats:
        """[tags], the value standing at the end, NaN where unknown."""
        return self._summary[2]

    @cached_property
    def _summary(self) -> tuple[Floats, Floats, Floats]:
        tags = len(self.hold_ns)
        mean, coverage, last = np.empty(tags), np.empty(tags), np.empty(tags)
        summarise(
            self.end - self.beat_ns, self.end, self.hold_ns, self.held.times, self.held.values,
            self.offsets, self.times, self.values, mean, coverage, last,
        )  # fmt: skip
        return mean, coverage, last

    @property
    def beat_ns(self) -> int:
        return (self.end - self.start) // self.beats

    @property
    def count(self) -> NDArray[np.int64]:
        """Samples of each tag, BAD ones too."""
        return np.diff(self.offsets)

    def of(self, tags: NDArray[np.int32]) -> Frame:
        """The same time with these tags only, in their order."""
        begin, counts = self.offsets[tags], self.count[tags]
        offsets = np.zeros(len(tags) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        rows = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], counts)
        return Frame(
            self.start, self.end, self.hold_ns[tags], self.held.of(tags),
            offsets, self.times[rows], self.values[rows], self.quality[rows], self.after.of(tags),
            self.beats,
        )  # fmt: skip


def freeze(
    hold_ns: NDArray[np.int64], start: int, end: int, held: Held, batch: Batch, beats: int = 1
) -> tuple[Frame, Held]:
    """The frame of [start, end) and the readings held at its end.

    hold_ns: int64[tags], `plant.hold_ns`. held: the readings as of `start`. batch: samples of
    [start, end) in any order; of two with the same tag and time the first row counts. The result
    does not depend on the order of rows with different tag or time. Raises ValueError when a
    sample lies outside the frame, or the frame cannot be cut into its beats.
    """
    return frame_of(hold_ns, start, end, held, _rows(len(hold_ns), start, end, batch), beats)


def frame_of(
    hold_ns: NDArray[np.int64], start: int, end: int, held: Held, rows: Rows, beats: int = 1
) -> tuple[Frame, Held]:
    """`freeze` of rows that are in order already; they must lie in [start, end)."""
    if (end - start) % beats:
        raise ValueError(
            f"a frame of {end - start} ns cannot be cut into {beats} beats: give whole beats"
        )
    tags = len(hold_ns)
    after = Held(np.empty(tags, np.int64), np.empty(tags), np.empty(tags, np.uint8))
    carry(
        held.times, held.values, held.quality, rows.offsets, rows.times, rows.values, rows.quality,
        after.times, after.values, after.quality,
    )  # fmt: skip
    frame = Frame(
        start, end, hold_ns, held, rows.offsets, rows.times, rows.values, rows.quality, after, beats
    )
    return frame, after


def _rows(tags: int, start: int, end: int, batch: Batch) -> Rows:
    n = len(batch)
    rows = Rows(
        np.empty(tags + 1, np.int64), np.empty(n, np.int64), np.empty(n), np.empty(n, np.uint8)
    )

    def ordered(b: Batch) -> int:
        return group(
            start, end, b.tags, b.times, b.values, b.quality,
            rows.offsets, rows.times, rows.values, rows.quality,
        )  # fmt: skip

    kept = ordered(batch)
    if kept == OUTSIDE:
        raise ValueError(
            f"samples from {batch.times.min()} to {batch.times.max()} ns do not belong to the"
            f" frame [{start}, {end}): give freeze the samples of this frame only"
        )
    if kept == UNORDERED:
        kept = ordered(batch.take(np.argsort(batch.times, kind="stable")))
    return Rows(rows.offsets, rows.times[:kept], rows.values[:kept], rows.quality[:kept])
