"""A cell's figures from the sums of its windows."""

from __future__ import annotations

import numpy as np

from analytics.cells import CHARGE, ENERGY, KNOWN, QUIET_CHARGE, QUIET_ENERGY, VOLTAGE_KNOWN
from analytics.formulas import DAY_S, HOURS
from analytics.frame import Frame
from analytics.layout import Layout
from analytics.sums import Sums
from analytics.table import Floats, Table, known, ratio, take

DAY = 3
LEAST_CURRENT = 0.01
"""Share of the nominal current below which a resistance says nothing."""


def cf4_kg(at: Layout, sums: Sums) -> Floats:
    """CF4 of each cell and window: slope · p · minutes in anode effects. [4, cells] kg

    p is the metal the cell makes in a day at the window's mean current; domain: one
    anode-effect minute of a cell that makes p t/d emits slope·p kg.
    """
    of = at.line_of_cell
    mean_kA = ratio(sums.current, sums.current_s)
    t_per_day = at.line_yield * mean_kA * 24 / 1000
    minutes = known(sums.watched.above_s, sums.cells[VOLTAGE_KNOWN]) / 60
    return (at.slope * t_per_day)[:, of] * minutes


def cell_figures(
    at: Layout, frame: Frame, beat: Floats, sums: Sums, cf4_windows: Floats, table: Table
) -> None:
    """Put every figure of scope cell. beat: float64[CELL_SUMS, cells]; cf4_windows: of cf4_kg."""

    def put(name: str, values: Floats) -> None:
        table.put("cell", name, values)

    def put_windows(name: str, values: Floats) -> None:
        table.put_windows("cell", name, values)

    of = at.line_of_cell
    volt = take(frame.mean, at.voltage)
    amp = take(frame.mean, at.current)
    amp = np.where(amp > LEAST_CURRENT * at.nominal_kA[of], amp, np.nan)
    put("voltage", volt)
    put("resistance", 1000 * (volt - at.extrapolated_V[of]) / amp)
    put("power", ratio(beat[ENERGY], beat[KNOWN]))
    put("anode_effect", sums.watched.active)
    put("anode_effect_elapsed", sums.watched.elapsed_s)

    energy, charge, both_s = sums.cells[ENERGY], sums.cells[CHARGE], sums.cells[KNOWN]
    charge_kAh = known(sums.current, sums.current_s)[:, of] / HOURS
    put_windows("voltage", ratio(energy, charge))
    put_windows("energy", known(energy, both_s) / HOURS)
    put_windows("charge", charge_kAh)
    put_windows("metal", at.yield_of_cell * charge_kAh)
    put_windows("dc_specific_energy", 1000 * ratio(energy, at.yield_of_cell * charge))
    put_windows("coverage", both_s / sums.elapsed_s)
    quiet = at.yield_of_cell * sums.cells[QUIET_CHARGE, :2]
    excess = 1000 * ratio(sums.cells[QUIET_ENERGY, :2], quiet) - at.target_kWh_per_t
    put("excess_specific_energy_minute", excess[0])
    put("excess_specific_energy_hour", excess[1])

    seconds = sums.cells[VOLTAGE_KNOWN, DAY]
    count = known(sums.begun_today, seconds)
    minutes = known(sums.watched.above_s[DAY], seconds) / 60
    put("anode_effects_day", count)
    put("anode_effect_minutes_day", minutes)
    put("aef_day", ratio(count, seconds / DAY_S))
    put("aed_day", ratio(minutes, count))
    put("aem_day", ratio(minutes, seconds / DAY_S))
    positive, algebraic = 1000 * ratio(sums.watched.overvoltage_V_s, seconds[None])
    put("overvoltage_positive_day", positive)
    put("overvoltage_algebraic_day", algebraic)
    cf4 = cf4_windows[DAY]
    c2f6 = cf4 * at.weight_fraction[of]
    put("cf4_day", cf4)
    put("c2f6_day", c2f6)
    put("pfc_co2e_day", (cf4 * at.gwp_cf4 + c2f6 * at.gwp_c2f6) / 1000)
