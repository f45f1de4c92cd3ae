"""Which tags are due at a step, and their values; what is found by hand is told later."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators.cell_events import Event
from simulators.cell_state import offsets_ns
from simulators.luck import Stream, keys, normals, uniforms

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Readings = Mapping[tuple[str, str], Array]
"""(entity kind, signal) -> [steps, entities of the kind], in the signal's unit."""

TOLD_AFTER_H = {
    "bath_temperature": (0.2, 2), "metal_level": (0.2, 2), "bath_level": (0.2, 2),
    "alumina_percent": (3, 9), "alf3_percent": (3, 9), "caf2_percent": (3, 9),
    "lif_percent": (3, 9), "mgf2_percent": (3, 9), "kf_percent": (3, 9),
    "iron_percent": (3, 9), "silicon_percent": (3, 9), "cathode_drop": (4, 30),
    "fuel_heating_value": (12, 36), "unburned_carbon_loss": (12, 36), "slag_loss": (12, 36),
    "tap_mass": (0.2, 1.5), "anode_changes": (0.3, 3),
}  # fmt: skip
"""Of samples taken by hand, least and most. Where a tag of these comes more often than hourly, an
instrument reads it and it is told at once."""
_BY_HAND_S = 3600.0
EVENTS = {"tap_mass": Event.TAPPED, "anode_changes": Event.ANODES}


def step_ns(plant: Plant) -> int:
    """The simulator's own step: a second, or the shortest interval of a tag if that is less."""
    return int(min(SECOND, plant.interval_ns.min(initial=SECOND)))


class Sampler:
    """Tags are due at whole multiples of their interval, plus a fixed offset of their cell; those
    read by hand at a time of day of their own."""

    def __init__(self, plant: Plant, step: int, seed: int, known: set[tuple[str, str]]) -> None:
        self._step = step
        cells = plant.entities("cell")
        of_cell = dict(zip(cells, offsets_ns(len(cells), step).tolist(), strict=True))
        self._offset = np.array([of_cell.get(t.entity, 0) for t in plant.tags], np.int64)
        self._keys = keys(seed, [tag.id for tag in plant.tags])
        self._groups = _groups(plant, step, known)
        self._events = {kind: plant.columns("cell", name) for name, kind in EVENTS.items()}
        hours = [TOLD_AFTER_H.get(tag.signal.name, (0, 0)) for tag in plant.tags]
        self._told_after = np.array(hours).reshape(-1, 2) * 3600
        self._level_sd = _level_sd(plant)
        self._waiting = np.zeros(0, _WAITING)

    def sample(
        self, time: int, steps: int, readings: Readings, log_rows: NDArray[np.void], start: int
    ) -> Batch:
        """The samples told in `steps` steps from `time` on: those of a step after those of the step
        before, in the order of their times. All tags are due at `start`."""
        times = time + np.arange(steps) * self._step
        beats = times // self._step
        parts = []
        for (key, every, by_hand), (columns, rows) in self._groups.items():
            phase = self._phase(columns, every) if by_hand else np.zeros(1, np.int64)
            due = (beats[:, None] + phase) % every == 0
            if time == start:
                due[0] = True
            if not due.any():
                continue
            if due.shape[1] == 1:  # all alike
                step = np.repeat(np.flatnonzero(due[:, 0]), len(columns))
                member = np.tile(np.arange(len(columns)), len(step) // max(len(columns), 1))
            else:
                step, member = np.nonzero(due)
            part = np.zeros(len(step), _WAITING)
            part["tag"], part["value"] = columns[member], readings[key][step, rows[member]]
            part["time"] = times[step] + self._offset[columns[member]]
            part["told"] = times[step]
            if by_hand:
                self._delay(part, start)
            if key == ("cell", "metal_level"):
                self._measure_level(part)
            parts.append(part)
        parts.append(self._happened(log_rows, start))
        told = np.concatenate([self._waiting, *parts])
        later = told["told"] > times[-1]
        self._waiting = told[later]
        told = told[~later]
        told = told[np.lexsort((told["time"], told["told"]))]
        return Batch.of(told["tag"], told["time"], told["value"])

    def _phase(self, columns: Integers, every: int) -> Integers:
        share = uniforms(self._keys[columns], Stream.NATURE, np.zeros(len(columns), np.int64))
        return np.asarray(share * every, np.int64)

    def _happened(self, log_rows: NDArray[np.void], start: int) -> NDArray[np.void]:
        """Taps and anode changes, as samples."""
        if not len(log_rows):
            return np.zeros(0, _WAITING)
        parts = [np.zeros(0, _WAITING)]
        for kind, columns in self._events.items():
            rows = log_rows[log_rows["kind"] == kind]
            column = columns[rows["cell"]]
            rows, column = rows[column >= 0], column[column >= 0]
            part = np.zeros(len(rows), _WAITING)
            part["tag"], part["value"] = column, rows["value"]
            part["time"] = part["told"] = start + rows["step"] * self._step
            self._delay(part)
            parts.append(part)
        return np.concatenate(parts)

    def _delay(self, part: NDArray[np.void], known: int = -1) -> None:
        """Told on a whole step, later; but what stands at the time `known`."""
        low, high = self._told_after[part["tag"]].T
        share = uniforms(self._keys[part["tag"]], Stream.LAB, part["time"] // self._step)
        delay = np.ceil((low + (high - low) * share) * SECOND / self._step) * self._step
        part["told"] += np.where(part["told"] == known, 0, delay).astype(np.int64)

    def _measure_level(self, part: NDArray[np.void]) -> None:
        """A wavy pad is measured with a rod: each reading has an error of its own."""
        luck = normals(self._keys[part["tag"]], Stream.LAB, part["time"] // self._step)
        part["value"] += self._level_sd[part["tag"]] * luck


_WAITING = np.dtype([("tag", "i4"), ("time", "i8"), ("told", "i8"), ("value", "f8")])
_Group = tuple[tuple[str, str], int, bool]


def _groups(
    plant: Plant, step: int, known: set[tuple[str, str]]
) -> dict[_Group, tuple[Integers, Integers]]:
    """(reading, interval in steps, by hand?) -> columns of its tags, rows of their entities."""
    members: dict[_Group, list[tuple[int, int]]] = {}
    row = {
        kind: {entity: i for i, entity in enumerate(plant.entities(kind))}
        for kind in {tag.signal.entity for tag in plant.tags}
    }
    for tag in plant.tags:
        key = (str(tag.signal.entity), tag.signal.name)
        if tag.signal.name in EVENTS:
            continue
        if key not in known:
            raise ValueError(
                f"{plant.path}: the simulator has no physics for {tag.signal.entity} signal "
                f"'{tag.signal.name}' (tag {tag.id}); leave it out of the plant file to simulate"
            )
        every = max(1, round(tag.interval_s * SECOND / step))
        by_hand = tag.signal.name in TOLD_AFTER_H and tag.interval_s >= _BY_HAND_S
        pair = (tag.column, row[tag.signal.entity][tag.entity])
        members.setdefault((key, every, by_hand), []).append(pair)
    return {
        group: (np.array(pairs, np.int64)[:, 0], np.array(pairs, np.int64)[:, 1])
        for group, pairs in members.items()
    }


def _level_sd(plant: Plant) -> Array:
    """cm, by tag; 0 where the plant file states none."""
    of_line = [line.level_sd_cm for line in plant.lines]
    sd = np.zeros(len(plant.tags))
    for cell, column in enumerate(plant.columns("cell", "metal_level")):
        if column >= 0:
            sd[column] = of_line[plant.line_of_cell[cell]]
    return np.nan_to_num(sd)
