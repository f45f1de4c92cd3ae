"""Current efficiency from the metal that was tapped and what the pad gained, over a month.

The balance runs from one measurement of the metal level to another, so that no tap falls between a
level and the time it stands for. One centimetre of level is nearly half a day's production, so
there is no balance of a day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.book.input import DayRows, Floats, SlowValues, by_line
from analytics.formulas import (
    HOURS,
    current_efficiency_from_metal,
    current_efficiency_uncertainty,
    metal_per_charge,
)
from plant.batch import SECOND
from plant.model import EntityKind, Plant

END_NS = 36 * 3600 * SECOND
"""So close to both ends of the month there must be a measurement of the level."""


@dataclass(frozen=True, slots=True)
class Balance:
    """float64[cells], NaN where there is no balance. Relative standard uncertainties: `own` is of
    the cell alone, `taps` of the scale, `current` of the line's current meter."""

    produced_kg: Floats
    faraday_kg: Floats
    own: Floats
    taps: Floats
    current: Floats

    def of_cells(self) -> tuple[Floats, Floats]:
        """Current efficiency and its standard uncertainty. -> fraction, fraction"""
        efficiency = self.produced_kg / self.faraday_kg
        return efficiency, efficiency * np.sqrt(self.own**2 + self.taps**2 + self.current**2)

    def of_lines(self, line_of: NDArray[np.int32], lines: int) -> tuple[Floats, Floats]:
        """The same of each line's cells that have a balance: their own errors add as variances,
        those of scale and current meter are the same for all. -> fraction, fraction"""
        made, pure, variance, taps, current = by_line(
            np.stack(
                [
                    self.produced_kg,
                    self.faraday_kg,
                    (self.own * self.produced_kg) ** 2,
                    self.taps * self.produced_kg,
                    self.current * self.produced_kg,
                ]
            ),
            line_of,
            lines,
        )
        return made / pure, np.sqrt(variance + taps**2 + current**2) / pure


def balance(plant: Plant, days: DayRows, slow: SlowValues) -> Balance:
    """The metal balance of each cell within the days.

    Both ends need a level measured within 36 h inside of them, and there must be taps in between.
    Taps from the first level on count, up to the last. Each day's charge is its mean current times
    the part of it in between; where the current is not known the mean of the rest stands, and may
    be wrong by all of it (rectangular).
    """
    n = len(plant.cells)
    of = plant.line_of_cell
    start, end = int(days.starts[0]), int(days.ends[-1])
    before, since = slow["metal_level"].between(start, start + END_NS).first(n)
    after, until = slow["metal_level"].between(end - END_NS, end).last(n)
    taps = slow["tap_mass"].between(since, until)
    tapped, count = taps.total(n), taps.count(n)

    density = plant.factors["constant.density_liquid_Al"].value
    area = np.array([line.metal_pad_area_m2 for line in plant.lines])[of]
    level_sd = np.array([line.level_sd_cm for line in plant.lines])[of]
    charge, known = _charge(days, since, until)
    charge = np.where((since < until) & (count > 0), charge, np.nan)
    pure = metal_per_charge(plant.factors)
    change = density * area * (after - before) / 100
    efficiency = current_efficiency_from_metal(tapped, change, charge, pure)
    produced = tapped + change
    elapsed_d = (until - since) / SECOND / 86_400
    level = current_efficiency_uncertainty(
        level_sd, area, elapsed_d, produced / 1000 / elapsed_d, density
    )
    limits, percent = _accuracies(plant, "cell", "tap_mass")
    of_taps = np.hypot(count * limits / 2, tapped * percent / 200) / produced
    amp_limits, amp_percent = _accuracies(plant, "line", "current")
    mean_kA = charge / elapsed_d / 24
    of_current = np.hypot(amp_limits[of] / 2 / mean_kA, amp_percent[of] / 200)
    return Balance(
        produced_kg=np.where(np.isnan(efficiency), np.nan, produced),
        faraday_kg=pure * charge,
        own=np.hypot(level / 100, (1 - known) / np.sqrt(3)),
        taps=of_taps,
        current=of_current,
    )


def _charge(
    days: DayRows, since: NDArray[np.int64], until: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Charge between two times of each cell, and the part of the time it is known. -> [kAh], 1"""
    energy, voltage = days.get("cell", "energy_day"), days.get("cell", "voltage_day")
    known_s = days.known_s()
    usable = (voltage > 0) & (known_s > 0)
    mean_kA = np.full_like(energy, np.nan)
    np.divide(energy * HOURS, voltage * known_s, out=mean_kA, where=usable)
    usable &= ~np.isnan(mean_kA)
    inside = np.minimum(days.ends[:, None], until) - np.maximum(days.starts[:, None], since)
    inside_s = np.maximum(inside, 0) / SECOND
    length_s = ((days.ends - days.starts) / SECOND)[:, None]
    heard_s = np.where(usable, inside_s, 0.0)
    amount = np.where(usable, mean_kA, 0.0) * heard_s / HOURS
    total_s = np.maximum(inside_s.sum(axis=0), 1.0)
    heard = heard_s.sum(axis=0)
    charge = np.where(heard > 0, amount.sum(axis=0) * total_s / np.maximum(heard, 1.0), np.nan)
    known = (heard_s * np.minimum(known_s / length_s, 1.0)).sum(axis=0) / total_s
    return charge, known


def _accuracies(plant: Plant, kind: EntityKind, signal: str) -> tuple[Floats, Floats]:
    """Limits of error at 95 % of each one's tag, 0 where none are stated: [unit], [% of reading]"""
    columns = plant.columns(kind, signal)
    tags = [plant.tags[c] if c >= 0 else None for c in columns]
    limits = np.array([t.accuracy if t else np.nan for t in tags])
    percent = np.array([t.accuracy_percent if t else np.nan for t in tags])
    return np.nan_to_num(limits), np.nan_to_num(percent)
