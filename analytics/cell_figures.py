"""A cell's figures from the sums of its windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.cells import CHARGE, ENERGY, KNOWN, QUIET_CHARGE, QUIET_ENERGY, VOLTAGE_KNOWN
from analytics.formulas import DAY_S, HOURS
from analytics.frame import Frame
from analytics.kernel import kernel
from analytics.layout import Layout
from analytics.sums import Sums
from analytics.table import Floats, Table, known, ratio, take

DAY = 3
LEAST_CURRENT = 0.01
"""Share of the nominal current below which a resistance says nothing."""


@kernel
def window_figures(
    sums: Floats,
    current: Floats,
    current_s: Floats,
    above_s: Floats,
    elapsed_s: Floats,
    line_of_cell: NDArray[np.int32],
    line_yield: Floats,
    slope: Floats,
    voltage: Floats,
    energy: Floats,
    charge: Floats,
    metal: Floats,
    specific_energy: Floats,
    coverage: Floats,
    minutes: Floats,
    cf4: Floats,
) -> None:
    """The figures of each window and cell, from `voltage` on written as float64[4, cells].

    cf4 [kg] is slope · p · minutes in anode effects, p [t/d] the metal that the cell makes at the
    window's mean current: one anode-effect minute emits slope · p.
    """
    for w in range(4):
        for c in range(len(line_of_cell)):
            line = line_of_cell[c]
            yields = line_yield[line]
            both_s = sums[KNOWN, w, c]
            coulombs = sums[CHARGE, w, c]
            joules = sums[ENERGY, w, c]
            volt = joules / coulombs if coulombs > 0 else np.nan
            voltage[w, c] = volt
            energy[w, c] = joules / HOURS if both_s > 0 else np.nan
            specific_energy[w, c] = 1000 * volt / yields
            coverage[w, c] = both_s / elapsed_s[w]
            heard = current_s[w, line]
            kAh = current[w, line] / HOURS if heard > 0 else np.nan
            charge[w, c] = kAh
            metal[w, c] = yields * kAh
            above = above_s[w, c] / 60 if sums[VOLTAGE_KNOWN, w, c] > 0 else np.nan
            minutes[w, c] = above
            t_per_day = yields * kAh / heard * DAY_S / 1000 if heard > 0 else np.nan
            cf4[w, c] = slope[line] * t_per_day * above


@dataclass(frozen=True, slots=True)
class Effects:
    """What a cell's anode effects come to in each window, float64[4, cells]; NaN: not known."""

    minutes: Floats
    cf4_kg: Floats


def cell_figures(at: Layout, frame: Frame, beat: Floats, sums: Sums, table: Table) -> Effects:
    """Put every figure of scope cell. beat: float64[CELL_SUMS, cells]."""

    def put(name: str, values: Floats) -> None:
        table.put("cell", name, values)

    of = at.line_of_cell
    volt = take(frame.mean, at.voltage)
    amp = take(frame.mean, at.current)
    amp = np.where(amp > LEAST_CURRENT * at.nominal_kA[of], amp, np.nan)
    put("voltage", volt)
    put("resistance", 1000 * (volt - at.extrapolated_V[of]) / amp)
    put("power", ratio(beat[ENERGY], beat[KNOWN]))
    put("anode_effect", sums.watched.active)
    put("anode_effect_elapsed", sums.watched.elapsed_s)

    effects = Effects(np.empty((4, len(volt))), np.empty((4, len(volt))))
    window_figures(
        sums.cells, sums.current, sums.current_s, sums.watched.above_s, sums.elapsed_s[:, 0],
        of, at.line_yield, at.slope,
        table.windows("cell", "voltage"), table.windows("cell", "energy"),
        table.windows("cell", "charge"), table.windows("cell", "metal"),
        table.windows("cell", "dc_specific_energy"), table.windows("cell", "coverage"),
        effects.minutes, effects.cf4_kg,
    )  # fmt: skip
    quiet = at.yield_of_cell * sums.cells[QUIET_CHARGE, :2]
    excess = 1000 * ratio(sums.cells[QUIET_ENERGY, :2], quiet) - at.target_kWh_per_t
    put("excess_specific_energy_minute", excess[0])
    put("excess_specific_energy_hour", excess[1])

    seconds = sums.cells[VOLTAGE_KNOWN, DAY]
    count = known(sums.begun_today, seconds)
    minutes = effects.minutes[DAY]
    put("anode_effects_day", count)
    put("anode_effect_minutes_day", minutes)
    put("aef_day", ratio(count, seconds / DAY_S))
    put("aed_day", ratio(minutes, count))
    put("aem_day", ratio(minutes, seconds / DAY_S))
    positive, algebraic = 1000 * ratio(sums.watched.overvoltage_V_s, seconds[None])
    put("overvoltage_positive_day", positive)
    put("overvoltage_algebraic_day", algebraic)
    cf4 = effects.cf4_kg[DAY]
    c2f6 = cf4 * at.weight_fraction[of]
    put("cf4_day", cf4)
    put("c2f6_day", c2f6)
    put("pfc_co2e_day", (cf4 * at.gwp_cf4 + c2f6 * at.gwp_c2f6) / 1000)
    return effects
