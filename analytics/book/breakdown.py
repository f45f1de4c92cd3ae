"""The bath of each cell and its voltage by terms, from the newest analysis and temperature.

The anode-cathode distance is not measured: it is fitted so that the terms add up to the measured
voltage. Where even the smallest distance leaves too much, what is over stays unexplained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.book.input import CHEMISTRY, DAY_NS, REACH_DAYS, DayRows, Floats, SlowValues, ratio
from analytics.formula import voltage as v
from analytics.formula.bath import Bath, alumina_saturation, bath_ratio, liquidus
from analytics.formulas import HOURS
from plant.model import Plant

ASSUMED: Mapping[str, Any] = {key.name: key.default for key in v.FORMULAS[0].keys}
"""What stands for the keys of the formula `voltage_breakdown` that nobody measures."""
NAMES: Mapping[str, str] = {
    "reversible_voltage": "reversible_V",
    "anode_overvoltage": "anode_overvoltage_V",
    "anode_concentration_overvoltage": "anode_concentration_V",
    "cathode_overvoltage": "cathode_concentration_V",
    "bubble_voltage": "bubble_V",
    "anode_drop": "anode_V",
    "cathode_drop_voltage": "cathode_V",
    "external_drop": "external_V",
}
"""Figure -> term of the formula; the bath's own drop is what the voltage leaves."""


def standing(plant: Plant, slow: SlowValues, signal: str, end: int) -> Floats:
    """float64[cells]: the newest value before the book's end, while it counts. end: [ns]"""
    reach = slow[signal].between(end - REACH_DAYS[signal] * DAY_NS, end)
    return reach.last(len(plant.cells))[0]


def breakdown(plant: Plant, days: DayRows, slow: SlowValues) -> dict[str, Floats]:
    """Figures of the bath and, where the geometry is known, of the voltage, by name. [cells] each

    Al2O3, AlF3, CaF2 and the temperature must be known; LiF, MgF2 and KF count 0 where they are not
    analysed. The voltage is the last day's without its anode effects.
    """
    end = int(days.ends[-1])
    analysis = [standing(plant, slow, salt, end) for salt in CHEMISTRY]
    bath = Bath(*analysis[:3], *(np.nan_to_num(salt) for salt in analysis[3:]))
    celsius = standing(plant, slow, "bath_temperature", end)
    ratio, freezes = bath_ratio(*bath), liquidus(*bath)
    found: dict[str, Any] = {
        "bath_ratio": ratio,
        "cryolite_ratio": 2 * ratio,
        "liquidus": freezes,
        "superheat": celsius - freezes,
    }

    current, gas = last_current(days), plant.factors["constant.gas"].value
    gas_per_faraday = gas / plant.factors["constant.faraday"].value
    design = _design(plant)
    layer = v.bubble_thickness(1000 * current / (design.fanning * design.anodes * design.anode_cm2))
    terms = v.voltage_terms(bath, design, celsius, current, layer, gas_per_faraday)._asdict()
    measured_drop = standing(plant, slow, "cathode_drop", end) / 1000
    terms["cathode_V"] = np.where(np.isnan(measured_drop), terms["cathode_V"], measured_drop)
    dissolves = alumina_saturation(*bath[1:5], celsius)
    steady = (bath.alumina > design.critical_alumina) & (bath.alumina <= dissolves)
    sound = steady & (terms["bubble_V"] >= 0) & carbon(plant, end)
    rest = np.where(sound, quiet_voltage(days) - sum(terms.values()), np.nan)
    fits, known = rest > 0, ~np.isnan(rest)
    per_cm = v.voltage_terms(bath, design, celsius, current, layer + 1, gas_per_faraday).bath_V
    for name, term in NAMES.items():
        found[name] = np.where(known, terms[term], np.nan)
    found["bath_voltage"] = np.where(fits, rest, np.nan)
    found["anode_cathode_distance"] = np.where(fits, layer + rest / per_cm, np.nan)
    found["unexplained_voltage"] = np.where(known & ~fits, rest, np.nan)
    return found


def _design(plant: Plant) -> v.Design:
    """What each cell's line is built like, NaN where the plant file does not say. [cells] each"""

    def line(key: str) -> Floats:
        return np.array([getattr(row, key) for row in plant.lines], np.float64)[plant.line_of_cell]

    anodes = line("anodes")
    return v.Design(
        anodes=np.where(anodes > 0, anodes, np.nan),
        anode_cm2=line("anode_length_cm") * line("anode_width_cm"),
        cathode_cm2=line("cathode_area_cm2"),
        anode_uOhm=line("anode_resistance_uOhm"),
        cathode_uOhm=line("cathode_resistance_uOhm"),
        external_uOhm=line("external_resistance_uOhm"),
        fanning=ASSUMED["fanning_factor"],
        critical_alumina=ASSUMED["critical_alumina"],
        k_phi=ASSUMED["k_phi"],
    )


def last_current(days: DayRows) -> Floats:
    """float64[cells]: mean current of the last day while voltage and current are known. [kA]"""
    charge = days.get("cell", "energy_day")[-1] / days.get("cell", "voltage_day")[-1]
    current: Floats = ratio(charge * HOURS, days.known_s()[-1])
    return current


def quiet_voltage(days: DayRows) -> Floats:
    """float64[cells]: the last day's voltage without what its anode effects add. [V]"""
    above = days.get("cell", "overvoltage_algebraic_day")[-1] / 1000
    quiet: Floats = days.get("cell", "voltage_day")[-1] - above
    return quiet


def carbon(plant: Plant, end: int) -> NDArray[np.bool_]:
    """bool[cells]: which have carbon anodes just before `end` [ns]; the terms are theirs alone."""
    periods = [[p for p in cell.history if p.since < end] for cell in plant.cells]
    return np.array([not p or p[-1].anode == "carbon" for p in periods], np.bool_)
