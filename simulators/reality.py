"""How the true plant departs from what its file says of it: constants drawn by seed."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plant.model import Plant
from simulators.luck import Draw, Stream, keys

Array = NDArray[np.float64]

CO2_PER_C = 44.0095 / 12.011


@dataclass(frozen=True, slots=True)
class Reality:
    """Spreads are limits of error at 95 %, in percent.

    efficiency: "physical": cells differ around what the plant file says of their line, and it falls
    with temperature, noise and anode effects; "drawn": and the line's departs from the file's as
    far as the file's uncertainty says; "configured": what the file says, always.
    factors: "drawn", or "configured": the PFC and carbon factors of the plant file are the truth.
    """

    efficiency: Literal["physical", "drawn", "configured"] = "physical"
    factors: Literal["drawn", "configured"] = "drawn"
    pfc_percent: float = 15.0  # of PFC factors that state no uncertainty themselves
    slope_exponent: float = 1.0  # of the minutes of an anode effect; 1: CF4 grows evenly
    background_kg_per_t: float = 0.001  # CF4 that comes without any trace in the voltage
    cell_efficiency_sd: float = 0.003  # of cells around their line's


PLAIN = Reality()
DRAWN = Reality(efficiency="drawn")
AS_CONFIGURED = Reality("configured", "configured", background_kg_per_t=0.0)


@dataclass(frozen=True, slots=True)
class TrueConstants:
    """Of each line, [lines], unless said otherwise."""

    cf4_slope: Array  # kg CF4 a tonne and day, for each anode-effect minute a cell and day
    c2f6_per_cf4: Array
    co2_per_metal: Array  # t/t, of the anodes
    efficiency: Array  # [cells], 1, at 958 °C and with little noise
    reality: Reality


def draw(plant: Plant, seed: int, reality: Reality) -> TrueConstants:
    slope: list[float] = []
    weight: list[float] = []
    carbon: list[float] = []
    efficiency: list[float] = []
    for line, key in zip(plant.lines, keys(seed, plant.entities("line")), strict=True):
        luck = Draw(np.array([key]), Stream.CONSTANT)
        family = f"pfc.{line.pfc_factors}.{line.technology}"
        for name, made in (("slope", slope), ("weight_fraction", weight)):
            factor = plant.factors[f"{family}.{name}"]
            stated = factor.uncertainty_percent
            spread = reality.pfc_percent if isnan(stated) else stated
            made.append(factor.value * _around_one(luck, spread, reality))
        share = 1 - line.anode_sulphur_percent / 100 - line.anode_ash_percent / 100
        spread = line.net_carbon_uncertainty_percent
        net = line.net_carbon_t_per_t * _around_one(luck, 0 if isnan(spread) else spread, reality)
        carbon.append(net * share * CO2_PER_C)
        departs = luck.normal(0, line.current_efficiency_uncertainty / 2)[0]
        departs = departs if reality.efficiency == "drawn" else 0.0
        efficiency.append(line.current_efficiency + departs)
    of_cell = np.array(efficiency)[plant.line_of_cell]
    if reality.efficiency != "configured":
        own = Draw(keys(seed, plant.entities("cell")), Stream.CONSTANT)
        of_cell = of_cell + own.normal(0, reality.cell_efficiency_sd)
    return TrueConstants(np.array(slope), np.array(weight), np.array(carbon), of_cell, reality)


def _around_one(luck: Draw, limits_percent: float, reality: Reality) -> float:
    drawn = float(luck.normal(1, limits_percent / 200)[0])
    return max(drawn, 0.0) if reality.factors == "drawn" else 1.0
