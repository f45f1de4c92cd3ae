"""Metal of a charge and energy of the metal: Faraday's law."""

from __future__ import annotations

from collections.abc import Mapping

from analytics import formulas as scalar
from analytics.formula.registry import Formula, Given, Key, Result

REVERSIBLE_V = 1.2
"""Reversible potential with carbon anodes near 960 degC: 1.20 to 1.24 V."""

CURRENT_EFFICIENCY = Key(
    "current_efficiency",
    "1",
    "current efficiency as a fraction",
    low=0,
    high=1,
    open_low=True,
    least=0.5,
)
CURRENT = Key("current_kA", "kA", "line current", low=0, high=2000, open_low=True)
VOLTAGE = Key("voltage_V", "V", "charge-weighted mean cell voltage", low=0, high=100, open_low=True)
CHARGE = Key("charge_kAh", "kAh", "charge through the cell, ∫I dt", low=0)


def faraday_mass(given: Given) -> Mapping[str, float]:
    mass = scalar.faraday_mass(given["charge_kAh"], given["current_efficiency"], per_charge(given))
    return {"mass_kg": mass}


def dc_specific_energy(given: Given) -> Mapping[str, float]:
    energy = scalar.dc_specific_energy(
        given["voltage_V"], given["current_efficiency"], per_charge(given)
    )
    note_floor(given, energy)
    return {"kWh_per_t": energy}


def note_floor(given: Given, kWh_per_t: float) -> None:
    """A note where electrolysis with carbon anodes takes more."""
    floor = 1000 * given.factors["energy.electrolysis_floor"].value
    if given["voltage_V"] < REVERSIBLE_V or kWh_per_t < floor:
        given.note(
            f"no cell works so: with carbon anodes the reaction takes at least {REVERSIBLE_V:g} V"
            f" and {floor:g} kWh/t; check voltage, current efficiency and units"
        )


def per_charge(given: Given) -> float:
    """Aluminium by Faraday's law. -> [kg/kAh]"""
    given.factor("constant.molar_mass_Al")
    given.factor("constant.faraday")
    return scalar.metal_per_charge(given.factors)


FORMULAS = (
    Formula(
        "faraday_mass",
        "Metal produced by a charge",
        "电解产铝量（法拉第定律）",
        "m = M_Al/(3F) · CE · ∫I dt",
        "Faraday's law; 0.33557 kg/kAh from the molar mass and the Faraday constant",
        "derived",
        (CHARGE, CURRENT_EFFICIENCY),
        (Result("mass_kg", "kg", 1),),
        faraday_mass,
        {"charge_kAh": 4200, "current_efficiency": 0.93},
        {"mass_kg": 1310.7},
    ),
    Formula(
        "dc_specific_energy",
        "DC energy per tonne of aluminium",
        "吨铝直流电耗",
        "w = V̄ / (M_Al/(3F) · CE), V̄ = ∫V·I dt / ∫I dt",
        "Faraday's law; 2979.98·V/CE",
        "derived",
        (VOLTAGE, CURRENT_EFFICIENCY),
        (Result("kWh_per_t", "kWh/t", 1),),
        dc_specific_energy,
        {"voltage_V": 3.95, "current_efficiency": 0.935},
        {"kWh_per_t": 12589.2},
    ),
)
