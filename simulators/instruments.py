"""Between the plant and its samples: errors of instruments, and faults of instruments and clocks.

A tag's reading is `reading * gain + bias`, both constant and drawn by seed from the accuracy that
the plant file states, then rounded as the instrument shows it, then wrapped at its rollover.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND, Batch
from plant.model import Plant
from simulators.luck import Draw, Stream, keys, uniforms
from simulators.scenario import Fault

Array = NDArray[np.float64]

RESOLUTION = {
    "voltage": 0.001, "current": 0.01, "line_voltage": 0.1, "bath_temperature": 0.1,
    "metal_level": 0.1, "bath_level": 0.1, "alumina_percent": 0.01, "alf3_percent": 0.01,
    "caf2_percent": 0.01, "lif_percent": 0.01, "mgf2_percent": 0.01, "kf_percent": 0.01,
    "iron_percent": 0.001, "silicon_percent": 0.001, "cathode_drop": 1.0, "tap_mass": 5.0,
    "beam_position": 0.1, "ac_power": 0.01, "dc_power": 0.01, "ac_energy": 0.001,
    "energy": 0.001, "oxygen": 0.01, "flue_temperature": 0.1, "steam_temperature": 0.1,
    "feedwater_temperature": 0.1, "ambient_temperature": 0.1,
}  # fmt: skip
"""Smallest step that an instrument shows, in the signal's unit; used with sensor errors only."""

OF_TAGS = ("freeze_tag", "drop_samples", "stick_tag", "bias_tag", "drift_tag", "spike_tag",
           "flip_unit", "reset_counter")  # fmt: skip
"""Kinds of fault that `read` applies."""
SPIKES = 0.01  # share of the samples of a tag with the fault spike_tag
_EXACT = ("state",)
_COUNTED = ("anode_changes",)


class Instruments:
    def __init__(self, plant: Plant, seed: int, errors: bool) -> None:
        self._plant = plant
        count = len(plant.tags)
        self.gain, self.bias = np.ones(count), np.zeros(count)
        self._resolution = np.zeros(count)
        self._rollover = np.nan_to_num([tag.rollover for tag in plant.tags], nan=0.0)
        self._rolls = bool(self._rollover.any())
        self._keys = keys(seed, [tag.id for tag in plant.tags])
        self._errors = errors
        if errors:
            self._draw()
        self._counter_at = np.full(count, np.nan)  # first reading: a gain counts from there on
        self._held: dict[tuple[str, int], float] = {}  # a tag's first reading in a fault

    def _draw(self) -> None:
        luck = Draw(self._keys, Stream.SENSOR)
        offset, gain = luck.normal(), luck.normal()
        for tag in self._plant.tags:
            i = tag.column
            if tag.signal.kind in _EXACT or tag.signal.name in _COUNTED:
                continue
            if not isnan(tag.accuracy_percent):
                self.gain[i] += gain[i] * tag.accuracy_percent / 200
            if not isnan(tag.accuracy) and tag.signal.kind != "counter":
                self.bias[i] = offset[i] * tag.accuracy / 2
            self._resolution[i] = RESOLUTION.get(tag.signal.name, 0.0)

    def read(self, batch: Batch, faults: Iterable[Fault], start_ns: int) -> Batch:
        """What is sent of true readings; the batch lies within one set of active faults."""
        values = batch.values
        if self._errors:
            self._first_counts(batch)
            values = values * self.gain[batch.tags] + self.bias[batch.tags]
            step = self._resolution[batch.tags]
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.where(step > 0, np.round(values / step) * step, values)
        batch = Batch(batch.tags, batch.times, values, batch.quality)
        for fault in faults:
            batch = self._spoil(batch, fault, start_ns)
        if self._rolls:
            values = self.shown(batch.tags, batch.values)
            batch = Batch(batch.tags, batch.times, values, batch.quality)
        return batch

    def shown(self, columns: NDArray[np.int32], values: Array) -> Array:
        """Readings [n] of these tags, as counters that roll over show them."""
        limit = self._rollover[columns]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(limit > 0, values % limit, values)

    def stamp(self, batch: Batch, faults: Iterable[Fault]) -> Batch:
        """With the times of clocks that are wrong (skew_clock)."""
        times = batch.times
        for fault in faults:
            mine = self._plant.source_of_tag[batch.tags] == fault.index
            times = times + np.where(mine, round(fault.amount * SECOND), 0)
        return Batch(batch.tags, times, batch.values, batch.quality)

    def end(self, fault: Fault) -> None:
        """A fault is over: what it remembers of its tag goes."""
        self._held.pop((fault.kind, fault.index), None)

    def _first_counts(self, batch: Batch) -> None:
        """A counter's gain error grows from its first reading on."""
        new = self._plant.is_counter[batch.tags] & np.isnan(self._counter_at[batch.tags])
        if new.any():
            tags, where = np.unique(batch.tags[new], return_index=True)
            first = batch.values[new][where]
            self._counter_at[tags] = first
            self.bias[tags] = first * (1 - self.gain[tags])

    def _spoil(self, batch: Batch, fault: Fault, start_ns: int) -> Batch:
        mine = batch.tags == fault.index
        if not mine.any():
            return batch
        if fault.kind == "freeze_tag":
            return batch.take(~mine)
        if fault.kind == "drop_samples":
            return batch.take(~(mine & (self._luck(batch) < fault.amount)))
        values = batch.values.copy()
        own, elapsed_s = values[mine], (batch.times[mine] - start_ns) / SECOND - fault.at_s
        match fault.kind:
            case "stick_tag":
                own[:] = self._held.setdefault((fault.kind, fault.index), float(own[0]))
            case "bias_tag":
                own += fault.amount
            case "drift_tag":
                own += fault.amount * np.maximum(elapsed_s, 0.0) / 86400
            case "spike_tag":
                own += np.where(self._luck(batch)[mine] < SPIKES, fault.amount, 0.0)
            case "flip_unit":
                own *= fault.amount
            case "reset_counter":
                own -= self._held.setdefault((fault.kind, fault.index), float(own[0]))
        values[mine] = own
        return Batch(batch.tags, batch.times, values, batch.quality)

    def _luck(self, batch: Batch) -> Array:
        return uniforms(self._keys[batch.tags], Stream.DATA, batch.times // 1_000_000)
