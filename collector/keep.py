"""The sink that keeps figures and events: gathered by beat, committed to the spool together with
the checkpoint, so that a checkpoint never runs ahead of what it stands for."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from analytics.assessment import SCOPES, Assessment, Scope
from analytics.figures import figures
from analytics.frame import Frame
from plant.batch import SECOND
from plant.model import Plant
from store.contract import FigureBlock
from store.spool import Checkpoint, Event, Spool


class Keeper:
    def __init__(self, plant: Plant, spool: Spool) -> None:
        self._plant = plant
        self._spool = spool
        self._every = round(plant.time.figures_every_s * SECOND)
        self._names = {s: tuple(f.name for f in figures()[s]) for s in SCOPES}
        self._entities = {s: plant.entities(s) for s in SCOPES}
        self._times: list[int] = []
        self._values: dict[Scope, list[Any]] = defaultdict(list)
        self._events: list[Event] = []
        self.figures_kept = 0

    def __call__(self, frame: Frame, assessment: Assessment, restated: bool) -> None:
        for row in assessment.anode_effects:
            self._events.append(anode_effect_event(self._plant, row))
        if assessment.time % self._every:
            return
        self._times.append(assessment.time)
        for scope in SCOPES:
            self._values[scope].append(assessment.figures[scope])

    def flush(self, checkpoint: Checkpoint | None = None) -> None:
        """Commit what was gathered, and the checkpoint that stands for it."""
        if not (self._times or self._events or checkpoint):
            return
        times = np.array(self._times, np.int64)
        blocks = [
            FigureBlock(s, self._names[s], self._entities[s], times, np.stack(self._values[s]))
            for s in SCOPES
            if self._times and self._entities[s]
        ]
        self._spool.commit_beats(blocks, self._events, checkpoint)
        self.figures_kept += sum(int(np.isfinite(b.values).sum()) for b in blocks)
        self._times, self._events = [], []
        self._values.clear()


def anode_effect_event(plant: Plant, row: np.void) -> Event:
    """An anode effect as it is kept; a later one of the same key replaces it."""
    cell = plant.cells[int(row["cell"])]
    return Event(
        "anode_effect",
        {
            "key": f"{cell.id}@{int(row['start'])}",
            "time": int(row["start"]),
            "cell": cell.id,
            "line": cell.line,
            "start": int(row["start"]),
            "end": int(row["end"]),
            "above_s": float(row["above_s"]),
            "elapsed_s": float(row["elapsed_s"]),
            "max_V": float(row["max_V"]),
            "mean_V": float(row["mean_V"]),
            "runs": int(row["runs"]),
            "incomplete": bool(row["incomplete"]),
        },
    )
