"""Values that are cheap to make and can be checked without a record: a hash of tag and time.

The signals stay within their limits and near what a quiet plant shows: a cell's voltage within 1 %
of its target, so that no anode effect is among them; any other gauge within 1 % around the middle
of its limits; a counter grows by 0.1 of its unit a second; a state is another one each minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Self

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant, Tag
from simulators.instruments import OF_TAGS, Instruments
from simulators.luck import Stream, keys, uniforms
from simulators.scenario import Fault, Faults

Array = NDArray[np.float64]

STEP_NS = 50_000_000
_BAND = 0.01
_COUNTED_PER_S = 0.1
_SINCE_S = 1_577_836_800  # 2020: a counter was at 0
_STATE_S = 60
_MS = 1_000_000


class Wave:
    """In place of a Simulation; `read` says what a reader must have."""

    def __init__(
        self,
        plant: Plant,
        start_ns: int,
        seed: int = 1,
        scenario: Iterable[Fault] = (),
        *,
        aligned: bool = False,
    ) -> None:
        """aligned: a tag is due at whole multiples of its interval; else each cell, line … has a
        moment of its own, as controllers are not in step."""
        self.plant = plant
        self.start_ns = self.time = -(-start_ns // STEP_NS) * STEP_NS
        self.faults = Faults(scenario, self.start_ns)
        self.started: list[Fault] = []
        self._instruments = Instruments(plant, seed, errors=False)
        self._keys = keys(seed, [tag.id for tag in plant.tags])
        volts = {cell.id: cell.target_voltage_V for cell in plant.cells}
        amperes = {line.id: line.nominal_current_kA for line in plant.lines}
        self._low, self._span = np.array([_band(tag, volts, amperes) for tag in plant.tags]).T
        self._scale = np.array([tag.scale for tag in plant.tags])
        self._offset = np.array([tag.offset for tag in plant.tags])
        self._counts = plant.is_counter
        self._states = np.array([tag.signal.kind == "state" for tag in plant.tags])
        self.phase_ns = np.zeros(len(plant.tags), np.int64)
        if not aligned:
            entities = keys(seed, [tag.entity for tag in plant.tags])
            luck = uniforms(entities, Stream.NATURE, np.zeros(len(plant.tags), np.int64))
            self.phase_ns = (luck * (plant.interval_ns // _MS)).astype(np.int64) * _MS
        self._groups = [
            _Group.of(int(every), np.flatnonzero(plant.interval_ns == every), self.phase_ns)
            for every in np.unique(plant.interval_ns)
        ]

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return (self.time - self.start_ns) / SECOND

    def read(self, columns: NDArray[np.int32], times: NDArray[np.int64]) -> Array:
        """`value` to the last bit as a reader has it, by scale and offset from the wire."""
        scale, offset = self._scale[columns], self._offset[columns]
        shown = self._instruments.shown(columns, self.value(columns, times))
        wire: Array = (shown - offset) / scale
        told: Array = wire * scale + offset
        return told

    def value(self, columns: NDArray[np.int32], times: NDArray[np.int64]) -> Array:
        """In the signal's unit. [n], ns [n] -> [n]"""
        luck = uniforms(self._keys[columns], Stream.DATA, times // _MS)
        values: Array = self._low[columns] + self._span[columns] * luck
        if self._counts.any():
            counts = self._counts[columns]
            values[counts] = (times[counts] / SECOND - _SINCE_S) * _COUNTED_PER_S
        if self._states.any():
            states = self._states[columns]
            minute = times[states] // (_STATE_S * SECOND)
            luck = uniforms(self._keys[columns[states]], Stream.DATA, minute)
            low, span = self._low[columns[states]], self._span[columns[states]]
            values[states] = np.floor(low + (span + 1) * luck)
        return values

    def step(self) -> Batch:
        """The samples of [time, time + step), in the order of their times."""
        self.started, ended = self.faults.advance(self.now_s)
        for fault in ended:
            self._instruments.end(fault)
        parts = [group.due(self.time) for group in self._groups]
        columns = np.concatenate([part[0] for part in parts])
        times = np.concatenate([part[1] for part in parts])
        if sum(len(part[0]) > 0 for part in parts) > 1:
            order = np.argsort(times, kind="stable")
            columns, times = columns[order], times[order]
        batch = Batch.of(columns, times, self.value(columns, times))
        self.time += STEP_NS
        return self._instruments.read(batch, self.faults.of(*OF_TAGS), self.start_ns)

    def stamp(self, batch: Batch) -> Batch:
        """Samples as sources with wrong clocks stamp them."""
        return self._instruments.stamp(batch, self.faults.of("skew_clock"))


def _band(
    tag: Tag, of_cell: Mapping[str, float], of_line: Mapping[str, float]
) -> tuple[float, float]:
    """Lowest value and how far above it the highest is; in the signal's unit."""
    low = tag.low if isfinite(tag.low) else -1000.0
    high = tag.high if isfinite(tag.high) else 1000.0
    if tag.signal.kind == "state":
        return low, high - low
    middle, half = (low + high) / 2, (high - low) / 2 * _BAND
    if tag.signal.entity == "cell" and tag.signal.name in ("voltage", "target_voltage"):
        middle = of_cell[tag.entity]
        half = middle * _BAND
    elif tag.signal.entity == "line" and tag.signal.name == "current":
        middle = of_line[tag.entity]
        half = middle * _BAND
    return middle - half, 2 * half


@dataclass(frozen=True, slots=True)
class _Group:
    """The tags of one interval, in the order of their phases."""

    every_ns: int
    columns: NDArray[np.int32]
    phases: NDArray[np.int64]

    @classmethod
    def of(cls, every_ns: int, columns: NDArray[np.intp], phase_ns: NDArray[np.int64]) -> Self:
        ordered = columns[np.argsort(phase_ns[columns], kind="stable")]
        return cls(every_ns, ordered.astype(np.int32), phase_ns[ordered])

    def due(self, time: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """In [time, time + STEP_NS): columns and times."""
        tags, times = [], []
        for whole in range(time // self.every_ns * self.every_ns, time + STEP_NS, self.every_ns):
            ends = np.searchsorted(self.phases, [time - whole, time + STEP_NS - whole])
            tags.append(self.columns[ends[0] : ends[1]])
            times.append(self.phases[ends[0] : ends[1]] + whole)
        return np.concatenate(tags), np.concatenate(times)
