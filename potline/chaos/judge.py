"""What the plant told against what is kept: each sample once and to the last bit, or on record.

The waves of the simulator are a hash of tag and time, so what each tag said at every moment is
known without a record. A sample that is not kept has to lie in a gap on record of its tag, or in
the time of a fault that destroyed it where nobody could know; all else is unexplained. What is
kept and was never told so is wrong, or a reading that the server confirmed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch, Quality
from plant.model import Plant
from potline.auditing import audit_rows
from potline.chaos.faults.server import SKEWS_S
from potline.chaos.gaps import GapsOnRecord
from potline.chaos.storm import Done, Storm
from potline.opening import Kept
from simulators.wave import Wave

SPAN_S = 60
_MS = 1_000_000
_SKEWS_NS = {round(s * SECOND) % _MS: round(s * SECOND) for s in SKEWS_S}
UNSENT_NS = 2 * SECOND
"""What a publisher that is killed, or a broker, may hold that nobody else has."""
AFTER_NS = 3 * SECOND
"""A fault of the data may be heard of so long after its end."""
MOST_EXAMPLES = 8
MOST_BACK = 4
"""A reading confirmed is of what the server had: at most so many intervals before."""
_NO_NUMBER = ("not_finite", "out_of_range", "wrong_type", "not_a_number")
"""Reasons of the ledger for what `not_finite` and `change_types` make of values."""


@dataclass(slots=True)
class Verdict:
    """Counts of samples in the judged span unless said otherwise. missing: by why they are not
    kept. kept_otherwise: kept though not told, or with another value, by why. examples: of what is
    unexplained: (tag, time [ns])."""

    told: int = 0
    kept: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    kept_otherwise: Counter[str] = field(default_factory=Counter)
    unexplained: int = 0
    wrong: int = 0
    duplicates: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    stored_in_all: int = 0
    examples: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def ledger_closes(self) -> bool:
        return all(r["difference"] == 0 and r["store_difference"] == 0 for r in self.ledger)

    @property
    def closes(self) -> bool:
        return self.ledger_closes and not (self.unexplained or self.wrong or self.duplicates)


def judge(storm: Storm, opened: Kept) -> Verdict:
    plant = opened.plant
    verdict = Verdict(ledger=audit_rows(opened))
    verdict.stored_in_all = sum(row["in_store"] for row in verdict.ledger)
    first, last = storm.judged
    gaps = [*opened.spool.gaps(), *opened.spool.open_gaps(last)]
    verdict.gaps.update(gap.cause for gap in gaps)
    court = _Court(storm, plant, GapsOnRecord(plant, gaps, first, last), verdict)
    carry = Batch.empty()
    for start in range(first, last, SPAN_S * SECOND):
        end = min(last, start + SPAN_S * SECOND)
        carry = court.hear(opened.history.samples(None, start, end), start, end, carry)
    return verdict


class _Court:
    def __init__(self, storm: Storm, plant: Plant, gaps: GapsOnRecord, verdict: Verdict) -> None:
        self._storm, self._plant, self._gaps, self._verdict = storm, plant, gaps, verdict
        self._wave = Wave(plant, 0)
        self._every, self._phase = plant.interval_ns, self._wave.phase_ns
        kinds = {source.id: source.kind for source in plant.sources}
        told_by = ("opcua", "mqtt", "sparkplug")  # polls and files have times of their own
        self._judged = np.array([kinds[tag.source] in told_by for tag in plant.tags])
        timed = ["time" in tag.address or kinds[tag.source] != "mqtt" for tag in plant.tags]
        self._judged &= np.array(timed)
        self._sources = [source.id for source in plant.sources]
        self._brokered = np.array([kinds[tag.source] != "opcua" for tag in plant.tags])
        self._scale = np.array([tag.scale for tag in plant.tags])
        self._offset = np.array([tag.offset for tag in plant.tags])
        self._refusals = sum(
            row["rejected"].get(reason, 0) for row in verdict.ledger for reason in _NO_NUMBER
        )

    def hear(self, kept: Batch, start: int, end: int, before: Batch) -> Batch:
        """Judge [start, end). before: the newest reading of each tag until then; returns those
        at the end."""
        kept = kept.take(self._judged[kept.tags])
        tags, times = self._told(start, end)
        keys = self._key(tags, times, start, end)
        have = self._key(kept.tags, kept.times, start, end)
        self._verdict.duplicates += len(have) - len(np.unique(have))
        real, expected = self._unskewed(kept), np.isin(have, keys)
        self._verdict.told += len(tags)
        self._verdict.kept += len(kept)
        for rows, at in ((expected, kept.times), (~expected, real)):
            self._check_values(kept.take(rows), at[rows])
        moved = self._key(kept.tags, real, start, end)
        missing = ~np.isin(keys, np.concatenate([have, moved]))
        readings = Batch.concat([before, kept])
        readings = readings.take(np.lexsort((readings.times, readings.tags)))
        self._explain(tags[missing], times[missing], readings)
        newest = np.ones(len(readings), np.bool_)
        newest[:-1] = np.diff(readings.tags) != 0
        return readings.take(newest)

    def _told(self, start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every (tag, time) of the plant while it was there, sorted."""
        columns = np.flatnonzero(self._judged)
        every, phase = self._every[columns], self._phase[columns]
        first = -(-(start - phase) // every)
        count = np.maximum(-(-(end - phase) // every) - first, 0)
        tags = np.repeat(columns, count)
        within = np.arange(len(tags)) - np.repeat(np.cumsum(count) - count, count)
        times = (np.repeat(first, count) + within) * self._every[tags] + self._phase[tags]
        there = np.zeros(len(tags), np.bool_)
        for since, until in self._storm.alive:
            there |= (times >= since) & (times < until)
        return tags[there], times[there]

    def _key(
        self, tags: NDArray[Any], times: NDArray[np.int64], start: int, end: int
    ) -> NDArray[np.int64]:
        """One number for a (tag, time), within what wrong clocks move beside [start, end)."""
        wide = 20 * SECOND
        span = end - start + 2 * wide
        near: NDArray[np.int64] = np.clip(times - start + wide, 0, span - 1)
        return tags.astype(np.int64) * span + near

    def _unskewed(self, kept: Batch) -> NDArray[np.int64]:
        """When a sample was told, by a clock that is right."""
        rest = kept.times % _MS
        real = kept.times.copy()
        for left, skew in _SKEWS_NS.items():
            real[rest == left] -= skew
        return real

    # -- what is kept

    def _check_values(self, kept: Batch, at: NDArray[np.int64]) -> None:
        """at: when each was told [ns]; off the tag's own times it is a reading confirmed."""
        every, phase = self._every[kept.tags], self._phase[kept.tags]
        steps = (at - phase) // every
        on_time = (at - phase) % every == 0
        marked = kept.quality & (Quality.CONFIRMED | Quality.RECEIVED_TIME) > 0
        bad = kept.quality & Quality.SEVERITY == Quality.BAD
        good, retyped = np.zeros((2, len(kept)), np.bool_)
        for back in range(MOST_BACK):
            may = ~bad & np.where(on_time, back == 0, marked)
            told_at = (steps - back) * every + phase
            told = self._wave.read(kept.tags, told_at)
            good |= may & (kept.values == told)
            retyped |= may & self._in_another_type(kept, told, told_at)
        count = self._verdict.kept_otherwise
        count["told Bad"] += int(bad.sum())
        count["read again and confirmed"] += int((good & ~on_time).sum())
        count["in another type, as told"] += int((retyped & ~good).sum())
        left = kept.take(~(good | bad | retyped))
        open_ = self._brokered[left.tags] | (not self._storm.secured)
        altered = self._during(left.tags, left.times, ("corrupt",)) & open_
        count["altered on an open connection"] += int(altered.sum())
        self._wrong(left.take(~altered))

    def _in_another_type(
        self, kept: Batch, told: NDArray[np.float64], at: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """As change_types tells it: a Float or an integer of what it should be."""
        scale, offset = self._scale[kept.tags], self._offset[kept.tags]
        wire = (told - offset) / scale
        narrow = wire.astype(np.float32).astype(np.float64) * scale + offset
        same = (kept.values == narrow) | (kept.values == np.trunc(wire) * scale + offset)
        return np.asarray(same & self._during(kept.tags, at, ("change_types",)))

    def _wrong(self, kept: Batch) -> None:
        self._verdict.wrong += len(kept)
        for row in range(min(len(kept), MOST_EXAMPLES)):
            tag, at = self._plant.tags[kept.tags[row]].id, int(kept.times[row])
            self._example(tag, at, f"kept as {kept.values[row]!r}, quality {kept.quality[row]}")

    def _example(self, tag: str, at: int, what: str) -> None:
        if len(self._verdict.examples) < 5 * MOST_EXAMPLES:
            self._verdict.examples.append((tag, at, what))

    # -- what is not

    def _explain(self, tags: NDArray[np.int64], times: NDArray[np.int64], readings: Batch) -> None:
        """readings: what is kept, sorted by tag and time."""
        missing = self._verdict.missing
        cause = self._gaps.cover(tags, times)
        for code, name in enumerate(self._gaps.causes):
            missing[f"gap on record: {name}"] += int((cause == code).sum())
        tags, times = tags[cause < 0], times[cause < 0]
        for name, found in (
            ("told Bad from there on", partial(self._after_bad, readings)),
            ("refused and counted, as no number of its tag", self._refused),
            ("held by a publisher or broker that was killed", self._held),
            ("altered on an open connection", self._altered),
        ):
            explained = found(Batch.of(tags, times, np.zeros(len(tags))))
            missing[name] += int(explained.sum())
            tags, times = tags[~explained], times[~explained]
        self._verdict.unexplained += len(tags)
        for tag, at in list(zip(tags.tolist(), times.tolist(), strict=True))[:MOST_EXAMPLES]:
            self._example(self._plant.tags[tag].id, at, "missing")

    def _after_bad(self, readings: Batch, rows: Batch) -> NDArray[np.bool_]:
        """Whether the tag's reading before was Bad. readings: sorted by tag and time."""
        if not len(readings):
            return np.zeros(len(rows), np.bool_)
        base = int(readings.times.min())
        span = max(int(readings.times.max()), int(rows.times.max(initial=base))) - base + 1
        keys = readings.tags.astype(np.int64) * span + readings.times - base
        wanted = rows.tags.astype(np.int64) * span + np.maximum(rows.times - base, 0)
        at = np.searchsorted(keys, wanted, "right") - 1
        told_bad = readings.quality[at] & Quality.SEVERITY == Quality.BAD
        return np.asarray((at >= 0) & (readings.tags[at] == rows.tags) & told_bad)

    def _refused(self, rows: Batch) -> NDArray[np.bool_]:
        """By faults of the data, no more of them than the ledger counts."""
        mine = np.flatnonzero(self._during(rows.tags, rows.times, ("not_finite", "change_types")))
        mine = mine[: self._refusals]
        self._refusals -= len(mine)
        explained = np.zeros(len(rows), np.bool_)
        explained[mine] = True
        return explained

    def _held(self, rows: Batch) -> NDArray[np.bool_]:
        """MQTT alone: what was on its way when the publisher or the broker was killed."""
        found = np.zeros(len(rows), np.bool_)
        for done in self._storm.done:
            kind = done.planned.kind.name
            if kind in ("kill_plant", "kill_broker"):
                forgetful = kind == "kill_broker" and not self._storm.durable
                until = done.ended + AFTER_NS if forgetful else done.began
                inside = (rows.times >= done.began - UNSENT_NS) & (rows.times < until)
                found |= self._of(rows.tags, done) & inside
        return np.asarray(found & self._brokered[rows.tags])

    def _altered(self, rows: Batch) -> NDArray[np.bool_]:
        plain = self._brokered[rows.tags] | (not self._storm.secured)
        return self._during(rows.tags, rows.times, ("corrupt",)) & plain

    def _during(
        self, tags: NDArray[np.int32], times: NDArray[np.int64], kinds: Sequence[str]
    ) -> NDArray[np.bool_]:
        """Whether a fault of these kinds struck the source of the tag then."""
        found = np.zeros(len(tags), np.bool_)
        for done in self._storm.done:
            if done.planned.kind.name in kinds:
                first, last = done.began - AFTER_NS, done.ended + AFTER_NS
                found |= self._of(tags, done) & (times >= first) & (times < last)
        return found

    def _of(self, tags: NDArray[np.int32], done: Done) -> NDArray[np.bool_]:
        mine = np.array([source in done.sources for source in self._sources])
        return np.asarray(mine[self._plant.source_of_tag[tags]])
