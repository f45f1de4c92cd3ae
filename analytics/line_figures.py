"""The figures of lines and of the site.

Totals add what is known and their coverage says how much that is. A ratio to metal is a ratio of
mean rates, each over the time in which it is known, so that a gap in one input does not bend it;
it is NaN while one of its inputs has never been known in the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.assessment import Scope
from analytics.boiler_figures import Boilers
from analytics.cell_figures import DAY, Effects
from analytics.cells import CHARGE, ENERGY, KNOWN, VOLTAGE_KNOWN
from analytics.formulas import DAY_S, HOURS
from analytics.frame import Frame
from analytics.layout import Layout
from analytics.sums import Sums
from analytics.table import Floats, Table, by_line, known, ratio, take, total


@dataclass(frozen=True, slots=True)
class Totals:
    """Amounts of each window, [4, n] with n lines or 1 for the site, and the mean rates [per s]."""

    dc_MJ: Floats
    dc_metal_t: Floats  # made while both voltage and current are known
    ac_MJ: Floats
    auxiliary_MJ: Floats
    metal_t: Floats
    anode_co2_t: Floats
    pfc_co2e_t: Floats
    fuel_co2_t: Floats
    metal_rate: Floats
    ac_rate: Floats
    auxiliary_rate: Floats
    scope1_rate: Floats


def line_figures(
    at: Layout, frame: Frame, boilers: Boilers, sums: Sums, effects: Effects, table: Table
) -> None:
    """Put every figure of scopes line and site."""
    _beat(at, frame, boilers, table)
    lines = _lines(at, sums, effects, table)
    _put_totals("line", at, lines, table)
    site = _site(at, sums, lines)
    _put_totals("site", at, site, table)
    _coverage(at, sums, table)


def _beat(at: Layout, frame: Frame, boilers: Boilers, table: Table) -> None:
    n = len(at.line_yield)
    current = take(frame.mean, at.gauges[at.line_gauges])
    rectifiers = take(frame.mean, at.gauges[at.rectifier_gauges])
    meters = take(frame.mean, at.gauges[at.meter_gauges])
    voltage, power, effects = by_line(
        np.stack([table.row("cell", f) for f in ("voltage", "power", "anode_effect")]),
        at.line_of_cell,
        n,
    )
    metal = at.cells_of_line * at.line_yield * current / 1000
    ac = _all_of(at.rectifiers_on, rectifiers, np.nan)
    auxiliary = _all_of(at.meters_on, meters, 0.0)
    table.put("line", "current", current)
    table.put("line", "voltage", voltage)
    table.put("line", "dc_power", power / 1000)
    table.put("line", "ac_power", ac)
    table.put("line", "auxiliary_power", auxiliary)
    table.put("line", "metal_rate", metal)
    table.put("line", "cells_in_anode_effect", effects)
    table.put("site", "dc_power", total(power[None] / 1000)[0])
    table.put("site", "ac_power", ac.sum(keepdims=True))
    table.put("site", "auxiliary_power", meters.sum(keepdims=True))
    table.put("site", "metal_rate", metal.sum(keepdims=True))


def _all_of(share: Floats, values: Floats, of_none: float) -> Floats:
    """Sums of each line's own: unknown when one of them is; `of_none` for a line without any.

    share: 0/1 [lines, n]; values: [..., n] -> [..., lines].
    """
    return np.where(share.any(axis=1), _sum_of(share, values), of_none)


def _sum_of(share: Floats, values: Floats) -> Floats:
    own: Floats = np.where(share > 0, values[..., None, :], 0.0).sum(axis=-1)
    return own


def _known_of(share: Floats, amounts: Floats, seconds: Floats, of_none: float) -> Floats:
    """Sums of what is known of each line's own, [4, n] -> [4, lines]."""
    own = known(_sum_of(share, amounts), _sum_of(share, seconds))
    return np.where(share.any(axis=1), own, of_none)


def _lines(at: Layout, sums: Sums, effects: Effects, table: Table) -> Totals:
    n = len(at.line_yield)
    of = at.line_of_cell
    cells = sums.cells
    cf4 = by_line(effects.cf4_kg, of, n)
    per_cf4 = (at.gwp_cf4 + at.weight_fraction * at.gwp_c2f6) / 1000
    line_minutes = by_line(effects.minutes, of, n)
    line_days = by_line(cells[VOLTAGE_KNOWN], of, n) / DAY_S
    aem = ratio(line_minutes, line_days)
    metal_t = at.cells_of_line * at.line_yield * known(sums.current, sums.current_s) / HOURS / 1000
    metal_rate = ratio(metal_t, sums.current_s)
    _put_anode_effects(at, sums, line_minutes[DAY], line_days[DAY], aem[DAY], cf4[DAY], table)
    return Totals(
        dc_MJ=by_line(known(cells[ENERGY], cells[KNOWN]), of, n) / 1000,
        dc_metal_t=by_line(cells[CHARGE], of, n) * at.line_yield / HOURS / 1000,
        ac_MJ=_known_of(at.rectifiers_on, sums.rectifier, sums.rectifier_s, np.nan),
        auxiliary_MJ=_known_of(at.meters_on, sums.meter, sums.meter_s, 0.0),
        metal_t=metal_t,
        anode_co2_t=at.anode_co2 * metal_t,
        pfc_co2e_t=cf4 * per_cf4,
        fuel_co2_t=np.zeros((4, n)),
        metal_rate=metal_rate,
        ac_rate=_all_of(at.rectifiers_on, ratio(sums.rectifier, sums.rectifier_s), np.nan),
        auxiliary_rate=_all_of(at.meters_on, ratio(sums.meter, sums.meter_s), 0.0),
        scope1_rate=(at.anode_co2 + at.slope * aem * per_cf4) * metal_rate,
    )


def _put_anode_effects(
    at: Layout,
    sums: Sums,
    minutes: Floats,
    days: Floats,
    aem: Floats,
    cf4: Floats,
    table: Table,
) -> None:
    seconds = sums.cells[VOLTAGE_KNOWN, DAY]
    positive, algebraic = sums.watched.overvoltage_V_s
    counts = np.stack([sums.begun_today, positive, algebraic])
    count, positive, algebraic = by_line(
        known(counts, seconds), at.line_of_cell, len(at.line_yield)
    )
    table.put("line", "aef_day", ratio(count, days))
    table.put("line", "aed_day", ratio(minutes, count))
    table.put("line", "aem_day", aem)
    table.put("line", "overvoltage_positive_day", 1000 * ratio(positive, days * DAY_S))
    table.put("line", "overvoltage_algebraic_day", 1000 * ratio(algebraic, days * DAY_S))
    table.put("line", "cf4_day", cf4)
    table.put("line", "c2f6_day", cf4 * at.weight_fraction)


def _site(at: Layout, sums: Sums, lines: Totals) -> Totals:
    def summed(rates: Floats) -> Floats:
        site: Floats = rates.sum(axis=1, keepdims=True)
        return site

    return Totals(
        dc_MJ=total(lines.dc_MJ),
        dc_metal_t=total(lines.dc_metal_t),
        ac_MJ=total(lines.ac_MJ),
        auxiliary_MJ=_site_auxiliaries(sums),
        metal_t=total(lines.metal_t),
        anode_co2_t=total(lines.anode_co2_t),
        pfc_co2e_t=total(lines.pfc_co2e_t),
        fuel_co2_t=_fuel_co2(at, sums),
        metal_rate=summed(lines.metal_rate),
        ac_rate=summed(lines.ac_rate),
        auxiliary_rate=summed(ratio(sums.meter, sums.meter_s)),
        scope1_rate=summed(lines.scope1_rate)
        + summed(ratio(sums.fuel, sums.fuel_s) / HOURS * at.fuel_co2),
    )


def _site_auxiliaries(sums: Sums) -> Floats:
    return total(known(sums.meter, sums.meter_s)) if sums.meter.shape[1] else np.zeros((4, 1))


def _fuel_co2(at: Layout, sums: Sums) -> Floats:
    if not at.boilers:
        return np.zeros((4, 1))
    return total(known(sums.fuel, sums.fuel_s) / HOURS * at.fuel_co2)


def _put_totals(scope: Scope, at: Layout, t: Totals, table: Table) -> None:
    def put(name: str, values: Floats) -> None:
        table.put_windows(scope, name, values)

    scope1 = t.anode_co2_t + t.pfc_co2e_t + t.fuel_co2_t
    scope2_rate = at.grid * (t.ac_rate + t.auxiliary_rate) / HOURS
    put("dc_energy", t.dc_MJ / HOURS)
    put("ac_energy", t.ac_MJ / HOURS)
    put("auxiliary_energy", t.auxiliary_MJ / HOURS)
    put("metal", t.metal_t)
    put("dc_specific_energy", 1000 * ratio(t.dc_MJ / HOURS, t.dc_metal_t))
    put("ac_specific_energy", 1000 * ratio(t.ac_rate / HOURS, t.metal_rate))
    total_rate = t.ac_rate + t.auxiliary_rate
    put("total_specific_energy", 1000 * ratio(total_rate / HOURS, t.metal_rate))
    put("anode_co2", t.anode_co2_t)
    put("pfc_co2e", t.pfc_co2e_t)
    put("scope1_co2e", scope1)
    put("scope2_co2e", at.grid * (t.ac_MJ + t.auxiliary_MJ) / HOURS)
    put("scope1_intensity", ratio(t.scope1_rate, t.metal_rate))
    put("scope2_intensity", ratio(scope2_rate, t.metal_rate))
    put("carbon_intensity", ratio(t.scope1_rate + scope2_rate, t.metal_rate))
    if scope == "site":
        put("fuel_co2", t.fuel_co2_t)


def _coverage(at: Layout, sums: Sums, table: Table) -> None:
    """The least known of the inputs: cells (their mean), rectifiers, meters, boilers."""
    n = len(at.line_yield)
    cells = by_line(sums.cells[KNOWN], at.line_of_cell, n) / at.cells_of_line
    parts = [cells / sums.elapsed_s]
    for share, seconds in (
        (at.rectifiers_on, sums.rectifier_s),
        (at.meters_on, sums.meter_s),
    ):
        own = np.where(share > 0, (seconds / sums.elapsed_s)[:, None, :], 1.0)
        parts.append(own.min(axis=-1, initial=1.0))
    lines = np.min(parts, axis=0)
    everything = np.hstack(
        [lines, sums.meter_s / sums.elapsed_s, sums.boilers[-1] / sums.elapsed_s]
    )
    table.put_windows("line", "coverage", lines)
    table.put_windows("site", "coverage", everything.min(axis=1, keepdims=True))
