"""What the book is made from: the closing figures of local days, and slow values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from plant.batch import SECOND

Floats = NDArray[np.float64]

DAYS = 30
DAY_NS = 86_400 * SECOND

DAY_FIGURES: Mapping[Scope, tuple[str, ...]] = {
    "cell": (
        *("energy_day", "charge_day", "voltage_day", "metal_day", "coverage_day"),
        *("known_seconds_day", "target_voltage_day", "anode_effects_day"),
        *("anode_effect_minutes_day", "overvoltage_positive_day", "overvoltage_algebraic_day"),
        *("cf4_day", "c2f6_day", "cf4_overvoltage_day", "excess_energy_day", "noise_lf"),
    ),
    "line": (
        *("dc_energy_day", "ac_energy_day", "auxiliary_energy_day", "metal_day"),
        *("ac_specific_energy_day", "total_specific_energy_day", "anode_co2_day"),
        *("scope1_co2e_day", "scope2_co2e_day", "coverage_day", "excess_energy_day"),
        *("carbon_intensity_day", "scope1_intensity_day", "scope2_intensity_day"),
    ),
    "boiler": (),
    "site": (
        *("dc_energy_day", "ac_energy_day", "auxiliary_energy_day", "metal_day"),
        *("ac_specific_energy_day", "total_specific_energy_day", "anode_co2_day", "fuel_co2_day"),
        *("pfc_co2e_day", "scope1_co2e_day", "scope2_co2e_day", "scope2_market_co2e_day"),
        "coverage_day",
        *("carbon_intensity_day", "scope1_intensity_day", "scope2_intensity_day"),
        "market_intensity_day",
    ),
}
"""Figures of the beat layer that the book reads at each day's end."""

CHEMISTRY = (
    *("alumina_percent", "alf3_percent", "caf2_percent"),
    *("lif_percent", "mgf2_percent", "kf_percent"),
)
REACH_DAYS: Mapping[str, int] = {
    **dict.fromkeys(("tap_mass", "anode_changes", "metal_level", "cathode_drop"), DAYS),
    **dict.fromkeys(CHEMISTRY, 8),
    "bath_temperature": 6,
}
"""Slow signals of a cell that the book reads, and for how long a value counts, in days: analyses
are made every 1 to 4 days, temperatures every 8 to 72 hours, so twice the longest of these."""


@dataclass(frozen=True, slots=True)
class DayRows:
    """Closing figures of consecutive local days, oldest first; the book is that of the last end.

    starts, ends: int64[days] ns, local midnights. closed: the day's last beat, its start when there
    was none. values[scope][figure]: float64[days, entities]; what was not kept is absent.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    closed: NDArray[np.int64]
    entities: Mapping[Scope, int]
    values: Mapping[Scope, Mapping[str, Floats]]

    def get(self, scope: Scope, name: str) -> Floats:
        """float64[days, entities], NaN where unknown."""
        found = self.values[scope].get(name)
        return np.full((len(self.ends), self.entities[scope]), np.nan) if found is None else found

    def known_s(self) -> Floats:
        """float64[days, cells]: seconds in which voltage and current are known."""
        known = self.get("cell", "known_seconds_day")
        elapsed_s = ((self.closed - self.starts) / SECOND)[:, None]
        known = np.where(np.isnan(known), self.get("cell", "coverage_day") * elapsed_s, known)
        return np.nan_to_num(known)


@dataclass(frozen=True, slots=True)
class Series:
    """Slow values of one signal of the cells, by (cell, time), each once; none is NaN."""

    cell: NDArray[np.intp]
    times: NDArray[np.int64]
    values: Floats

    @classmethod
    def nothing(cls) -> Series:
        return cls(np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0))

    def between(self, start: NDArray[np.int64] | int, end: NDArray[np.int64] | int) -> Series:
        """Those in [start, end); of each cell its own when these are int64[cells]."""
        first = start if isinstance(start, int) else start[self.cell]
        last = end if isinstance(end, int) else end[self.cell]
        return self.where((self.times >= first) & (self.times < last))

    def where(self, rows: NDArray[np.bool_]) -> Series:
        return Series(self.cell[rows], self.times[rows], self.values[rows])

    def last(self, cells: int) -> tuple[Floats, NDArray[np.int64]]:
        """Each cell's newest value and its time; NaN and 0 where there is none."""
        return self._each(cells, slice(None))

    def first(self, cells: int) -> tuple[Floats, NDArray[np.int64]]:
        """Each cell's oldest value and its time; NaN and 0 where there is none."""
        return self._each(cells, slice(None, None, -1))

    def total(self, cells: int) -> Floats:
        sums: Floats = np.bincount(self.cell, self.values, cells).astype(np.float64)
        return sums

    def count(self, cells: int) -> NDArray[np.intp]:
        return np.bincount(self.cell, minlength=cells)

    def _each(self, cells: int, order: slice) -> tuple[Floats, NDArray[np.int64]]:
        values, times = np.full(cells, np.nan), np.zeros(cells, np.int64)
        values[self.cell[order]] = self.values[order]  # of several the last assigned stays
        times[self.cell[order]] = self.times[order]
        return values, times


SlowValues = Mapping[str, Series]
"""By signal of the cells; every key of REACH_DAYS is there, in the reach of the book's end."""


def added(values: Floats) -> Floats:
    """float64[n]: sums over the days of float64[days, n], NaN where no day is known."""
    return np.where(np.isnan(values).all(axis=0), np.nan, np.nansum(values, axis=0))


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below where below is positive, NaN elsewhere."""
    usable = below > 0
    return np.where(usable, above / np.where(usable, below, 1.0), np.nan)


def weighted(values: Floats, weights: Floats) -> Floats:
    """float64[n]: means over the days, each with its weight, of those with both known."""
    both = ~np.isnan(values) & (weights > 0)
    weight = np.where(both, weights, 0.0)
    return ratio(np.where(both, values * weight, 0.0).sum(axis=0), weight.sum(axis=0))


def by_line(values: Floats, line_of: NDArray[np.int32], lines: int) -> Floats:
    """float64[rows, lines]: sums over each line's cells of float64[rows, cells], NaN where none of
    them is known."""
    out = np.full((len(values), lines), np.nan)
    for row, given in enumerate(values):
        known = ~np.isnan(given)
        some = np.bincount(line_of[known], minlength=lines) > 0
        out[row, some] = np.bincount(line_of[known], given[known], lines)[some]
    return out
