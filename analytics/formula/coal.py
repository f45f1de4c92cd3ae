"""Energy as standard coal, in which Chinese limits are written."""

from __future__ import annotations

from collections.abc import Mapping

from analytics import formulas as scalar
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result

GJ_PER_KWH = 0.0036


def standard_coal(given: Given) -> Mapping[str, float]:
    if ("energy_kWh" in given) == ("energy_GJ" in given):
        raise FormulaError("give one of energy_kWh and energy_GJ")
    if "energy_kWh" in given:
        energy_GJ = given["energy_kWh"] * GJ_PER_KWH
        given.note("GB/T 2589 prints 0.1229 kgce/kWh, rounded up from 0.12284")
    else:
        energy_GJ = given["energy_GJ"]
    return {"kgce": scalar.standard_coal(energy_GJ, given.factor("energy.standard_coal"))}


FORMULAS = (
    Formula(
        "standard_coal",
        "Energy as standard coal",
        "折标准煤",
        "m = E / 29.3076 MJ/kgce",
        "GB/T 2589-2020: standard coal of 7000 kcal/kg; 1 kWh = 3.6 MJ",
        "derived",
        (
            Key("energy_kWh", "kWh", "electricity; either this or energy_GJ", 0, required=False),
            Key("energy_GJ", "GJ", "heat; either this or energy_kWh", 0, required=False),
        ),
        (Result("kgce", "kgce", 3),),
        standard_coal,
        {"energy_GJ": 1},
        {"kgce": 34.12},
    ),
)
