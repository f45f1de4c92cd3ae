"""What a line, and the site, amounts to in one window, and the figures of it that both have.

Totals add what is known and their coverage says how much that is. A ratio to metal is a ratio of
mean rates, each over the time in which it is known, so that a gap in one input does not bend it;
it is NaN while one of its inputs has never been known in the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytics.beat.cell_state import (
    L_CHARGE,
    L_CURRENT,
    L_CURRENT_KNOWN,
    L_ENERGY,
    L_KNOWN,
    L_MEASURED,
    L_MEASURED_KNOWN,
    L_QUIET_ENERGY,
    L_TARGET_ENERGY,
    L_VOLTAGE_KNOWN,
)
from analytics.formulas import DAY_S, HOURS
from analytics.kernel import part

WINDOW_NAMES = (
    "dc_energy", "ac_energy", "auxiliary_energy", "metal", "dc_specific_energy",
    "ac_specific_energy", "total_specific_energy", "anode_co2", "pfc_co2e", "scope1_co2e",
    "scope2_co2e", "scope1_intensity", "scope2_intensity", "carbon_intensity", "coverage",
    "excess_energy", "dc_source_energy", "rectifier_efficiency", "energy_balance_closure",
)  # fmt: skip
(
    W_DC, W_AC, W_AUX, W_METAL, W_DC_SPECIFIC, W_AC_SPECIFIC, W_TOTAL_SPECIFIC, W_ANODE, W_PFC,
    W_SCOPE1, W_SCOPE2, W_SCOPE1_INTENSITY, W_SCOPE2_INTENSITY, W_INTENSITY, W_COVERAGE, W_EXCESS,
    W_DC_SOURCE, W_RECTIFIER, W_CLOSURE,
) = range(19)  # fmt: skip
SITE_WINDOW_NAMES = (*WINDOW_NAMES, "fuel_co2", "scope2_market_co2e", "market_intensity", "cost")
W_FUEL, W_MARKET, W_MARKET_INTENSITY, W_COST = range(19, 23)
(
    DC, DC_METAL, AC, AUX, MADE, ANODE, PFC, FUEL, EXCESS, SOURCE, METAL_PER_S, AC_RATE, AUX_RATE,
    SCOPE1_RATE, RECTIFIED, MEASURED, MEASURED_CELLS, SHARE, DIRECT,
) = range(19)  # fmt: skip
"""What a line or the site amounts to in a window: [MJ] and [t]; rates per second; `SHARE` is the
coverage; DIRECT the direct emissions of the beat [t CO2e/h]. DC_METAL is made while both voltage
and current of its cell are known."""
AMOUNTS = 19


@part
def own_gauges(w: int, line: int, own: Any, gauges: Any, begin: int) -> Any:
    """Sums over the gauges of one line, own[i] the line of gauge begin + i. -> how many, what is
    known [NaN: nothing], the sum of mean rates [NaN: one is unknown], the least known time"""
    count = 0
    amount = known = rate = 0.0
    least = np.inf
    for i in range(len(own)):
        if own[i] == line:
            count += 1
            heard = so_far(gauges, 1, w, begin + i)
            read = so_far(gauges, 0, w, begin + i)
            amount += read
            known += heard
            rate += read / heard if heard > 0 else np.nan
            least = min(least, heard)
    return count, amount if known > 0 else np.nan, rate, least


@part
def so_far(sums: Any, row: int, w: int, i: int) -> Any:
    """A window's sum up to now: the minute's, and what was closed before it."""
    return sums[row, 0, i] + sums[row, w, i] if w else sums[row, 0, i]


@part
def all_ns(above: Any) -> int:
    """Sum of whole nanoseconds: exact, in any order."""
    total = 0
    for i in range(len(above)):
        total += above[i]
    return total


@part
def carbon_ns(above: Any, carbon: Any) -> float:
    """The same of the cells with anodes of carbon; mostly there is nothing to add."""
    total = 0.0
    if all_ns(above):
        for i in range(len(above)):
            total += above[i] * carbon[i]
    return total


@part
def line_amounts(
    w: int,
    k: int,
    first_cell: Any,
    at: Any,
    carbon: Any,
    sums: Any,
    ns: Any,
    gauges: Any,
    above: Any,
    elapsed: float,
    a: Any,
) -> None:
    both_s = so_far(ns, L_KNOWN, w, k) / 1e9
    listened_s = so_far(ns, L_VOLTAGE_KNOWN, w, k) / 1e9
    heard_s = so_far(ns, L_CURRENT_KNOWN, w, k) / 1e9
    a[DC] = so_far(sums, L_ENERGY, w, k) / 1000 if both_s > 0 else np.nan
    a[DC_METAL] = so_far(sums, L_CHARGE, w, k) * at.metal[k] / HOURS / 1000
    a[MADE] = np.nan
    if heard_s > 0:
        a[MADE] = at.cells[k] * at.metal[k] * so_far(sums, L_CURRENT, w, k) / HOURS / 1000
    a[METAL_PER_S] = a[MADE] / heard_s
    a[ANODE] = at.anode_co2[k] * at.carbon_cells[k] / at.cells[k] * a[MADE]
    a[FUEL] = 0.0
    excess = so_far(sums, L_QUIET_ENERGY, w, k) - so_far(sums, L_TARGET_ENERGY, w, k)
    a[EXCESS] = excess / 1000 if both_s > 0 else np.nan

    rectifiers = len(at.rectifier_line)
    auxiliaries = len(at.auxiliary_line)
    count, a[AC], a[AC_RATE], ac_s = own_gauges(w, k, at.rectifier_line, gauges, 0)
    if count == 0:
        a[AC] = a[AC_RATE] = np.nan
    _, _, rectified, _ = own_gauges(w, k, at.rectifier_line, gauges, rectifiers)
    count, a[AUX], a[AUX_RATE], aux_s = own_gauges(w, k, at.auxiliary_line, gauges, 2 * rectifiers)
    if count == 0:
        a[AUX] = 0.0
    count, a[SOURCE], source_rate, _ = own_gauges(
        w, k, at.dc_source_line, gauges, 2 * rectifiers + auxiliaries
    )
    if count == 0:
        a[SOURCE] = 0.0
    measured_s = so_far(ns, L_MEASURED_KNOWN, w, k) / 1e9
    a[MEASURED] = so_far(sums, L_MEASURED, w, k) / 1000 / measured_s if measured_s > 0 else np.nan
    a[MEASURED_CELLS] = np.nan
    if measured_s > 0 and both_s > 0:
        a[MEASURED_CELLS] = at.cells[k] * a[DC] / both_s
    a[RECTIFIED] = rectified if rectified == rectified else a[MEASURED] - source_rate
    # a counter's reading may stand for time before the window
    a[SHARE] = min(both_s / at.cells[k], ac_s, aux_s, elapsed) / elapsed

    cells = slice(first_cell[k], first_cell[k + 1])
    minutes = carbon_ns(above[w, cells], carbon[cells]) / 60e9
    per_cf4 = (at.gwp_cf4 + at.weight_fraction[k] * at.gwp_c2f6) / 1000
    a[PFC] = a[SCOPE1_RATE] = np.nan
    if listened_s > 0:
        a[PFC] = at.slope[k] * (a[METAL_PER_S] / at.cells[k] * DAY_S) * minutes * per_cf4
        aem = minutes / (listened_s / DAY_S)
        anodes = at.anode_co2[k] * at.carbon_cells[k] / at.cells[k]
        a[SCOPE1_RATE] = (anodes + at.slope[k] * aem * per_cf4) * a[METAL_PER_S]


@part
def ratio(above: float, below: float) -> float:
    return above / below if below > 0 else np.nan


@part
def put_window(w: int, k: int, a: Any, at: Any, rows: Any, figures: Any) -> None:
    """The windows' figures that lines and the site have alike."""
    scope1 = a[ANODE] + a[PFC] + a[FUEL]
    consumed = a[AC_RATE] + a[AUX_RATE]
    scope2_rate = at.grid * consumed / HOURS
    figures[rows[W_DC] + w, k] = a[DC] / HOURS
    figures[rows[W_AC] + w, k] = a[AC] / HOURS
    figures[rows[W_AUX] + w, k] = a[AUX] / HOURS
    figures[rows[W_METAL] + w, k] = a[MADE]
    figures[rows[W_DC_SPECIFIC] + w, k] = 1000 * ratio(a[DC] / HOURS, a[DC_METAL])
    figures[rows[W_AC_SPECIFIC] + w, k] = 1000 * ratio(a[AC_RATE] / HOURS, a[METAL_PER_S])
    figures[rows[W_TOTAL_SPECIFIC] + w, k] = 1000 * ratio(consumed / HOURS, a[METAL_PER_S])
    figures[rows[W_ANODE] + w, k] = a[ANODE]
    figures[rows[W_PFC] + w, k] = a[PFC]
    figures[rows[W_SCOPE1] + w, k] = scope1
    figures[rows[W_SCOPE2] + w, k] = at.grid * (a[AC] + a[AUX]) / HOURS
    figures[rows[W_SCOPE1_INTENSITY] + w, k] = ratio(a[SCOPE1_RATE], a[METAL_PER_S])
    figures[rows[W_SCOPE2_INTENSITY] + w, k] = ratio(scope2_rate, a[METAL_PER_S])
    figures[rows[W_INTENSITY] + w, k] = ratio(a[SCOPE1_RATE] + scope2_rate, a[METAL_PER_S])
    figures[rows[W_COVERAGE] + w, k] = a[SHARE]
    figures[rows[W_EXCESS] + w, k] = a[EXCESS] / HOURS
    figures[rows[W_DC_SOURCE] + w, k] = a[SOURCE] / HOURS
    figures[rows[W_RECTIFIER] + w, k] = 100 * ratio(a[RECTIFIED], a[AC_RATE])
    figures[rows[W_CLOSURE] + w, k] = 100 * ratio(a[MEASURED_CELLS], a[MEASURED])


@part
def known(total: float, count: float) -> float:
    """The sum of so many known values, NaN of none."""
    return total if count > 0 else np.nan


@part
def plus(total: float, value: float) -> float:
    """Sum of what is known, NaN while nothing is."""
    if value != value:
        return total
    return total + value if total == total else value


@part
def site_window(
    w: int, at: Any, lines: Any, gauges: Any, elapsed: float, fuel: Any, rows: Any, figures: Any
) -> None:
    a = lines[-1]
    a[:] = 0.0
    a[DC] = a[AC] = a[MADE] = a[ANODE] = a[PFC] = a[EXCESS] = np.nan
    a[MEASURED] = a[MEASURED_CELLS] = np.nan
    share = np.inf
    for k in range(len(lines) - 1):
        for amount in (DC, AC, MADE, ANODE, PFC, EXCESS, MEASURED_CELLS):
            a[amount] = plus(a[amount], lines[k, amount])
        if lines[k, MEASURED_CELLS] == lines[k, MEASURED_CELLS]:
            a[MEASURED] = plus(a[MEASURED], lines[k, MEASURED])
        for rate in (METAL_PER_S, AC_RATE, SCOPE1_RATE, RECTIFIED):
            a[rate] += lines[k, rate]
        a[DC_METAL] += lines[k, DC_METAL]
        share = min(share, lines[k, SHARE])
    rectifiers, meters = len(at.rectifier_line), len(at.auxiliary_line)
    sources = len(at.dc_source_line)
    begin = 2 * rectifiers
    a[AUX] = a[SOURCE] = np.nan
    for i in range(meters):
        amount, heard = so_far(gauges, 0, w, begin + i), so_far(gauges, 1, w, begin + i)
        a[AUX] = plus(a[AUX], amount if heard > 0 else np.nan)
        a[AUX_RATE] += amount / heard if heard > 0 else np.nan
        share = min(share, heard / elapsed)
    begin += meters
    for i in range(sources):
        amount, heard = so_far(gauges, 0, w, begin + i), so_far(gauges, 1, w, begin + i)
        a[SOURCE] = plus(a[SOURCE], amount if heard > 0 else np.nan)
    if meters == 0:
        a[AUX] = 0.0
    if sources == 0:
        a[SOURCE] = 0.0
    boilers = fuel.shape[1]
    a[FUEL] = np.nan if boilers else 0.0
    for i in range(boilers):
        burnt, heard = fuel[1 + w, i], fuel[5 + w, i]
        a[FUEL] = plus(a[FUEL], burnt)
        a[SCOPE1_RATE] += burnt / heard if heard > 0 else np.nan
        share = min(share, fuel[9 + w, i])
    a[SHARE] = share
    put_window(w, 0, a, at, rows, figures)

    figures[rows[W_COST] + w, 0] = at.price * (a[AC] + a[AUX]) / HOURS
    figures[rows[W_FUEL] + w, 0] = a[FUEL]
    used = (a[AC] + a[AUX]) / HOURS
    contracted, heard = so_far(gauges, 0, w, begin + sources), so_far(gauges, 1, w, begin + sources)
    green = min(contracted / HOURS, used) if heard > 0 else np.nan
    market = green * at.contract + (used - green) * at.residual
    rate = a[AC_RATE] + a[AUX_RATE]
    green_rate = min(contracted / heard, rate) if heard > 0 else np.nan
    market_rate = (green_rate * at.contract + (rate - green_rate) * at.residual) / HOURS
    figures[rows[W_MARKET] + w, 0] = market
    figures[rows[W_MARKET_INTENSITY] + w, 0] = ratio(a[SCOPE1_RATE] + market_rate, a[METAL_PER_S])
