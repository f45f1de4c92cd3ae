"""What stands of the slow signals: what people entered, and else the samples of the sources."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from analytics.book.input import DAYS, REACH_DAYS, DayRows, Series, SlowValues
from plant.batch import SECOND, Batch, Quality
from plant.model import Plant
from store.entries import Entries
from store.history import History

HOUR_NS = 3600 * SECOND
MOST_DAYS = 2 * DAYS + 4
"""So many days are held, so that a late value finds all that its rows rest on."""
EACH_COUNTS = ("tap_mass", "anode_changes", "metal_level")
"""Signals of which every value counts; of the others the newest."""
COUNTER = "metal_tapped"
"""Its rises are taps, in cells whose taps nobody weighs."""
SIGNALS = (*REACH_DAYS, COUNTER)


class SlowReader:
    """Reads each local day's samples once and holds them, until it is told to drop them."""

    def __init__(self, plant: Plant, history: History, entries: Entries) -> None:
        self._history = history
        self._entries = entries
        cells = plant.entities("cell")
        self._place = np.full((len(plant.tags), 2), -1, np.int64)  # signal of SIGNALS, cell
        for signal, name in enumerate(SIGNALS):
            columns = plant.columns("cell", name)
            there = np.flatnonzero(columns >= 0)
            self._place[columns[there], 0] = signal
            self._place[columns[there], 1] = there
        self._columns = np.flatnonzero(self._place[:, 0] >= 0).tolist()
        each = [signal for signal, name in enumerate(SIGNALS) if name in EACH_COUNTS]
        self._each_counts = np.isin(self._place[:, 0], each)
        self._is_counter = self._place[:, 0] == len(REACH_DAYS)
        self._entered = {
            f"{id_}.{name}": (signal, cell)
            for signal, name in enumerate(REACH_DAYS)
            for cell, id_ in enumerate(cells)
        }
        self._days: OrderedDict[int, Batch] = OrderedDict()

    def reach_days(self, tag: str) -> int | None:
        """For how long a value of this tag counts; None when the book does not use it."""
        place = self._entered.get(tag)
        return None if place is None else REACH_DAYS[SIGNALS[place[0]]]

    def drop(self, day_end: int) -> None:
        """Samples of this day may have come since it was read."""
        self._days.pop(day_end, None)

    def values(self, days: DayRows, first: int) -> SlowValues:
        """What stands within the days. first: end of the first day of which there are samples."""
        spans = zip(days.starts.tolist(), days.ends.tolist(), strict=True)
        parts = [self._samples(start, end) for start, end in spans if end >= first]
        samples = Batch.concat(parts)
        entries = self._entries.standing(
            sorted(self._entered), int(days.starts[0]), int(days.ends[-1])
        )
        of_entries = np.array([self._entered[e.tag] for e in entries], np.int64).reshape(-1, 2)
        place = np.concatenate([self._place[samples.tags], of_entries])
        times = np.concatenate([samples.times, np.array([e.time for e in entries], np.int64)])
        values = np.concatenate([samples.values, np.array([e.value for e in entries], np.float64)])
        # The sort is stable: of one (signal, cell, time) an entry comes after a sample, and stands.
        order = np.lexsort((times, place[:, 1], place[:, 0]))
        place, times, values = place[order], times[order], values[order]
        stands = np.ones(len(order), np.bool_)
        stands[:-1] = (place[1:] != place[:-1]).any(axis=1) | (times[1:] != times[:-1])
        stands &= ~np.isnan(values)
        found = {
            name: Series(place[rows, 1].astype(np.intp), times[rows], values[rows])
            for signal, name in enumerate(SIGNALS)
            for rows in [stands & (place[:, 0] == signal)]
        }
        found["tap_mass"] = taps(found["tap_mass"], found.pop(COUNTER))
        return found

    def _samples(self, start: int, end: int) -> Batch:
        """Samples of one local day, by (tag, time). A value confirmed is no new measurement."""
        if end not in self._days:
            found = self._history.samples(self._columns, start, end)
            fresh = (found.quality & Quality.CONFIRMED == 0) & ~np.isnan(found.values)
            self._days[end] = self._thinned(found.take(fresh))
            while len(self._days) > MOST_DAYS:
                self._days.popitem(last=False)
        return self._days[end]

    def _thinned(self, batch: Batch) -> Batch:
        """Of signals of which the newest value counts, one value an hour; of counters the changes;
        of the others all."""
        tags, hour = batch.tags, batch.times // HOUR_NS
        begins, ends = np.ones(len(batch), np.bool_), np.ones(len(batch), np.bool_)
        begins[1:] = (tags[1:] != tags[:-1]) | (batch.values[1:] != batch.values[:-1])
        ends[:-1] = (tags[1:] != tags[:-1]) | (hour[1:] != hour[:-1])
        kept = np.where(self._is_counter[tags], begins, ends | self._each_counts[tags])
        return batch.take(kept)


def taps(weighed: Series, counter: Series) -> Series:
    """The weighed taps; of cells without any in these days the rises of the counter. A counter that
    falls was set back, and counts nothing there."""
    rise = np.diff(counter.values, prepend=np.nan)
    same: NDArray[np.bool_] = np.diff(counter.cell, prepend=-1) == 0
    rows = same & (rise > 0) & ~np.isin(counter.cell, weighed.cell)
    cell = np.concatenate([weighed.cell, counter.cell[rows]])
    times = np.concatenate([weighed.times, counter.times[rows]])
    values = np.concatenate([weighed.values, rise[rows]])
    order = np.lexsort((times, cell))
    return Series(cell[order], times[order], values[order])
