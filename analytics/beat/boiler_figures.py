"""A boiler's figures: efficiency directly and by its losses, how far the two are apart, standard
coal and CO2 of its fuel.

Both efficiencies are sums over time, so that a gap in one reading bends neither: each counts the
time in which all that it needs is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analytics.beat.arrays import Floats, Table, take
from analytics.beat.frame import Frame
from analytics.beat.layout import Layout
from analytics.beat.steam import heat_per_steam
from analytics.beat.sums import Sums
from analytics.formula.boiler import HIGHEST_PERCENT, flue_gas_loss
from analytics.formulas import HOURS
from analytics.kernel import kernel, part
from analytics.table.figures import index
from plant.batch import SECOND

HEAT, FUEL_HEAT, STEAM, KNOWN, FLUE, GAS, BURNT, EXCESS, EXCESS_S, MADE, MADE_S = range(11)
"""Rows of a boiler's sums.

While fuel, steam and its state are known: heat to steam [GJ/h x s], heat in fuel [GJ/h x s], steam
[t/h x s], that time [s]. While fuel and both losses are known: losses with flue gas and unburnt gas
[% x GJ/h x s], heat in fuel [GJ/h x s]. Excess air x s, that time [s]. Steam whenever it is known
[t/h x s], that time [s].
"""
BOILER_SUMS = 11

BEAT = ("fuel_flow", "steam_flow", "efficiency", "efficiency_indirect", "efficiency_gap",
        "flue_loss", "unburned_gas_loss", "excess_air", "fuel_co2")  # fmt: skip
WINDOWED = ("efficiency", "efficiency_indirect", "efficiency_gap", "implausible", "flue_loss",
            "unburned_gas_loss", "excess_air", "fuel", "steam", "standard_coal", "fuel_co2",
            "co2_per_steam", "coverage")  # fmt: skip

heat = lru_cache(maxsize=1024)(heat_per_steam)
"""A boiler's steam moves slowly: its enthalpies are worked out when a reading changes."""

flue_loss = part(flue_gas_loss)


@part
def read(column: int, mean: Floats, coverage: Floats) -> tuple[float, float]:
    """Mean of a tag over the beat, and the known part of it."""
    return (mean[column], coverage[column]) if column >= 0 else (np.nan, 0.0)


@kernel
def sum_beat(
    seconds: float,
    columns: NDArray[np.int32],
    mean: Floats,
    coverage: Floats,
    heat_MJ_per_t: Floats,
    fuel_GJ_per_t: Floats,
    flue_a: Floats,
    flue_b: Floats,
    co_loss: Floats,
    gas_loss: Floats,
    sums: Floats,
    losses: Floats,
) -> None:
    """A beat of every boiler into sums[BOILER_SUMS, boilers] and losses[3, boilers]: flue gas [%],
    unburnt gas [%], excess air [1].

    seconds: of the beat. mean, coverage: float64[tags] of the frame. columns: places in them, see
    BoilerLayout.
    Slow twin: tests/analytics/beat/test_boilers.py.
    """
    for i in range(columns.shape[1]):
        fuel, fuel_known = read(columns[0, i], mean, coverage)
        steam, steam_known = read(columns[1, i], mean, coverage)
        oxygen, oxygen_known = read(columns[5, i], mean, coverage)
        flue, _ = read(columns[6, i], mean, coverage)
        ambient, _ = read(columns[7, i], mean, coverage)
        ppm, _ = read(columns[8, i], mean, coverage)
        air = 21 / (21 - oxygen) if oxygen < 21 else np.nan
        q2 = np.nan
        if flue > ambient and oxygen < 21:
            q2 = flue_loss(oxygen, flue, ambient, flue_a[i], flue_b[i])
        q3 = ppm * co_loss[i] * air if columns[8, i] >= 0 else gas_loss[i]
        losses[0, i], losses[1, i], losses[2, i] = q2, q3, air
        sums[:, i] = 0.0
        burning = fuel * fuel_GJ_per_t[i]
        both = min(fuel_known, steam_known) * seconds
        to_steam = steam * heat_MJ_per_t[i] / 1000
        if to_steam == to_steam and burning == burning and both > 0:
            sums[HEAT, i] = to_steam * both
            sums[FUEL_HEAT, i] = burning * both
            sums[STEAM, i] = steam * both
            sums[KNOWN, i] = both
        told = fuel_known * seconds
        if q2 + q3 == q2 + q3 and burning == burning and told > 0:
            sums[FLUE, i] = q2 * burning * told
            sums[GAS, i] = q3 * burning * told
            sums[BURNT, i] = burning * told
        if air == air:
            sums[EXCESS, i] = air * oxygen_known * seconds
            sums[EXCESS_S, i] = oxygen_known * seconds
        if steam == steam:
            sums[MADE, i] = steam * steam_known * seconds
            sums[MADE_S, i] = steam_known * seconds


@part
def over(above: float, below: float) -> float:
    return above / below if below > 0 else np.nan


@kernel
def put_figures(
    elapsed_s: Floats,
    sums: Floats,
    fuel: Floats,
    fuel_s: Floats,
    now: Floats,
    flows: Floats,
    losses: Floats,
    fixed: Floats,
    gap_limit: float,
    fuel_co2: Floats,
    coal_GJ_per_t: float,
    beat_rows: NDArray[np.int64],
    window_rows: NDArray[np.int64],
    figures: Floats,
) -> None:
    """Every figure of scope boiler into figures[figures, boilers], NaN where unknown.

    elapsed_s: float64[4, 1]. sums: float64[BOILER_SUMS, 4, boilers]. fuel: float64[4, boilers]
    [t/h x s], fuel_s: the time in which it is known. now: sums of the beat. flows: float64[2,
    boilers], fuel and steam [t/h]; losses, fixed: [%]; fuel_co2 [t/t].
    """
    for i in range(now.shape[1]):
        rest = fixed[1, i] + fixed[2, i]
        direct = 100 * over(now[HEAT, i], now[FUEL_HEAT, i])
        indirect = 100 - losses[0, i] - losses[1, i] - rest
        beat = (
            flows[0, i], flows[1, i], direct, indirect, direct - indirect,
            losses[0, i], losses[1, i], losses[2, i], flows[0, i] * fuel_co2[i],
        )  # fmt: skip
        for k in range(len(beat)):
            figures[beat_rows[k], i] = beat[k]
        for w in range(4):
            direct = 100 * over(sums[HEAT, w, i], sums[FUEL_HEAT, w, i])
            q2 = over(sums[FLUE, w, i], sums[BURNT, w, i])
            q3 = over(sums[GAS, w, i], sums[BURNT, w, i])
            indirect = 100 - q2 - q3 - rest
            gap = direct - indirect
            implausible = 1.0 if direct > HIGHEST_PERCENT or abs(gap) > gap_limit else 0.0
            if gap != gap and not direct > HIGHEST_PERCENT:
                implausible = np.nan
            fuel_t = fuel[w, i] / HOURS if fuel_s[w, i] > 0 else np.nan
            steam_t = sums[MADE, w, i] / HOURS if sums[MADE_S, w, i] > 0 else np.nan
            coal = 1000 * over(sums[FUEL_HEAT, w, i] / coal_GJ_per_t, sums[STEAM, w, i])
            rate = over(over(fuel[w, i], fuel_s[w, i]), over(sums[MADE, w, i], sums[MADE_S, w, i]))
            window = (
                direct, indirect, gap, implausible, q2, q3,
                over(sums[EXCESS, w, i], sums[EXCESS_S, w, i]), fuel_t, steam_t, coal,
                fuel_t * fuel_co2[i], rate * fuel_co2[i], sums[KNOWN, w, i] / elapsed_s[w, 0],
            )  # fmt: skip
            for k in range(len(window)):
                figures[window_rows[k] + w, i] = window[k]


@dataclass(frozen=True, slots=True)
class Boilers:
    """The beat of every boiler."""

    fuel_t_per_h: Floats
    steam_t_per_h: Floats
    losses: Floats  # [3, boilers]: flue gas %, unburnt gas %, excess air
    sums: Floats  # [BOILER_SUMS, boilers]

    @classmethod
    def of(cls, at: Layout, frame: Frame) -> Boilers:
        """frame: a beat of the boilers' tags."""
        own = at.boiler
        n = len(at.boilers)
        readings = take(frame.mean, own.places)
        state = readings[2:5].T.tolist()
        heats = np.array([heat(b, *s) for b, s in zip(at.boilers, state, strict=True)], np.float64)
        sums, losses = np.empty((BOILER_SUMS, n)), np.empty((3, n))
        sum_beat(
            (frame.end - frame.start) / SECOND, own.places, frame.mean, frame.coverage, heats,
            at.fuel_GJ_per_t, own.flue_a, own.flue_b, own.co_loss, own.fixed_losses[0], sums,
            losses,
        )  # fmt: skip
        return cls(readings[0], readings[1], losses, sums)


def boiler_figures(at: Layout, beat: Boilers, sums: Sums, table: Table) -> None:
    """Put every figure of scope boiler."""
    own = at.boiler
    put_figures(
        sums.elapsed_s, sums.boilers, sums.fuel, sums.fuel_s, beat.sums,
        np.stack([beat.fuel_t_per_h, beat.steam_t_per_h]), beat.losses, own.fixed_losses,
        own.gap_limit, at.fuel_co2, at.coal_GJ_per_t, *_rows(), table.figures["boiler"],
    )  # fmt: skip


@lru_cache
def _rows() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each figure of the beat, and the minute's of each windowed one, stands."""
    return (
        np.array([index("boiler", name) for name in BEAT]),
        np.array([index("boiler", f"{name}_minute") for name in WINDOWED]),
    )
