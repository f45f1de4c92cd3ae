"""Lines: current regulated at nominal, with ripple, dips, ramps and sags at anode effects."""

from __future__ import annotations

from math import exp, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plant.model import Plant
from simulators.kernel import part
from simulators.luck import Stream, keys, normal, uniform
from simulators.reality import TrueConstants

BUSBAR_OHM_PER_CELL = 0.025e-6  # at 600 kA, between and before the cells, not in cell voltage

LINE = np.dtype(
    [("key", "u8"), ("events", "i8")]
    + [
        (name, "f8")
        for name in (
            "nominal_A", "cells", "busbar_ohm",  # of one cell
            "cf4_slope", "slope_exponent", "background_kg_per_t",
            "trip", "ordered",  # by faults: share of the current that is left; set point
            "level", "ripple", "dip", "dip_until_s", "sag_A", "effect_V", "current_A",
        )
    ]
)  # fmt: skip

_RIPPLE_SD, _RIPPLE_S = 0.002, 10.0
_DIPS_PER_S = 0.3 / 86400
_RAMP_PER_S = 0.001  # of nominal current, when the set point of the line changes
_DRIVING_V = 2.3  # a cell's voltage above its back EMF
_RECOVER_S = 3.0  # the regulator makes a sag good: 5-10 s to the last tenth


def new_lines(plant: Plant, seed: int, true: TrueConstants) -> NDArray[np.void]:
    """A row of LINE for each line."""
    rows = np.zeros(len(plant.lines), LINE)
    rows["key"] = keys(seed, plant.entities("line"))
    rows["nominal_A"] = [line.nominal_current_kA * 1e3 for line in plant.lines]
    rows["cells"] = np.bincount(plant.line_of_cell, minlength=len(rows))
    rows["busbar_ohm"] = BUSBAR_OHM_PER_CELL * 600e3 / rows["nominal_A"]
    rows["cf4_slope"] = true.cf4_slope
    rows["slope_exponent"] = true.reality.slope_exponent
    rows["background_kg_per_t"] = true.reality.background_kg_per_t
    rows["trip"] = rows["ordered"] = rows["level"] = rows["dip"] = 1.0
    return rows


@part
def drive(line: Any, effect_V: float, k: int, now_s: float, dt: float) -> None:
    """The current of step k. effect_V: what anode effects add to the line's voltage now."""
    keep = exp(-dt / _RIPPLE_S)
    line.ripple *= keep
    line.ripple += _RIPPLE_SD * sqrt(1 - keep * keep) * normal(line.key, Stream.NOISE, k)
    ramp = _RAMP_PER_S * dt
    line.level += min(max(line.ordered - line.level, -ramp), ramp)
    if now_s >= line.dip_until_s:
        line.dip = 1.0
        if uniform(line.key, Stream.CHANCE, k) < _DIPS_PER_S * dt:
            line.events += 2
            line.dip = 0.9 - 0.3 * uniform(line.key, Stream.EVENT, line.events)
            line.dip_until_s = now_s + 20 + 40 * uniform(line.key, Stream.EVENT, line.events + 1)
    rise = effect_V - line.effect_V
    line.effect_V = effect_V
    sag = line.nominal_A * rise / max(line.cells * _DRIVING_V, 1.0)
    line.sag_A = line.sag_A * exp(-dt / _RECOVER_S) + sag
    share = line.dip * line.trip * (line.level + line.ripple)
    limited = min(max(line.sag_A, -0.03 * line.nominal_A), 0.3 * line.nominal_A)
    line.current_A = max(line.nominal_A * share - limited * line.trip, 0.0)
