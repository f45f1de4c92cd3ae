"""Figures computed again against those kept: what differs is kept anew, what it was is kept too."""

from __future__ import annotations

from collections import Counter

import numpy as np

from analytics.beat.assessment import Assessment
from analytics.beat.frame import Frame
from collector.gather import Gather
from collector.keep import anode_effect_event
from plant.model import Plant
from store.contract import FigureBlock
from store.history import History
from store.restatements import Restatements
from store.spool import Checkpoint, Event, Spool

MOST_BEATS = 360
"""So many kept beats are compared at once."""


class Reviser:
    """One restatement at a time: `begin`, beats in order, `flush` at checkpoints, `finish`."""

    def __init__(
        self, plant: Plant, history: History, spool: Spool, restatements: Restatements
    ) -> None:
        self._plant = plant
        self._history = history
        self._spool = spool
        self._restatements = restatements
        self._gather = Gather(plant)
        self.begin(0)

    def begin(self, version: int) -> None:
        self._version = version
        self.changed: Counter[str] = Counter()
        self._gather.clear()
        self._events: dict[str, Event] = {}

    def __call__(self, frame: Frame, assessment: Assessment) -> None:
        for row in assessment.anode_effects:
            event = anode_effect_event(self._plant, row)
            self._events[event.row["key"]] = event
        self._gather.add(assessment)
        if len(self._gather) >= MOST_BEATS:
            self.flush()

    def flush(self, checkpoint: Checkpoint | None = None) -> None:
        """Keep what differs from what was kept, durably, and the checkpoint that stands for it."""
        found = (self._differing(block) for block in self._gather.blocks())
        blocks = [block for block in found if block is not None]
        if blocks or checkpoint:
            self._spool.commit_beats(blocks, (), checkpoint)
        self._gather.clear()

    def finish(self, start: int, end: int) -> None:
        """The run began at `start` and stands again at `end`: keep its anode effects, and withdraw
        those kept as begun between that it has not found."""
        self.flush()
        begun = [start, *(event.row["time"] for event in self._events.values())]
        kept = {row["key"]: row for row in self._history.events("anode_effect", min(begun), end)}
        events = []
        for key, event in self._events.items():
            was = kept.get(key)
            # One that went on after `end` is known better by who has seen its end.
            if was is None or (was != event.row and was["end"] <= end):
                events.append(event)
        for key, row in kept.items():
            if row["time"] >= start and key not in self._events:
                events.append(Event("anode_effect", {**row, "withdrawn": self._version}))
        if events:
            self.changed["anode effects"] += len(events)
            self._spool.commit_beats((), events, None)

    def _differing(self, again: FigureBlock) -> FigureBlock | None:
        scope, names, entities, times = again.scope, again.names, again.entities, again.times
        new = again.values
        kept = self._history.figures(scope, names, entities, int(times[0]), int(times[-1]) + 1)
        old = np.full_like(new, np.nan)
        rows = np.searchsorted(times, kept.times)
        there = times[np.minimum(rows, len(times) - 1)] == kept.times
        old[rows[there]] = kept.values[there]
        differs = (new != old) & ~(np.isnan(new) & np.isnan(old))
        if not differs.any():
            return None
        for name, count in zip(names, differs.sum(axis=(0, 2)).tolist(), strict=True):
            if count:
                self.changed[f"{scope}.{name}"] += count
        was = FigureBlock(scope, names, entities, times, np.where(differs, old, np.nan))
        self._restatements.supersede(self._version, was)
        t, f, e = (np.flatnonzero(differs.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
        lost = (differs & np.isnan(new)).any(axis=(0, 1))
        return FigureBlock(
            scope,
            tuple(names[i] for i in f),
            tuple(entities[i] for i in e),
            times[t],
            new[np.ix_(t, f, e)],
            replaces=tuple(entities[i] for i in np.flatnonzero(lost)),
        )
