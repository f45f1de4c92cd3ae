"""A boiler's figures: direct efficiency and the CO2 of its fuel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.formulas import HOURS
from analytics.frame import Frame
from analytics.layout import Layout
from analytics.steam import heat_per_steam
from analytics.sums import Sums
from analytics.table import Floats, Table, known, ratio, take
from plant.batch import SECOND

HEAT, FUEL_HEAT, STEAM, KNOWN = range(4)
"""Rows of a boiler's sums while all its readings are known: heat to steam [GJ/h x s], heat in fuel
[GJ/h x s], steam [t/h x s], that time [s]."""
BOILER_SUMS = 4


@dataclass(frozen=True, slots=True)
class Boilers:
    """The beat of every boiler."""

    fuel_t_per_h: Floats
    steam_t_per_h: Floats
    sums: Floats  # [BOILER_SUMS, boilers]

    @classmethod
    def of(cls, at: Layout, frame: Frame) -> Boilers:
        fuel, steam = at.gauges[at.fuel_gauges], at.gauges[at.steam_gauges]
        fuel_flow, steam_flow = take(frame.mean, fuel), take(frame.mean, steam)
        state = take(frame.mean, at.steam_state)
        heat = np.array(
            [heat_per_steam(b, *state[:, i].tolist()) for i, b in enumerate(at.boilers)],
            np.float64,
        )
        rates = np.stack(
            [
                steam_flow * heat / 1000,
                fuel_flow * at.fuel_GJ_per_t,
                steam_flow,
                np.ones(len(at.boilers)),
            ]
        )
        covered = np.minimum(take(frame.coverage, fuel), take(frame.coverage, steam))
        seconds = covered * ((frame.end - frame.start) / SECOND)
        whole = np.isfinite(rates).all(axis=0)
        return cls(fuel_flow, steam_flow, np.where(whole, rates * seconds, 0.0))


def boiler_figures(at: Layout, beat: Boilers, sums: Sums, table: Table) -> None:
    """Put every figure of scope boiler."""
    heat, fuel_heat, steam, seconds = sums.boilers
    table.put("boiler", "fuel_flow", beat.fuel_t_per_h)
    table.put("boiler", "steam_flow", beat.steam_t_per_h)
    table.put("boiler", "efficiency", 100 * ratio(beat.sums[HEAT], beat.sums[FUEL_HEAT]))
    table.put("boiler", "fuel_co2", beat.fuel_t_per_h * at.fuel_co2)
    table.put_windows("boiler", "efficiency", 100 * ratio(heat, fuel_heat))
    table.put_windows("boiler", "standard_coal", 1000 * ratio(fuel_heat / at.coal_GJ_per_t, steam))
    table.put_windows("boiler", "fuel_co2", known(sums.fuel, sums.fuel_s) / HOURS * at.fuel_co2)
    table.put_windows("boiler", "coverage", seconds / sums.elapsed_s)
