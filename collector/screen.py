"""What a sample must be to be kept, and its place in the tag's history. No clock, no I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numba import njit
from numpy.typing import NDArray

from plant.batch import SECOND, Batch, Quality
from plant.model import Plant

_YEAR_2000 = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * SECOND
_DAY = 86_400 * SECOND

NONE, DISCONNECTED, DOWN, SILENT, SEQUENCE_GAP, OVERFLOW = range(6)
CAUSES = {
    DISCONNECTED: "disconnected",
    DOWN: "collector was down",
    SILENT: "silent",
    SEQUENCE_GAP: "sequence gap",
    OVERFLOW: "overflow",
}
"""Why nothing is known of a tag for a while; codes of `Track.awaiting` and of gap rows."""


def screen(plant: Plant, batch: Batch, now: int) -> tuple[Batch, Counter[str]]:
    """The rows worth keeping, and how many were refused by reason. now: [ns]

    unknown_tag; time_invalid (before 2000), time_too_old (unless backfilled), time_future;
    not_finite and out_of_range unless the status is Bad, which makes the value NaN. A row counts
    for the first reason in this order.
    """
    known = (batch.tags >= 0) & (batch.tags < len(plant.tags))
    tags = np.where(known, batch.tags, 0)
    bad = batch.quality & Quality.SEVERITY == Quality.BAD
    values = np.where(bad, np.nan, batch.values)
    live = batch.quality & Quality.BACKFILLED == 0
    faults = {
        "unknown_tag": ~known,
        "time_invalid": batch.times < _YEAR_2000,
        "time_too_old": live & (batch.times < now - round(plant.time.max_age_days * _DAY)),
        "time_future": batch.times > now + round(plant.time.max_future_s * SECOND),
        "not_finite": ~bad & ~np.isfinite(values),
        "out_of_range": (values < plant.low[tags]) | (values > plant.high[tags]),
    }
    refused: Counter[str] = Counter()
    kept = np.ones(len(batch), np.bool_)
    for reason, fault in faults.items():
        count = int((fault & kept).sum())
        if count:
            refused[reason] = count
            kept &= ~fault
    if refused:
        return Batch(batch.tags, batch.times, values, batch.quality).take(kept), refused
    return Batch(batch.tags, batch.times, values, batch.quality), refused


@dataclass(frozen=True, slots=True)
class Gaps:
    """Rows: nothing is known of the tag between start and end [ns]. causes: codes of CAUSES."""

    tags: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    causes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Track:
    """What is known of each tag so far. Arrays of length tags."""

    newest: NDArray[np.int64]  # smallest int64: never
    values: NDArray[np.float64]  # of the newest reading; NaN when unknown
    awaiting: NDArray[np.uint8]  # cause of a gap, if its next sample shows that there was one

    @classmethod
    def of(cls, newest: NDArray[np.int64]) -> Track:
        count = len(newest)
        return cls(newest.copy(), np.full(count, np.nan), np.zeros(count, np.uint8))

    def resume(self, tags: NDArray[np.bool_], began: int) -> None:
        """The source of these tags is connected again; the process began at `began` [ns]."""
        self.awaiting[tags] = np.where(self.newest[tags] < began, DOWN, DISCONNECTED)

    def miss(self, tags: NDArray[np.int32], cause: str) -> None:
        """The source knows that samples before the next ones of these tags did not come."""
        self.awaiting[tags] = next(code for code, name in CAUSES.items() if name == cause)

    def follow(self, plant: Plant, batch: Batch) -> tuple[NDArray[np.bool_], Batch, Gaps]:
        """Take rows in their order: which are suspect (not newer than the tag's newest), the
        batch with backward counters marked, and the gaps that ended."""
        suspect, backwards, gap_end, gap_start, cause = _follow(
            batch.tags,
            batch.times,
            batch.values,
            plant.is_counter,
            plant.hold_ns,
            plant.interval_ns,
            self.newest,
            self.values,
            self.awaiting,
        )
        quality = batch.quality
        if backwards.any():
            quality = quality | backwards * np.uint8(Quality.COUNTER_BACKWARDS)
        gaps = Gaps(batch.tags[gap_end], gap_start, batch.times[gap_end], cause)
        return suspect, Batch(batch.tags, batch.times, batch.values, quality), gaps


@njit(cache=True)
def _follow(tags, times, values, is_counter, hold, interval, newest, known, awaiting):  # type: ignore[no-untyped-def]
    rows = len(tags)
    suspect = np.zeros(rows, np.bool_)
    backwards = np.zeros(rows, np.bool_)
    gap_end = np.empty(rows, np.int64)
    gap_start = np.empty(rows, np.int64)
    cause = np.empty(rows, np.uint8)
    gaps = 0
    for i in range(rows):
        tag = tags[i]
        before = newest[tag]
        if times[i] <= before:
            suspect[i] = True
            continue
        if before > 0:
            silence = times[i] - before
            if awaiting[tag] != NONE:
                found = awaiting[tag] if silence > interval[tag] + interval[tag] // 2 else NONE
            else:
                found = SILENT if silence > hold[tag] else NONE
            if found != NONE:
                gap_end[gaps] = i
                gap_start[gaps] = before
                cause[gaps] = found
                gaps += 1
        awaiting[tag] = NONE
        newest[tag] = times[i]
        if not np.isnan(values[i]):
            if is_counter[tag] and values[i] < known[tag]:
                backwards[i] = True
            known[tag] = values[i]
    return suspect, backwards, gap_end[:gaps], gap_start[:gaps], cause[:gaps]
