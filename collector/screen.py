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
from store.facts import Last

_YEAR_2000 = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * SECOND
_DAY = 86_400 * SECOND
_ON_ITS_WAY = 2 * SECOND
"""A sample comes so long after it was taken, at most."""

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
    told: NDArray[np.int64]  # as of store.facts.Last: from here a gap begins
    values: NDArray[np.float64]  # of the newest reading; NaN when unknown
    awaiting: NDArray[np.uint8]  # cause of a gap, if its next sample shows that there was one

    @classmethod
    def of(cls, last: Last) -> Track:
        count = len(last.newest)
        return cls(last.newest, last.told, np.full(count, np.nan), np.zeros(count, np.uint8))

    def resume(self, tags: NDArray[np.bool_], began: int, heard: int) -> None:
        """The source of these tags is connected again; the process began at `began`, something of
        it came last at `heard` [ns, by our clock]. What a clock ahead of ours told may be of then
        and a little before: it may be right when it goes on."""
        ahead = np.maximum(self.told[tags], heard) - heard
        self.told[tags] -= ahead + np.minimum(ahead, _ON_ITS_WAY)
        self.awaiting[tags] = np.where(self.told[tags] < began, DOWN, DISCONNECTED)

    def miss(self, tags: NDArray[np.int32], cause: str) -> None:
        """The source knows that samples before the next ones of these tags did not come."""
        self.awaiting[tags] = next(code for code, name in CAUSES.items() if name == cause)

    def follow(self, plant: Plant, batch: Batch, now: int) -> tuple[NDArray[np.bool_], Batch, Gaps]:
        """Take rows in their order, which came at `now` [ns]: which are suspect (not newer than the
        tag's newest), the batch with backward counters marked, and the gaps that ended."""
        suspect, backwards, gap_end, gap_start, cause = _follow(
            batch.tags,
            batch.times,
            batch.values,
            batch.quality & Quality.BACKFILLED > 0,
            plant.is_counter,
            plant.hold_ns,
            plant.interval_ns,
            round(plant.time.max_future_s * SECOND),
            now,
            self.newest,
            self.told,
            self.values,
            self.awaiting,
        )
        quality = batch.quality
        if backwards.any():
            quality = quality | backwards * np.uint8(Quality.COUNTER_BACKWARDS)
        gaps = Gaps(batch.tags[gap_end], gap_start, batch.times[gap_end], cause)
        return suspect, Batch(batch.tags, batch.times, batch.values, quality), gaps


@njit(cache=True)
def _follow(  # type: ignore[no-untyped-def]
    tags, times, values, backfilled, is_counter, hold, interval, ahead, now, newest, told, known,
    awaiting,
):  # fmt: skip
    rows = len(tags)
    suspect = np.zeros(rows, np.bool_)
    backwards = np.zeros(rows, np.bool_)
    gap_end = np.empty(rows, np.int64)
    gap_start = np.empty(rows, np.int64)
    cause = np.empty(rows, np.uint8)
    gaps = 0
    for i in range(rows):
        tag, time = tags[i], times[i]
        suspect[i] = time <= newest[tag]
        if suspect[i] and (backfilled[i] or time <= newest[tag] - ahead):
            continue
        if awaiting[tag] != NONE:
            before = newest[tag] if time > now else told[tag]  # its clock is ahead as it was
            if time <= before:
                continue
            longest, found = interval[tag] + interval[tag] // 2, awaiting[tag]
        else:
            before, longest, found = newest[tag], hold[tag], np.uint8(SILENT)
        if before > 0 and time - before > longest:
            gap_end[gaps] = i
            gap_start[gaps] = before
            cause[gaps] = found
            gaps += 1
        awaiting[tag] = NONE
        told[tag] = time
        if suspect[i]:  # a clock that was ahead is right again
            continue
        newest[tag] = time
        if not np.isnan(values[i]):
            if is_counter[tag] and values[i] < known[tag]:
                backwards[i] = True
            known[tag] = values[i]
    return suspect, backwards, gap_end[:gaps], gap_start[:gaps], cause[:gaps]
