"""The sink that turns alarm transitions into rows of the alarm table, and keeps them as events."""

from __future__ import annotations

import numpy as np

from analytics.beat.alarms import active
from analytics.beat.assessment import TRANSITION, Assessment, State
from analytics.beat.frame import Frame
from collector.keep import Keeper
from plant.model import Plant
from store.alarms import AlarmTable, Transition


class AlarmSink:
    def __init__(self, plant: Plant, table: AlarmTable, keeper: Keeper) -> None:
        self._plant = plant
        self._table = table
        self._keeper = keeper
        self.raised = 0

    def __call__(self, frame: Frame, assessment: Assessment) -> None:
        """Apply what the beat raised and cleared."""
        if len(assessment.transitions) or self._table.waiting:
            self._apply(assessment.transitions)

    def reconcile(self, old: State, new: State, time: int) -> None:
        """After a restatement: raise and clear what the new state sees otherwise. What operators
        saw in the past is not rewritten. time: ns."""
        before, after = active(self._plant, old), active(self._plant, new)
        changed = [
            (rule, entity, bool(is_now), time, np.nan)
            for rule, (was_all, is_all) in enumerate(zip(before, after, strict=True))
            for entity, (was, is_now) in enumerate(zip(was_all, is_all, strict=True))
            if was != is_now
        ]
        if changed:
            self._apply(np.array(changed, TRANSITION))

    def _apply(self, rows: np.ndarray) -> None:
        transitions = [self._named(row) for row in rows]
        self.raised += sum(t.active for t in transitions)
        self._keeper.add(self._table.apply(transitions))

    def _named(self, row: np.void) -> Transition:
        rule = self._plant.alarms[int(row["rule"])]
        entity = self._plant.entities(rule.each)[int(row["entity"])]
        return Transition(
            rule.id, entity, bool(row["active"]), int(row["time"]), float(row["value"])
        )
