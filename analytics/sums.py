"""What has been summed since the start of each window, as the figures read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.assessment import State
from analytics.layout import Layout
from analytics.table import Floats
from plant.batch import SECOND


@dataclass(frozen=True, slots=True)
class Watched:
    """The anode-effect machines at the end of a beat."""

    above_s: Floats  # [4, cells], in anode effects, for each window
    overvoltage_V_s: Floats  # [2, cells], positive and algebraic, since midnight
    active: Floats  # [cells], 0/1, NaN where the voltage is unknown
    elapsed_s: Floats  # [cells]


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows of all arrays are minute, hour, shift, day. A current in kA, a power in MW times
    seconds; `..._s` the seconds in which it is known."""

    elapsed_s: Floats  # [4, 1], from the window's start to the end of the beat
    cells: Floats  # [CELL_SUMS, 4, cells], see analytics.cells
    watched: Watched
    begun_today: Floats  # [cells], anode effects
    current: Floats  # [4, lines]
    current_s: Floats
    rectifier: Floats  # [4, rectifiers]
    rectifier_s: Floats
    meter: Floats  # [4, meters]
    meter_s: Floats
    fuel: Floats  # [4, boilers], t/h x s
    fuel_s: Floats
    boilers: Floats  # [BOILER_SUMS, 4, boilers], see analytics.boiler_figures

    @classmethod
    def of(cls, at: Layout, state: State, end: int, watched: Watched) -> Sums:
        arrays = state.arrays
        amount, seconds = arrays["gauges"]
        return cls(
            elapsed_s=((end - arrays["windows"][0]) / SECOND)[:, None],
            cells=arrays["cells"],
            watched=watched,
            begun_today=arrays["machines"]["count"].astype(np.float64),
            current=amount[:, at.line_gauges],
            current_s=seconds[:, at.line_gauges],
            rectifier=amount[:, at.rectifier_gauges],
            rectifier_s=seconds[:, at.rectifier_gauges],
            meter=amount[:, at.meter_gauges],
            meter_s=seconds[:, at.meter_gauges],
            fuel=amount[:, at.fuel_gauges],
            fuel_s=seconds[:, at.fuel_gauges],
            boilers=arrays["boilers"],
        )
