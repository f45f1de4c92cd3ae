"""Which figures of which beats are kept: those of the beat itself every figures_every_s, those of a
window every minute, or as seldom as those of the beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from analytics.beat.assessment import SCOPES, Assessment, Scope
from analytics.table.figures import beat_figures
from plant.batch import SECOND
from plant.model import Plant
from store.contract import FigureBlock

MINUTE_NS = 60 * SECOND


class Gather:
    """Assessments in, blocks of what is to be kept out."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        every = round(plant.time.figures_every_s * SECOND)
        self._parts: list[_Part] = []
        for scope in SCOPES:
            if plant.entities(scope):
                rows = beat_figures()[scope]
                of_beat = [i for i, row in enumerate(rows) if row.window == "beat"]
                of_window = [i for i, row in enumerate(rows) if row.window != "beat"]
                for chosen, often in ((of_beat, every), (of_window, max(every, MINUTE_NS))):
                    names = tuple(rows[i].name for i in chosen)
                    self._parts.append(_Part(scope, names, np.array(chosen, np.intp), often))

    def __len__(self) -> int:
        """Times gathered so far."""
        return max(len(part.times) for part in self._parts)

    def add(self, assessment: Assessment) -> None:
        for part in self._parts:
            if assessment.time % part.every == 0:
                part.times.append(assessment.time)
                part.values.append(assessment.figures[part.scope][part.rows])

    def blocks(self) -> Iterator[FigureBlock]:
        """What was gathered since the last `clear`."""
        for part in self._parts:
            if part.times:
                times = np.array(part.times, np.int64)
                values = np.stack(part.values) + 0.0  # of the two zeros only 0.0 is kept
                entities = self._plant.entities(part.scope)
                yield FigureBlock(part.scope, part.names, entities, times, values)

    def clear(self) -> None:
        self.drop(len(self))

    def drop(self, oldest: int) -> int:
        """Forget so many of the oldest times. -> values forgotten"""
        dropped = 0
        for part in self._parts:
            dropped += sum(values.size for values in part.values[:oldest])
            del part.times[:oldest]
            del part.values[:oldest]
        return dropped


class _Part:
    def __init__(self, scope: Scope, names: tuple[str, ...], rows: Any, every: int) -> None:
        self.scope = scope
        self.names = names
        self.rows = rows
        self.every = every
        self.times: list[int] = []
        self.values: list[Any] = []
