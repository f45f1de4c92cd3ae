"""Which tags are due at a step, and their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators.plant_model import cell_offsets

Readings = Mapping[tuple[str, str], Callable[[], NDArray[np.float64]]]
"""(entity kind, signal) -> its values now for all entities of the kind, in the signal's unit."""


def step_ns(plant: Plant) -> int:
    """The simulator's own step: a second, or the shortest interval of a tag if that is less."""
    return int(min(SECOND, plant.interval_ns.min(initial=SECOND)))


class Sampler:
    """Tags are due at whole multiples of their interval, plus a fixed offset of their cell."""

    def __init__(self, plant: Plant, step: int, readings: Readings) -> None:
        self._readings = readings
        self._step = step
        self._values = np.zeros(len(plant.tags))
        offsets = cell_offsets(len(plant.cells), step).tolist()
        of_cell = dict(zip(plant.entities("cell"), offsets, strict=True))
        self._offset = np.array([of_cell.get(t.entity, 0) for t in plant.tags], np.int64)
        every = np.maximum(1, np.round(plant.interval_ns / step)).astype(np.int64)
        self._groups = _groups(plant, every, readings)
        self._plans: dict[tuple[int, ...], tuple[NDArray[np.int32], NDArray[np.int64]]] = {}
        self._every = every
        self._intervals = sorted(set(every.tolist()))

    def sample(self, time: int, everything: bool) -> Batch:
        """The samples of [time, time + step), sorted by time; all tags when `everything`."""
        beat = time // self._step
        due = tuple(n for n in self._intervals if everything or beat % n == 0)
        if not due:
            return Batch.empty()
        if due not in self._plans:
            chosen = np.flatnonzero(np.isin(self._every, due))
            chosen = chosen[np.argsort(self._offset[chosen], kind="stable")]
            self._plans[due] = (chosen.astype(np.int32), self._offset[chosen])
        for n in due:
            for key, members, rows in self._groups[n]:
                self._values[members] = self._readings[key]()[rows]
        columns, offsets = self._plans[due]
        return Batch.of(columns, time + offsets, self._values[columns])


_Group = tuple[tuple[str, str], NDArray[np.intp], NDArray[np.intp]]


def _groups(plant: Plant, every: NDArray[np.int64], readings: Readings) -> dict[int, list[_Group]]:
    """interval in steps -> (reading, columns of its tags, rows of their entities)."""
    members: dict[tuple[int, tuple[str, str]], list[tuple[int, int]]] = {}
    row = {
        kind: {entity: i for i, entity in enumerate(plant.entities(kind))}
        for kind in {tag.signal.entity for tag in plant.tags}
    }
    for tag in plant.tags:
        key = (str(tag.signal.entity), tag.signal.name)
        if key not in readings:
            raise ValueError(
                f"{plant.path}: the simulator has no physics for {tag.signal.entity} signal "
                f"'{tag.signal.name}' (tag {tag.id}); leave it out of the plant file to simulate"
            )
        pair = (tag.column, row[tag.signal.entity][tag.entity])
        members.setdefault((int(every[tag.column]), key), []).append(pair)
    groups: dict[int, list[_Group]] = {}
    for (n, name), pairs in members.items():
        columns, rows = np.array(pairs, np.intp).T
        groups.setdefault(n, []).append((name, columns, rows))
    return groups
