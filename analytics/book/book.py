"""The book: once a local day, figures of the last 30 days, from closing figures and slow values.

The same days and slow values give the same bits, in whatever order they came. A line's or the
site's specific energies and intensities are means over the days, each weighted with its metal, so
that a gap in one input does not bend them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analytics.beat.assessment import Scope
from analytics.book.cells import cells_book, observed_days, overvoltage_factor
from analytics.book.input import DayRows, Floats, SlowValues, added, by_line, ratio, weighted
from analytics.book.low_efficiency import robust
from analytics.book.metal_balance import Balance, balance
from analytics.formula.limits import LEVELS, gb21346_level
from analytics.formulas import DAY_S
from analytics.table.book_rows import BOOK
from plant.model import Plant

AGREE_PERCENT = 10.0
"""So close the two PFC methods are taken to agree."""
AGREED, ABOVE, BELOW, NO_COEFFICIENT, NO_ANODE_EFFECT = range(5)
"""Codes of `pfc_gap_reason`: the methods agree; anode effects ran above, or below, the voltage at
which they do; no overvoltage coefficient in the plant's PFC factors; no anode effect."""


def book(plant: Plant, days: DayRows, slow: SlowValues) -> dict[Scope, Floats]:
    """The book at the end of `days`: float64[figures, entities] in the order of BOOK[scope]."""
    with np.errstate(all="ignore"):  # NaN is unknown
        balances = balance(plant, days, slow)
        cells = cells_book(plant, days, slow, balances)
        lines = _lines(plant, days, cells, balances)
        site = _totals(plant, days, "site")
    found: dict[Scope, dict[str, Floats]] = {"cell": cells, "line": lines, "site": site}
    return {
        scope: np.stack([by_name[row.name] for row in BOOK[scope]])
        for scope, by_name in found.items()
    }


def _totals(plant: Plant, days: DayRows, scope: Scope) -> dict[str, Floats]:
    """What lines and the site have alike."""

    def day(name: str) -> Floats:
        return days.get(scope, f"{name}_day")

    metal = day("metal")
    ran = (days.closed - days.starts) / (days.ends - days.starts)
    dc, ac, auxiliary = (added(day(f"{part}_energy")) for part in ("dc", "ac", "auxiliary"))
    found = {
        "dc_energy_30d": dc,
        "ac_energy_30d": ac,
        "auxiliary_energy_30d": auxiliary,
        "metal_30d": added(metal),
        "cost_30d": (ac + auxiliary) * plant.site.electricity_price_per_MWh,
        "anode_co2_30d": added(day("anode_co2")),
        "scope1_co2e_30d": added(day("scope1_co2e")),
        "scope2_co2e_30d": added(day("scope2_co2e")),
        "coverage_30d": (np.nan_to_num(day("coverage")) * ran[:, None]).mean(axis=0),
    }
    for name in ("ac_specific_energy", "total_specific_energy"):
        found[f"{name}_30d"] = weighted(day(name), metal)
    for name in ("carbon_intensity", "scope1_intensity", "scope2_intensity"):
        found[f"{name}_30d"] = weighted(day(name), metal)
    if scope == "site":
        found["fuel_co2_30d"] = added(day("fuel_co2"))
        found["pfc_co2e_30d"] = added(day("pfc_co2e"))
        found["scope2_market_co2e_30d"] = added(day("scope2_market_co2e"))
        found["market_intensity_30d"] = weighted(day("market_intensity"), metal)
    return found


def _lines(
    plant: Plant, days: DayRows, cells: Mapping[str, Floats], balances: Balance
) -> dict[str, Floats]:
    n, of = len(plant.lines), plant.line_of_cell

    def summed(*names: str) -> Floats:
        return by_line(np.stack([cells[name] for name in names]), of, n)

    found = _totals(plant, days, "line")
    energy = np.where(np.isnan(cells["voltage_30d"]), np.nan, cells["energy_30d"])
    metal = energy / cells["dc_specific_energy_30d"]  # made while voltage and current are known
    joint_energy, joint_metal = by_line(np.stack([energy, metal]), of, n)
    found["dc_specific_energy_30d"] = ratio(joint_energy, joint_metal)
    efficiency, doubt = balances.of_lines(of, n)
    found["current_efficiency_30d"], found["current_efficiency_30d_u"] = efficiency, doubt
    configured = np.array([line.current_efficiency for line in plant.lines])
    found["dc_specific_energy_tapped_30d"] = np.where(
        efficiency > 0, found["dc_specific_energy_30d"] * configured / efficiency, np.nan
    )
    tapped, changes = summed("tapped_30d", "anode_changes_30d")
    excess = added(days.get("line", "excess_energy_day"))
    found["excess_energy_30d"] = excess
    found["excess_cost_30d"] = excess * plant.site.electricity_price_per_MWh
    found["tapped_30d"], found["anode_changes_30d"] = tapped / 1000, changes
    found |= _effects(plant, days, cells)
    found["dc_specific_energy_spread_30d"] = robust(cells["dc_specific_energy_30d"], of, n)[1]
    found["low_efficiency_cells"] = by_line(
        (cells["low_efficiency"] > 0)[None].astype(float), of, n
    )[0]
    for indicator, figure in (
        ("liquid_ac", "ac_specific_energy_30d"),
        ("liquid_total_ac", "total_specific_energy_30d"),
    ):
        limits = {k: plant.factors[f"gb21346.{indicator}.{k}"].value for k in LEVELS}
        found[f"gb_level_{indicator}_30d"] = np.array(
            [gb21346_level(x, limits) if x > 0 else np.nan for x in found[figure].tolist()]
        )
    return found


def _effects(plant: Plant, days: DayRows, cells: Mapping[str, Floats]) -> dict[str, Floats]:
    """Anode effects of the lines, and PFC by both methods with what their gap comes from.

    The methods agree where the mean anode-effect overvoltage is S · 1440 · CE% / (1000 · OVC).
    """
    n, of = len(plant.lines), plant.line_of_cell
    observed = observed_days(days)
    per_day = days.get("cell", "overvoltage_positive_day") / 1000 * observed * DAY_S
    count, minutes, cell_days, volt_s, slope, over = by_line(
        np.stack(
            [
                cells["anode_effects_30d"],
                cells["anode_effect_minutes_30d"],
                observed.sum(axis=0),
                added(per_day),
                cells["pfc_slope_co2e_30d"],
                cells["pfc_overvoltage_co2e_30d"],
            ]
        ),
        of,
        n,
    )
    lines = plant.lines
    coefficient = overvoltage_factor(plant, "overvoltage")
    own_slope = overvoltage_factor(plant, "slope")
    percent = 100 * np.array([line.current_efficiency for line in lines])
    agree_at = own_slope * 1440 * percent / (1000 * coefficient)
    gap = 100 * (over - slope) / np.where(slope > 0, slope, np.nan)
    why = np.select(
        [
            np.isnan(slope),
            minutes == 0,
            np.isnan(coefficient),
            np.abs(gap) <= AGREE_PERCENT,
            gap > 0,
        ],
        [np.nan, NO_ANODE_EFFECT, NO_COEFFICIENT, AGREED, ABOVE],
        np.where(np.isnan(gap), np.nan, BELOW),
    )
    return {
        "anode_effects_30d": count,
        "aef_30d": ratio(count, cell_days),
        "aed_30d": ratio(minutes, count),
        "aem_30d": ratio(minutes, cell_days),
        "anode_effect_overvoltage_30d": ratio(volt_s, minutes * 60),
        "pfc_methods_agree_at": agree_at,
        "pfc_slope_co2e_30d": slope,
        "pfc_overvoltage_co2e_30d": over,
        "pfc_gap_percent_30d": gap,
        "pfc_gap_reason_30d": why,
    }
