"""The figures of lines and of the site.

What they amount to in the windows is in analytics.beat.line_amounts; here are the figures of the
beat and those that only the day has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.cell_figures import CF4_OVERVOLTAGE, DAY, EXCESS_HOUR
from analytics.beat.cell_state import (
    ALGEBRAIC,
    COUNT,
    EFFECT,
    L_CURRENT_KNOWN,
    L_VOLTAGE_KNOWN,
    NORMALISED,
    POSITIVE,
    POWER,
    VOLTAGE,
)
from analytics.beat.line_amounts import (
    DIRECT,
    SITE_WINDOW_NAMES,
    W_AC_SPECIFIC,
    W_METAL,
    W_PFC,
    W_TOTAL_SPECIFIC,
    WINDOW_NAMES,
    all_ns,
    carbon_ns,
    known,
    line_amounts,
    plus,
    put_window,
    ratio,
    site_window,
    so_far,
)
from analytics.formulas import DAY_S
from analytics.kernel import bare_part, kernel, part
from analytics.table.figures import index

Floats = NDArray[np.float64]

LINE_NAMES = (
    "current", "voltage", "dc_power", "ac_power", "auxiliary_power", "metal_rate",
    "carbon_intensity", "cells_in_anode_effect", "voltage_spread", "aef_day", "aed_day", "aem_day",
    "overvoltage_positive_day", "overvoltage_algebraic_day", "cf4_day", "c2f6_day",
    "pfc_overvoltage_co2e_day", "pfc_gap_percent_day", "cells_above_target_hour",
    "gb_level_liquid_ac_day", "gb_level_liquid_total_ac_day",
)  # fmt: skip
(
    CURRENT, SUM_VOLTAGE, DC_POWER, AC_POWER, AUX_POWER, METAL_RATE, INTENSITY, IN_EFFECT, SPREAD,
    AEF, AED, AEM, OVER_POSITIVE, OVER_ALGEBRAIC, CF4, C2F6, PFC_OVERVOLTAGE, PFC_GAP,
    ABOVE_TARGET, LEVEL_AC, LEVEL_TOTAL,
) = range(21)  # fmt: skip
SITE_NAMES = ("dc_power", "ac_power", "auxiliary_power", "metal_rate", "carbon_intensity")

LINE_ROWS = np.array([index("line", name) for name in LINE_NAMES], np.int64)
LINE_WINDOWS = np.array([index("line", f"{name}_minute") for name in WINDOW_NAMES], np.int64)
SITE_ROWS = np.array([index("site", name) for name in SITE_NAMES], np.int64)
SITE_WINDOWS = np.array([index("site", f"{name}_minute") for name in SITE_WINDOW_NAMES], np.int64)


@bare_part
def line_figures(
    first_line: int,
    last_line: int,
    elapsed_s: Floats,
    first_cell: NDArray[np.int64],
    at: Any,
    carbon: Floats,
    amounts: Floats,
    sums: Floats,
    ns: NDArray[np.int64],
    gauges: Floats,
    gauge_now: Floats,
    currents: Floats,
    above: NDArray[np.int64],
    counted: Floats,
    cell_beat: NDArray[np.int64],
    cell_rows: NDArray[np.int64],
    cell: Floats,
    line_rows: NDArray[np.int64],
    line_windows: NDArray[np.int64],
    line: Floats,
) -> None:
    """Write every figure of the lines [first_line, last_line).

    at: LinePlant. amounts: float64[4, lines + 1, AMOUNTS], what each line amounts to in each
    window. sums, ns: of LineState; gauges: float64[2, 4, gauges], as analytics.beat.gauges leaves
    them; gauge_now, currents: means of the last beat. above, counted: of CellState. cell: the
    cells' figures.
    """
    for k in range(first_line, last_line):
        for w in range(4):
            line_amounts(w, k, first_cell, at, carbon, sums, ns, gauges, above,
                          elapsed_s[w], amounts[w, k])  # fmt: skip
            put_window(w, k, amounts[w, k], at, line_windows, line)
        cells = slice(first_cell[k], first_cell[k + 1])
        amounts[0, k, DIRECT] = _line_beat(
            k, cells, at, carbon, gauge_now, currents[k], cell_beat, cell, line_rows, line
        )
        _line_day(k, cells, at, carbon, sums, ns, above, counted, cell_rows, cell,
                  line_rows, line_windows, line)  # fmt: skip


@kernel
def site_figures(
    elapsed_s: Floats,
    at: Any,
    amounts: Floats,
    gauges: Floats,
    gauge_now: Floats,
    fuel: Floats,
    line_rows: NDArray[np.int64],
    line: Floats,
    site_rows: NDArray[np.int64],
    site_windows: NDArray[np.int64],
    site: Floats,
) -> None:
    """Write every figure of the site, when those of its lines are.

    fuel: float64[13, boilers]: CO2 of the beat [t/h]; of each window its CO2 [t], the seconds in
    which the fuel is known, and the coverage. The others as of `line_figures`.
    """
    for w in range(4):
        site_window(w, at, amounts[w], gauges, elapsed_s[w], fuel, site_windows, site)
    _site_beat(at, gauge_now, amounts[0], line_rows, line, fuel, site_rows, site)


@part
def _now(line: int, own: Any, means: Any, begin: int, of_none: float) -> float:
    """Sum of the line's gauges, NaN when one is unknown."""
    total = 0.0
    count = 0
    for i in range(len(own)):
        if own[i] == line:
            total += means[begin + i]
            count += 1
    return total if count else of_none


@part
def _line_beat(
    k: int,
    cells: Any,
    at: Any,
    carbon: Any,
    means: Any,
    current: float,
    cell_rows: Any,
    cell: Any,
    rows: Any,
    figures: Any,
) -> float:
    """-> direct emissions of the beat [t CO2e/h]"""
    volt, kW = cell[cell_rows[VOLTAGE], cells], cell[cell_rows[POWER], cells]
    active, normal = cell[cell_rows[EFFECT], cells], cell[cell_rows[NORMALISED], cells]
    carbons = carbon[cells]
    volts = power = effects = burning = total = squares = 0.0
    heard = powered = watched = count = 0.0
    for i in range(len(volt)):  # sums that do not wait for each other
        volts += volt[i] if volt[i] == volt[i] else 0.0
        power += kW[i] if kW[i] == kW[i] else 0.0
        effects += active[i] if active[i] == active[i] else 0.0
        burning += carbons[i] if active[i] > 0 else 0.0
        total += normal[i] if normal[i] == normal[i] else 0.0
        heard += 1.0 if volt[i] == volt[i] else 0.0
        powered += 1.0 if kW[i] == kW[i] else 0.0
        watched += 1.0 if active[i] == active[i] else 0.0
        count += 1.0 if normal[i] == normal[i] else 0.0
    mean = total / count
    for i in range(len(normal)):
        away = normal[i] - mean
        squares += away * away if away == away else 0.0
    volts, power, effects = (
        known(volts, heard), known(power, powered), known(effects, watched)
    )  # fmt: skip
    rectifiers = len(at.rectifier_line)
    ac = _now(k, at.rectifier_line, means, 0, np.nan)
    auxiliary = _now(k, at.auxiliary_line, means, 2 * rectifiers, 0.0)
    metal = at.cells[k] * at.metal[k] * current / 1000
    figures[rows[CURRENT], k] = current
    figures[rows[SUM_VOLTAGE], k] = volts
    figures[rows[DC_POWER], k] = power / 1000
    figures[rows[AC_POWER], k] = ac
    figures[rows[AUX_POWER], k] = auxiliary
    figures[rows[METAL_RATE], k] = metal
    figures[rows[IN_EFFECT], k] = effects
    figures[rows[SPREAD], k] = 1000 * np.sqrt(squares / (count - 1)) if count > 1 else np.nan
    # a cell in anode effect emits slope · p [t/d] kg of CF4 a minute
    per_cf4 = (at.gwp_cf4 + at.weight_fraction[k] * at.gwp_c2f6) / 1000
    pfc = 60 * burning * at.slope[k] * (metal / at.cells[k] * 24) * per_cf4
    if effects != effects:
        pfc = np.nan
    anodes = at.anode_co2[k] * at.carbon_cells[k] / at.cells[k] * metal
    figures[rows[INTENSITY], k] = ratio(at.grid * (ac + auxiliary) + anodes + pfc, metal)
    direct: float = anodes + pfc
    return direct


@part
def _line_day(
    k: int,
    cells: Any,
    at: Any,
    carbon: Any,
    sums: Any,
    ns: Any,
    above: Any,
    counted: Any,
    cell_rows: Any,
    cell: Any,
    rows: Any,
    windows: Any,
    figures: Any,
) -> None:
    counts, positives = counted[COUNT, cells], counted[POSITIVE, cells]
    algebraics, kg = counted[ALGEBRAIC, cells], cell[cell_rows[CF4_OVERVOLTAGE], cells]
    excesses = cell[cell_rows[EXCESS_HOUR], cells]
    count = positive = algebraic = overvoltage = above_target = heard = weighed = 0.0
    for i in range(len(counts)):  # sums that do not wait for each other
        count += counts[i]
        positive += positives[i]
        algebraic += algebraics[i]
        overvoltage += kg[i] if kg[i] == kg[i] else 0.0
        heard += 1.0 if kg[i] == kg[i] else 0.0
        above_target += 1.0 if excesses[i] > 0 else 0.0
        weighed += 1.0 if excesses[i] == excesses[i] else 0.0
    overvoltage, above_target = known(overvoltage, heard), known(above_target, weighed)
    minutes = all_ns(above[DAY, cells]) / 60e9
    carbon_minutes = carbon_ns(above[DAY, cells], carbon[cells]) / 60e9
    listened_s = so_far(ns, L_VOLTAGE_KNOWN, DAY, k) / 1e9
    days = listened_s / DAY_S
    if days == 0:
        count = positive = algebraic = np.nan
    made = figures[windows[W_METAL] + DAY, k]
    heard_s = so_far(ns, L_CURRENT_KNOWN, DAY, k) / 1e9
    t_per_day = made / at.cells[k] / heard_s * DAY_S
    cf4 = at.slope[k] * t_per_day * carbon_minutes
    figures[rows[AEF], k] = ratio(count, days)
    figures[rows[AED], k] = ratio(minutes, count)
    figures[rows[AEM], k] = ratio(minutes, days)
    figures[rows[OVER_POSITIVE], k] = 1000 * ratio(positive, listened_s)
    figures[rows[OVER_ALGEBRAIC], k] = 1000 * ratio(algebraic, listened_s)
    figures[rows[CF4], k] = cf4
    figures[rows[C2F6], k] = cf4 * at.weight_fraction[k]
    fraction = at.overvoltage_weight_fraction[k]
    co2e = overvoltage * (at.gwp_cf4 + fraction * at.gwp_c2f6) / 1000
    slope_co2e = figures[windows[W_PFC] + DAY, k]
    figures[rows[PFC_OVERVOLTAGE], k] = co2e
    figures[rows[PFC_GAP], k] = 100 * ratio(co2e - slope_co2e, slope_co2e)
    figures[rows[ABOVE_TARGET], k] = above_target
    figures[rows[LEVEL_AC], k] = _level(figures[windows[W_AC_SPECIFIC] + DAY, k], at.limits[0])
    figures[rows[LEVEL_TOTAL], k] = _level(
        figures[windows[W_TOTAL_SPECIFIC] + DAY, k], at.limits[1]
    )


@part
def _level(value: float, limits: Any) -> float:
    """The best level whose limit is not below the value, 0 when it meets none."""
    if value != value:
        return np.nan
    for level in range(len(limits)):
        if value <= limits[level]:
            return level + 1.0
    return 0.0


@part
def _site_beat(
    at: Any,
    means: Any,
    amounts: Any,
    line_rows: Any,
    lines: Any,
    fuel: Any,
    rows: Any,
    figures: Any,
) -> None:
    dc = np.nan
    ac = auxiliary = metal = emitted = 0.0
    for k in range(lines.shape[1]):
        dc = plus(dc, lines[line_rows[DC_POWER], k])
        ac += lines[line_rows[AC_POWER], k]
        metal += lines[line_rows[METAL_RATE], k]
        emitted += amounts[k, DIRECT]
    begin = 2 * len(at.rectifier_line)
    for i in range(len(at.auxiliary_line)):
        auxiliary += means[begin + i]
    for i in range(fuel.shape[1]):
        emitted += fuel[0, i]
    figures[rows[0], 0] = dc
    figures[rows[1], 0] = ac
    figures[rows[2], 0] = auxiliary
    figures[rows[3], 0] = metal
    figures[rows[4], 0] = ratio(emitted + at.grid * (ac + auxiliary), metal)
