"""What the figures of the simulated week truly were, from the simulator's own sums by hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from plant.model import Plant

Floats = NDArray[np.float64]
Kind = Literal["cell", "line", "boiler"]
Named = dict[Scope, dict[str, Floats]]

CO2_PER_C = 44.0095 / 12.011


@dataclass(frozen=True)
class Sums:
    """The truth's hours added up to windows of so many."""

    plant: Plant
    tables: Mapping[str, Any]
    hours: int

    def __call__(self, kind: Kind, column: str, below: str = "") -> Floats:
        """Of a column, or of its quotient by another. float64[windows, entities]"""
        table = self.tables[f"{kind}s"]
        values = table[column].to_numpy()
        if below:
            values = values / table[below].to_numpy()
        windows = values.reshape(-1, self.hours, len(self.plant.entities(kind)))
        return np.asarray(windows.sum(axis=1), np.float64)


def by_line(plant: Plant, values: Floats) -> Floats:
    """[windows, cells] -> [windows, lines]"""
    lines = len(plant.lines)
    return np.array([np.bincount(plant.line_of_cell, row, lines) for row in values])


def true_figures(plant: Plant, tables: Mapping[str, Any], hours: int) -> Named:
    """Figures of every window, by their names without it. float64[windows, entities] each"""
    t = Sums(plant, tables, hours)
    kWh, kAh, kg = (t("cell", c) for c in ("energy_kWh", "charge_kAh", "metal_kg"))
    cells = {
        "energy": kWh,
        "charge": kAh,
        "voltage": kWh / kAh,
        "metal": kg,
        "dc_specific_energy": 1000 * kWh / kg,
    }
    names = ("dc_MWh", "ac_MWh", "aux_MWh", "metal_t", "anode_co2_t")
    of_lines = dict(zip(names, (t("line", c) for c in names), strict=True))
    of_lines["pfc_t"] = _pfc(plant, t)
    fuel_GJ = t("boiler", "heat_GJ", "efficiency")
    boilers = {
        "fuel": t("boiler", "fuel_t"),
        "steam": t("boiler", "steam_t"),
        "efficiency": 100 * t("boiler", "heat_GJ") / fuel_GJ,
        "fuel_co2": fuel_GJ * _carbon(plant),
    }
    of_site = {name: values.sum(axis=1, keepdims=True) for name, values in of_lines.items()}
    burnt = boilers["fuel_co2"].sum(axis=1, keepdims=True)
    return {
        "cell": cells,
        "line": _totals(plant, of_lines, np.zeros(1)),
        "boiler": boilers,
        "site": _totals(plant, of_site, burnt) | {"fuel_co2": burnt},
    }


def _totals(plant: Plant, of: Mapping[str, Floats], fuel_co2: Floats) -> dict[str, Floats]:
    """What lines and the site have alike."""
    dc, ac, auxiliary, metal, anode, pfc = of.values()
    grid = plant.factors[f"grid.{plant.site.grid_region}.average.{plant.site.grid_year}"].value
    scope1, scope2 = anode + pfc + fuel_co2, grid * (ac + auxiliary)
    return {
        "dc_energy": dc,
        "ac_energy": ac,
        "auxiliary_energy": auxiliary,
        "metal": metal,
        "dc_specific_energy": 1000 * dc / metal,
        "ac_specific_energy": 1000 * ac / metal,
        "total_specific_energy": 1000 * (ac + auxiliary) / metal,
        "anode_co2": anode,
        "scope1_co2e": scope1,
        "scope2_co2e": scope2,
        "scope1_intensity": scope1 / metal,
        "scope2_intensity": scope2 / metal,
        "carbon_intensity": (scope1 + scope2) / metal,
    }


def true_effects(plant: Plant, tables: Mapping[str, Any]) -> Named:
    """Figures of the day alone, by their whole names, PFC as that of anode effects.
    float64[days, entities] each"""
    t = Sums(plant, tables, 24)
    heat = t("cell", "top_kWh") + t("cell", "wall_kWh") + t("cell", "bottom_kWh")
    cf4 = t("cell", "cf4_kg")
    minutes, volt_s = t("cell", "anode_effect_s") / 60, t("cell", "overvoltage_Vs")
    cells = np.bincount(plant.line_of_cell)
    of_effects = _of_effects(plant, t)
    return {
        "cell": {
            "heat_loss_day": heat / 24,
            "anode_effect_minutes_day": minutes,
            "overvoltage_positive_day": volt_s / 86.4,
            "cf4_day": cf4,
            "cf4_overvoltage_day": cf4,
            "tapped_day": t("cell", "tapped_kg"),
            "alumina_fed_day": t("cell", "alumina_dosed_kg"),
        },
        "line": {
            "aem_day": by_line(plant, minutes) / cells,
            "overvoltage_positive_day": by_line(plant, volt_s) / 86.4 / cells,
            "cf4_day": t("line", "cf4_kg"),
            "c2f6_day": t("line", "c2f6_kg"),
            "pfc_co2e_day": of_effects,
            "pfc_overvoltage_co2e_day": of_effects,
        },
    }


def all_pfc(plant: Plant, tables: Mapping[str, Any]) -> dict[str, Floats]:
    """Figures of lines that have the PFC of anode effects, by their whole names, with all PFC that
    was emitted. float64[days, lines] each"""
    t = Sums(plant, tables, 24)
    pfc = _pfc(plant, t)
    return {
        "cf4_day": t("line", "cf4_kg") + t("line", "cf4_low_voltage_kg"),
        "pfc_co2e_day": pfc,
        "pfc_overvoltage_co2e_day": pfc,
    }


def _pfc(plant: Plant, t: Sums) -> Floats:
    """All of it, [t CO2e]."""
    return _of_effects(plant, t) + t("line", "cf4_low_voltage_kg") * _gwp(plant, "CF4") / 1000


def _of_effects(plant: Plant, t: Sums) -> Floats:
    """That of anode effects, [t CO2e]."""
    cf4, c2f6 = t("line", "cf4_kg"), t("line", "c2f6_kg")
    return (cf4 * _gwp(plant, "CF4") + c2f6 * _gwp(plant, "C2F6")) / 1000


def _gwp(plant: Plant, gas: str) -> float:
    return plant.factors[f"gwp.{plant.site.gwp}.{gas}"].value


def _carbon(plant: Plant) -> Floats:
    """Of each boiler's fuel, [t CO2/GJ]."""
    factors = plant.factors
    fuels = [boiler.fuel for boiler in plant.boilers]
    of = [
        [factors[f"fuel.{fuel}.{key}"].value for key in ("carbon", "oxidation")] for fuel in fuels
    ]
    return np.asarray(np.prod(of, axis=1) * CO2_PER_C, np.float64)
