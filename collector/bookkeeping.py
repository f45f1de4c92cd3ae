"""The book is written once a local day, and again where something late changes what it rests on.

A row of the book rests on the closing figures of its 30 local days and on slow values: samples that
a source gave, and what people entered, which stands before a sample of the same time. All of a row
is computed anew from what is kept, so the order in which it came makes no difference; what comes
out as it was before is not kept again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import SCOPES, Scope
from analytics.beat.windows import windows
from analytics.book.book import book
from analytics.book.input import DAY_FIGURES, DAY_NS, DAYS, DayRows
from analytics.table.book_rows import BOOK
from collector.slow_values import MOST_DAYS, SlowReader
from plant.batch import SECOND
from plant.model import Plant
from store.contract import FigureBlock
from store.entries import Entries
from store.history import History

LOOK_BACK_NS = tuple(s * SECOND for s in (0, 600, 3600, 6 * 3600, 26 * 3600))
"""How far before a day's end its last beat is looked for, in turn; a day has at most 25 hours."""
CLOCK_CHANGE_NS = 2 * 3600 * SECOND

Kept = Callable[[FigureBlock], None]


@dataclass(frozen=True, slots=True)
class _Day:
    start: int
    closed: int  # time of the last beat, the start when there was none
    figures: dict[Scope, NDArray[np.float64]]  # [figures, entities]


def _nothing(_: FigureBlock) -> None: ...


class Bookkeeper:
    """Called by one thread. keep: makes a block of changed figures durable. supersede: is told
    before of what these were."""

    def __init__(
        self,
        plant: Plant,
        history: History,
        entries: Entries,
        keep: Kept,
        supersede: Kept = _nothing,
    ) -> None:
        self._plant = plant
        self._history = history
        self._entries = entries
        self._keep = keep
        self._supersede = supersede
        self._slow = SlowReader(plant, history, entries)
        reach = [self._slow.reach_days(tag.id) for tag in plant.tags]
        self._reach_days = np.array([days or 0 for days in reach], np.int64)  # 0: not in the book
        self._next: dict[int, int] = {}
        self._due: set[int] = set()
        self._late: list[tuple[int, int, int]] = []  # samples: first, last [ns], reach [days]
        self._days: OrderedDict[int, _Day] = OrderedDict()
        self._span: tuple[int, int] | None = None

    # -- what is told

    def close_day(self, day_end: int) -> list[int]:
        """The beats have passed a local midnight [ns]: write its row. -> ends of days whose rows
        changed"""
        first, last = self._closed()
        self._span = first or day_end, max(day_end, last)
        self._days.pop(day_end, None)
        self._slow.drop(day_end)
        self._due.add(day_end)
        return self.refresh()

    def touched(self, tags: NDArray[np.int32], times: NDArray[np.int64]) -> None:
        """Samples of these columns came late, with these times [ns]; of tags that the book does not
        use no row changes."""
        reach = self._reach_days[tags]
        for days in np.unique(reach[reach > 0]).tolist():
            own = np.sort(times[reach == days])
            while len(own):  # a local day at a time
                end = self._end_of(int(own[0]))
                today = int(np.searchsorted(own, end))
                self._slow.drop(end)
                self._late.append((int(own[0]), int(own[today - 1]), days))
                own = own[today:]

    def restated(self, start: int, end: int) -> None:
        """Figures or samples of [start, end) [ns] may be others than before."""
        day = self._end_of(start)
        while day < end + DAY_NS + CLOCK_CHANGE_NS:
            self._days.pop(day, None)
            self._slow.drop(day)
            day = self._after(day)
        self._mark(start, self._end_of(end - 1), DAYS)

    def take_over(self, before: Bookkeeper) -> None:
        """What was due there, and could not be written while the store was away, is due here."""
        self._due |= before._due
        self._late += before._late

    def refresh(self, from_time: int | None = None) -> list[int]:
        """Write again the rows that late values, new entries or restated days touch; with a time
        [ns], all that rest on what is kept from then on. -> ends of days whose rows changed

        StoreUnavailable: the same is due at the next call.
        """
        if from_time is not None:
            self.restated(from_time, self._closed()[1])
        while self._late:
            self._mark(*self._late[-1])
            self._late.pop()
        newest, entries = self._entries.unbooked()
        for entry in entries:
            reach = self._slow.reach_days(entry.tag)
            if reach is not None:
                self._mark(entry.time, entry.time, reach)
        first, last = self._closed()
        self._due = {day for day in self._due if first <= day <= last}
        changed = []
        for day in sorted(self._due):
            if self._write(day):
                changed.append(day)
            self._due.remove(day)
        if newest:
            self._entries.booked(newest)
        return changed

    # -- which days

    def _mark(self, start: int, end: int, reach_days: int) -> None:
        """Days whose rows reach back to something in [start, end]."""
        last = self._closed()[1]
        day = self._end_of(start)
        while day <= min(last, end + reach_days * DAY_NS + CLOCK_CHANGE_NS):
            self._due.add(day)
            day = self._after(day)

    def _end_of(self, time: int) -> int:
        """The end of the local day that holds a time."""
        return int(windows(time, self._plant.site.zone, ())[1, 3])

    def _after(self, end: int) -> int:
        """The end of the day after the one that ends at `end`."""
        if end not in self._next:
            self._next[end] = self._end_of(end)
        return self._next[end]

    def _start_of(self, end: int) -> int:
        return int(windows(end - 1, self._plant.site.zone, ())[0, 3])

    def _closed(self) -> tuple[int, int]:
        """Ends of the first and of the last day that are over, by what is kept; (0, 0) before."""
        if self._span is None:
            extent = self._history.extent()
            if extent is None:
                return 0, 0
            last = int(windows(extent[1], self._plant.site.zone, ())[0, 3])
            self._span = self._end_of(extent[0]), last
            self._due.add(last)  # a kill may have come between the day's last beat and its row
        return self._span

    # -- one row

    def _write(self, day_end: int) -> bool:
        """Compute the row of a day and keep what differs from what was kept."""
        days = self._day_rows(day_end)
        rows = book(self._plant, days, self._slow.values(days, self._closed()[0]))
        changed = False
        for scope, values in rows.items():
            new = values + 0.0  # of the two zeros only 0.0 is kept
            names = tuple(row.name for row in BOOK[scope])
            entities = self._plant.entities(scope)
            kept = self._history.figures(scope, names, entities, day_end, day_end + 1)
            old = kept.values[0] if len(kept.times) else np.full_like(new, np.nan)
            differs = (new != old) & ~(np.isnan(new) & np.isnan(old))
            if not differs.any():
                continue
            changed = True
            at = np.array([day_end], np.int64)
            was = np.where(differs, old, np.nan)
            if not np.isnan(was).all():
                self._supersede(FigureBlock(scope, names, entities, at, was[None]))
            f, e = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
            lost = (differs & np.isnan(new)).any(axis=0)
            self._keep(
                FigureBlock(
                    scope,
                    tuple(names[i] for i in f),
                    tuple(entities[i] for i in e),
                    at,
                    new[np.ix_(f, e)][None],
                    replaces=tuple(entities[i] for i in np.flatnonzero(lost)),
                )
            )
        return changed

    def _day_rows(self, day_end: int) -> DayRows:
        ends = [day_end]
        while len(ends) < DAYS:
            ends.append(self._start_of(ends[-1]))
        ends.reverse()
        days = [self._day(end) for end in ends]
        return DayRows(
            starts=np.array([day.start for day in days], np.int64),
            ends=np.array(ends, np.int64),
            closed=np.array([day.closed for day in days], np.int64),
            entities={scope: len(self._plant.entities(scope)) for scope in SCOPES},
            values={
                scope: {
                    name: np.stack([day.figures[scope][row] for day in days])
                    for row, name in enumerate(names)
                }
                for scope, names in DAY_FIGURES.items()
            },
        )

    def _day(self, end: int) -> _Day:
        if end not in self._days:
            start = self._start_of(end)
            held = end >= self._closed()[0]
            self._days[end] = self._read_day(start, end) if held else self._no_day(start)
            while len(self._days) > MOST_DAYS:
                self._days.popitem(last=False)
        return self._days[end]

    def _no_day(self, start: int) -> _Day:
        nothing = {
            scope: np.full((len(names), len(self._plant.entities(scope))), np.nan)
            for scope, names in DAY_FIGURES.items()
        }
        return _Day(start, start, nothing)

    def _read_day(self, start: int, end: int) -> _Day:
        """The figures of the day's last beat: at its end, or when the beats stopped before."""
        until = end + 1
        for back in LOOK_BACK_NS:
            since = max(start + 1, end - back)
            blocks = {
                scope: self._history.figures(scope, names, None, since, until)
                for scope, names in DAY_FIGURES.items()
                if names
            }
            closed = max((int(b.times[-1]) for b in blocks.values() if len(b.times)), default=0)
            if closed:
                day = self._no_day(start)
                for scope, block in blocks.items():
                    if len(block.times) and block.times[-1] == closed:
                        day.figures[scope][:] = block.values[-1]
                return _Day(start, closed, day.figures)
            until = since
        return self._no_day(start)
