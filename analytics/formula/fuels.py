"""CO2 of burning fuel, captive power included: counted here and not by a grid factor."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from analytics import formulas as scalar
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result

COALS = ("anthracite", "bituminous_coal", "lignite")
EQUIPMENT = ("power_boiler", "industrial_boiler", "cement_kiln")
GASES = ("natural_gas",)
PURE = {"lng": ("methane", 0.749), "lpg": ("butane", 0.827)}
"""Fuel -> the substance that it is made of, or its heaviest, and the carbon of that. [t/t]"""

PER_GAS_UNIT = 10_000
"""Nm3 in the unit that Chinese reports use for gas, 万标准立方米."""


def _fuel_co2(given: Given) -> Mapping[str, Any]:
    fuel = given["fuel"]
    carbon = given.factor(f"fuel.{fuel}.carbon")
    if fuel in GASES:
        heat = PER_GAS_UNIT * given.factor(f"fuel.{fuel}.ncv_volume")
        given.note(f"amount of {fuel} in 10^4 Nm3")
    else:
        heat = given.factor(f"fuel.{fuel}.ncv")
        given.note(f"amount of {fuel} in t")
    substance, most = PURE.get(fuel, ("", inf))
    if heat * carbon > most:
        given.note(
            f"fuel.{fuel}.ncv and .carbon give {heat * carbon:.3f} t of carbon per t, more than"
            f" pure {substance}, {most:g}: give measured ones by [[factor]] in the plant file"
        )
    return {"co2_t": given["amount"] * scalar.fuel_co2_per_t(heat, carbon, _oxidation(given))}


def _oxidation(given: Given) -> float:
    """Share of the carbon that burns: given, or by the fuel, or by coal and equipment."""
    fuel = given["fuel"]
    if "oxidation_percent" in given:
        if "equipment" in given:
            raise FormulaError("give oxidation_percent or equipment, not both")
        return float(given["oxidation_percent"]) / 100
    if fuel in COALS:
        if "equipment" not in given:
            raise FormulaError(
                f"fuel = {fuel}: give oxidation_percent, or equipment, {', '.join(EQUIPMENT)}"
            )
        return given.factor(f"fuel.{fuel}.oxidation.{given['equipment']}")
    if "equipment" in given:
        raise FormulaError(f"fuel = {fuel}: equipment tells of coal only; leave it out")
    if f"fuel.{fuel}.oxidation" not in given.factors:
        raise FormulaError(f"fuel = {fuel}: has no default; give oxidation_percent")
    return given.factor(f"fuel.{fuel}.oxidation")


FORMULAS = (
    Formula(
        name="fuel_co2",
        what="CO2 of burning a fuel, also in a captive power plant",
        what_zh="化石燃料燃烧二氧化碳排放",
        expression="E = FC·NCV·CC·OF·44/12",
        source="Chinese enterprise GHG accounting guide; IPCC 2006 Guidelines Vol 2",
        certainty="verified",
        keys=(
            Key("fuel", "", "kind of fuel", family="fuel.*.carbon"),
            Key("amount", "t | 10^4 Nm3", "fuel burnt: tonnes; natural gas in 10^4 Nm3", low=0),
            Key(
                "oxidation_percent",
                "%",
                "share of the carbon that burns",
                low=50,
                high=100,
                required=False,
            ),
            Key(
                "equipment",
                "",
                "where coal burns, for its default oxidation",
                choices=EQUIPMENT,
                required=False,
            ),
        ),
        results=(Result("co2_t", "t", 3),),
        compute=_fuel_co2,
        example={"fuel": "diesel", "amount": 1},
        expected={"co2_t": 3.0959},
    ),
)
