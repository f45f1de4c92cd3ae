"""The book's figures of the cells."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from analytics.book.breakdown import breakdown, carbon, standing
from analytics.book.input import DAY_NS, DayRows, Floats, SlowValues, added, ratio, weighted
from analytics.book.low_efficiency import low_cells
from analytics.book.metal_balance import Balance
from analytics.formulas import (
    DAY_S,
    HOURS,
    cell_heat_loss,
    dc_specific_energy,
    metal_per_charge,
)
from plant.batch import SECOND
from plant.model import Plant

FLOOR = "energy.electrolysis_floor"


def cells_book(
    plant: Plant, days: DayRows, slow: SlowValues, balance: Balance
) -> dict[str, Floats]:
    """Every figure of scope cell in the book, by name. float64[cells] each"""
    n, of, end = len(plant.cells), plant.line_of_cell, int(days.ends[-1])
    found = _energy(plant, days)
    efficiency, doubt = balance.of_cells()
    found["current_efficiency_30d"] = efficiency
    found["current_efficiency_30d_u"] = doubt
    pure = metal_per_charge(plant.factors)
    made = np.where(efficiency > 0, efficiency, np.nan)
    by_balance = dc_specific_energy(found["voltage_30d"], made, pure)
    found["dc_specific_energy_tapped_30d"] = by_balance
    found |= _effects(plant, days)
    found |= _work(plant, days, slow)
    found |= breakdown(plant, days, slow)
    found["bath_temperature_last"] = standing(plant, slow, "bath_temperature", end)
    noise = days.get("cell", "noise_lf")
    heard = ~np.isnan(noise).all(axis=0)
    found["noise_lf_30d"] = np.full(n, np.nan)
    found["noise_lf_30d"][heard] = np.nanmedian(noise[:, heard], axis=0)
    code = np.where(np.isnan(found["dc_specific_energy_30d"]), np.nan, 0.0)
    for low in low_cells(found, of, len(plant.lines)):
        code[low.cell] = low.code
    found["low_efficiency"] = code
    return found


def _energy(plant: Plant, days: DayRows) -> dict[str, Floats]:
    """Energy, charge, voltage and what follows from them with the configured current efficiency."""
    of = plant.line_of_cell
    yields = np.array([line.current_efficiency for line in plant.lines])[of]
    pure = metal_per_charge(plant.factors)
    energy, voltage = days.get("cell", "energy_day"), days.get("cell", "voltage_day")
    known_s = days.known_s()
    both = (voltage > 0) & ~np.isnan(energy)
    charge = np.where(both, energy / np.where(both, voltage, 1.0), 0.0).sum(axis=0)
    joint = np.where(both, energy, 0.0).sum(axis=0)
    volt = ratio(joint, charge)
    seconds = np.where(both, known_s, 0.0).sum(axis=0)
    current = ratio(charge * HOURS, seconds)
    specific = dc_specific_energy(volt, yields, pure)
    price = plant.site.electricity_price_per_MWh
    excess = added(days.get("cell", "excess_energy_day"))
    set_voltage = days.get("cell", "target_voltage_day")
    above = np.where(both, voltage - set_voltage, np.nan)
    rail = np.array([line.external_resistance_uOhm for line in plant.lines])[of]
    loss = cell_heat_loss(current, volt, current * rail / 1000, yields)
    elapsed_s = float((days.ends - days.starts).sum()) / SECOND
    floor = plant.factors[FLOOR].value
    return {
        "energy_30d": added(energy),
        "charge_30d": added(days.get("cell", "charge_day")),
        "voltage_30d": volt,
        "metal_30d": added(days.get("cell", "metal_day")),
        "coverage_30d": known_s.sum(axis=0) / elapsed_s,
        "dc_specific_energy_30d": specific,
        "excess_energy_30d": excess,
        "excess_cost_30d": excess / 1000 * price,
        "voltage_above_set_30d": weighted(above, known_s),
        "energy_efficiency_30d": 100 * 1000 * floor / specific,
        "heat_loss_30d": np.where(carbon(plant, int(days.ends[-1])), loss, np.nan),
    }


def observed_days(days: DayRows) -> Floats:
    """float64[days, cells]: cell-days in which anode effects would have been seen."""
    seen = ~np.isnan(days.get("cell", "anode_effect_minutes_day"))
    return np.where(seen, days.known_s() / DAY_S, 0.0)


def _effects(plant: Plant, days: DayRows) -> dict[str, Floats]:
    """Anode effects and PFC of the month, each gas from the cell's own days."""
    count = added(days.get("cell", "anode_effects_day"))
    minutes = added(days.get("cell", "anode_effect_minutes_day"))
    observed = observed_days(days).sum(axis=0)
    of = plant.line_of_cell
    gwp_cf4 = plant.factors[f"gwp.{plant.site.gwp}.CF4"].value
    gwp_c2f6 = plant.factors[f"gwp.{plant.site.gwp}.C2F6"].value
    cf4, c2f6 = added(days.get("cell", "cf4_day")), added(days.get("cell", "c2f6_day"))
    by_overvoltage = added(days.get("cell", "cf4_overvoltage_day"))
    share = overvoltage_factor(plant, "overvoltage_weight_fraction")[of]
    return {
        "anode_effects_30d": count,
        "anode_effect_minutes_30d": minutes,
        "aef_30d": ratio(count, observed),
        "aed_30d": ratio(minutes, count),
        "aem_30d": ratio(minutes, observed),
        "pfc_slope_co2e_30d": (cf4 * gwp_cf4 + c2f6 * gwp_c2f6) / 1000,
        "pfc_overvoltage_co2e_30d": by_overvoltage * (gwp_cf4 + share * gwp_c2f6) / 1000,
    }


def overvoltage_factor(plant: Plant, name: str) -> Floats:
    """float64[lines]: a factor of the overvoltage method, NaN where the technology has none."""
    names = [f"pfc.{line.pfc_factors}.{line.technology}.{name}" for line in plant.lines]
    return np.array([plant.factors[n].value if n in plant.factors else np.nan for n in names])


def _work(plant: Plant, days: DayRows, slow: SlowValues) -> dict[str, Floats]:
    """Taps, anode changes and age; without any tap or report of anodes they are not known."""
    n, end = len(plant.cells), int(days.ends[-1])
    taps = slow["tap_mass"].between(int(days.starts[0]), end)
    changes = slow["anode_changes"].between(int(days.starts[0]), end)
    changed = changes.where(changes.values > 0)
    return {
        "tapped_30d": np.where(taps.count(n) > 0, taps.total(n), np.nan),
        "days_since_tap": _since(taps.last(n)[1], end),
        "anode_changes_30d": np.where(changes.count(n) > 0, changes.total(n), np.nan),
        "days_since_anode_change": _since(changed.last(n)[1], end),
        "days_in_operation": _age(plant, end),
    }


def _since(times: NDArray[np.int64], end: int) -> Floats:
    return np.where(times > 0, (end - times) / DAY_NS, np.nan)


def _age(plant: Plant, end: int) -> Floats:
    """Whole days from the local midnight at which the cell went on line."""
    zone = plant.site.zone
    today = datetime.fromtimestamp(end // SECOND, zone).date()
    ages = []
    for cell in plant.cells:
        period = next((p for p in reversed(cell.history) if p.since < end), None)
        if period is None or not period.started:
            ages.append(np.nan)
        else:
            ages.append(float((today - date.fromisoformat(period.started)).days))
    ages_of = np.array(ages, np.float64)
    return np.where(ages_of >= 0, ages_of, np.nan)
