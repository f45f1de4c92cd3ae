"""Rectifiers, electricity meters and the supply. Their counters integrate exactly what they show.

Everything but the registers is a function of time and of what the lines take, so a stretch of
steps is worked out at once. Arrays are [steps, entities].
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from plant.batch import SECOND
from plant.model import Plant
from simulators.luck import Draw, Stream, keys, wander

Array = NDArray[np.float64]

AUXILIARY_KWH_PER_T = 300.0
SITE_METER_MW = 1.5  # a meter of no line

_IDLE_LOSS, _LOAD_LOSS = 0.004, 0.011  # of nominal DC power; the second with its square
_NOISE, _NOISE_S = 0.01, 300.0
_FOLLOWS = 0.3  # share of the auxiliaries that follows the current
_LINE_LOSSES = 1.003  # from the main meter to what is below it
_SUB_SHARE = 0.96  # of a meter that its sub-meters see
_SOLAR_SHARE = 0.06  # a DC source's peak, of the line's power
_CLOUD_S, _WIND_S, _GRID_S = 900.0, 3 * 3600.0, 3600.0
_CONTRACT_WIND, _CONTRACT_SUN = 0.20, 0.30  # of the site's nominal power
_GRID_DAILY, _GRID_SUN, _GRID_NOISE = 0.08, 0.15, 0.03  # of the yearly average factor


class Sky:
    """What day and weather do."""

    def __init__(self, plant: Plant, start_ns: int, seed: int) -> None:
        moment = datetime.fromtimestamp(start_ns // SECOND, UTC).astimezone(plant.site.zone)
        offset = moment.utcoffset()
        self._offset_s = offset.total_seconds() if offset else 0.0
        self._cloud = keys(seed, ["sky"])

    def hour(self, times_s: Array) -> Array:
        """Local time of day, [h]; the zone's offset at the start is kept."""
        return np.asarray((times_s + self._offset_s) % 86400 / 3600)

    def sun(self, times_s: Array) -> Array:
        """Of a photovoltaic plant's peak, 0 to 1."""
        height = np.maximum(np.sin(np.pi * (self.hour(times_s) - 6) / 12), 0.0) ** 1.2
        cloud = wander(self._cloud, Stream.NOISE, _CLOUD_S, times_s)[:, 0]
        return np.asarray(height * np.clip(0.75 + 0.25 * cloud, 0.05, 1.0))


class Register:
    """Counters that stand somewhere at first and then add up."""

    def __init__(self, first: Array) -> None:
        self._reading = first

    def add(self, amounts: Array) -> Array:
        """amounts: of each step. -> readings at the start of each step; sums one by one, so that
        it does not matter how many steps come at once"""
        readings = np.cumsum(np.vstack([self._reading, amounts]), axis=0)
        self._reading = readings[-1]
        return readings[:-1]


class Rectifiers:
    """Those of a line share what its DC sources leave to be fed."""

    def __init__(self, plant: Plant, nominal_MW: Array, seed: int) -> None:
        """nominal_MW: DC power of each line on target."""
        index = {line.id: i for i, line in enumerate(plant.lines)}
        self.line = np.array([index[r.line] for r in plant.rectifiers], np.int64)
        self._share = 1 / np.bincount(self.line, minlength=len(plant.lines))[self.line]
        self._nominal = nominal_MW[self.line] * self._share
        luck = Draw(keys(seed, plant.entities("rectifier")))
        self._register = Register(np.floor(luck.uniform(1e5, 1e6)))  # MWh

    def run(self, dc_MW: Array, dt: float) -> None:
        """dc_MW: [steps, lines], of the lines less their DC sources."""
        self.dc_power = np.maximum(dc_MW, 0.0)[:, self.line] * self._share
        loss = _IDLE_LOSS * self._nominal + _LOAD_LOSS * self.dc_power**2 / self._nominal
        self.ac_power = self.dc_power + loss
        self.ac_energy = self._register.add(self.ac_power * dt / 3600)


class Meters:
    """Fans, compressors, cranes; photovoltaics on the DC bus; main meters and sub-meters."""

    def __init__(
        self, plant: Plant, nominal_t_per_h: Array, nominal_MW: Array, sky: Sky, seed: int
    ) -> None:
        """nominal_t_per_h: metal of each line, nominal_MW: its DC power; both on target."""
        index = {line.id: i for i, line in enumerate(plant.lines)}
        self._meters, self._sky = plant.meters, sky
        self.line = np.array([index.get(m.line, -1) for m in plant.meters], np.int64)
        self.kind = np.array([m.kind for m in plant.meters], np.str_)
        self._keys = keys(seed, plant.entities("meter"))
        of_line = np.append(AUXILIARY_KWH_PER_T / 1000 * nominal_t_per_h, SITE_METER_MW)
        peak = np.append(_SOLAR_SHARE * nominal_MW, _SOLAR_SHARE * nominal_MW.sum())
        self._base = np.zeros(len(self.line))
        for kind, share in (("auxiliary", of_line), ("dc_source", peak)):
            mine = np.flatnonzero(self.kind == kind)
            alike = np.array([np.sum(self.line[mine] == line) for line in self.line[mine]])
            alike = np.where(self.line[mine] < 0, 1, alike)
            self._base[mine] = share[self.line[mine]] / alike
        self._rectifier = {r.id: i for i, r in enumerate(plant.rectifiers)}
        luck = Draw(self._keys)
        self._register = Register(np.floor(luck.uniform(1e4, 1e5)))  # MWh

    def sources(self, times_s: Array, lines: int) -> Array:
        """What DC sources feed into each line, [steps, lines] in MW. Call before `run`."""
        own = self._base * (1 + _NOISE * wander(self._keys, Stream.NOISE, _NOISE_S, times_s))
        feeds = self.kind == "dc_source"
        own[:, feeds] = self._base[feeds] * self._sky.sun(times_s)[:, None]
        self.power = own
        into = np.zeros((len(times_s), lines))
        for i in np.flatnonzero(feeds & (self.line >= 0)):
            into[:, self.line[i]] += own[:, i]
        return into

    def run(self, current_share: Array, rectifiers: Rectifiers, dt: float) -> None:
        """current_share: [steps, lines], over nominal."""
        power = self.power
        of_line = np.flatnonzero((self.kind == "auxiliary") & (self.line >= 0))
        power[:, of_line] *= 1 - _FOLLOWS + _FOLLOWS * current_share[:, self.line[of_line]]
        for i in np.flatnonzero(self.kind == "main"):
            power[:, i] = self._below(int(i), rectifiers)
        for i in np.flatnonzero(self.kind == "sub"):  # parents stand before their parts
            power[:, i] = self._part(int(i), rectifiers)
        self.energy = self._register.add(power * dt / 3600)

    def _below(self, main: int, rectifiers: Rectifiers) -> Array:
        """Rectifiers and auxiliaries of the main meter's line, or of the site."""
        of_line = self.line[main]
        fed = np.flatnonzero((rectifiers.line == of_line) | (of_line < 0))
        others = np.flatnonzero(
            (self.kind == "auxiliary") & ((self.line == of_line) | (of_line < 0))
        )
        below = rectifiers.ac_power[:, fed].sum(axis=1) + self.power[:, others].sum(axis=1)
        return np.asarray(below * _LINE_LOSSES)

    def _part(self, sub: int, rectifiers: Rectifiers) -> Array:
        parent = self._meters[sub].parent
        alike = sum(meter.kind == "sub" and meter.parent == parent for meter in self._meters)
        if parent in self._rectifier:
            return np.asarray(rectifiers.ac_power[:, self._rectifier[parent]] / alike)
        above = [i for i, meter in enumerate(self._meters) if meter.id == parent]
        if not above:
            return self.power[:, sub]
        return np.asarray(self.power[:, above[0]] * _SUB_SHARE / alike)


class Supply:
    """What the grid emits for each MWh, and what green contracts deliver."""

    def __init__(self, plant: Plant, nominal_MW: Array, sky: Sky, seed: int) -> None:
        site = plant.site
        self._average = plant.factors[f"grid.{site.grid_region}.average.{site.grid_year}"].value
        self._site_MW, self._sky = float(nominal_MW.sum()), sky
        self._keys = keys(seed, ["wind", "grid"])

    def run(self, times_s: Array) -> None:
        sun = self._sky.sun(times_s)
        wind = wander(self._keys[:1], Stream.NOISE, _WIND_S, times_s)[:, 0]
        grid = wander(self._keys[1:], Stream.NOISE, _GRID_S, times_s)[:, 0]
        evening = np.cos(2 * np.pi * (self._sky.hour(times_s) - 20) / 24)
        share = 1 + _GRID_DAILY * evening - _GRID_SUN * sun + _GRID_NOISE * grid
        self.grid_factor = (self._average * share)[:, None]
        share = _CONTRACT_WIND * np.clip(1 + 0.5 * wind, 0.0, 2.0) + _CONTRACT_SUN * sun
        self.contracted_power = (self._site_MW * share)[:, None]
