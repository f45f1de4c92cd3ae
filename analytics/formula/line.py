"""A line as a whole: power, metal and specific energy."""

from __future__ import annotations

from collections.abc import Mapping

from analytics import formulas as scalar
from analytics.formula.energy import (
    CURRENT,
    CURRENT_EFFICIENCY,
    VOLTAGE,
    note_floor,
    per_charge,
)
from analytics.formula.registry import Formula, Given, Key, Result


def line_power(given: Given) -> Mapping[str, float]:
    charge_kAh_per_h = given["cells"] * given["current_kA"]
    dc = charge_kAh_per_h * given["voltage_V"] / 1000
    ac = dc / given["rectifier_efficiency"]
    total = ac + given["auxiliaries_MW"]
    metal = (
        scalar.faraday_mass(charge_kAh_per_h, given["current_efficiency"], per_charge(given)) / 1000
    )
    given.note(f"ac_MW is what the rectifiers take; with the auxiliaries it is {total:.6g} MW")
    note_floor(given, 1000 * dc / metal)
    if given["auxiliaries_MW"] > ac:
        given.note(
            f"auxiliaries_MW = {given['auxiliaries_MW']:g} is more than the line itself takes:"
            " check that it is in MW"
        )
    return {
        "dc_MW": dc,
        "ac_MW": ac,
        "metal_t_per_h": metal,
        "dc_kWh_per_t": 1000 * dc / metal,
        "ac_kWh_per_t": 1000 * ac / metal,
        "total_kWh_per_t": 1000 * total / metal,
    }


FORMULAS = (
    Formula(
        "line_power",
        "Power, metal and specific energy of a line",
        "电解系列功率、产量与单位电耗",
        "P_DC = n·I·V; P_AC = P_DC/η; ṁ = M_Al/(3F)·CE·n·I; w = P/ṁ, total with the auxiliaries",
        "energy balance of the line with Faraday's law",
        "derived",
        (
            Key("cells", "1", "cells in operation", low=1, high=10000, whole=True),
            CURRENT,
            VOLTAGE,
            CURRENT_EFFICIENCY,
            Key(
                "rectifier_efficiency",
                "1",
                "DC power over AC power of the rectifiers, as a fraction",
                low=0,
                high=1,
                open_low=True,
                least=0.5,
            ),
            Key("auxiliaries_MW", "MW", "auxiliary power of the line", low=0),
        ),
        (
            Result("dc_MW", "MW", 2),
            Result("ac_MW", "MW", 2),
            Result("metal_t_per_h", "t/h", 2),
            Result("dc_kWh_per_t", "kWh/t", 0),
            Result("ac_kWh_per_t", "kWh/t", 0),
            Result("total_kWh_per_t", "kWh/t", 0),
        ),
        line_power,
        {
            "cells": 240,
            "current_kA": 600,
            "voltage_V": 3.95,
            "current_efficiency": 0.935,
            "rectifier_efficiency": 0.985,
            "auxiliaries_MW": 12,
        },
        {
            "dc_MW": 568.8,
            "ac_MW": 577.46,
            "metal_t_per_h": 45.18,
            "dc_kWh_per_t": 12589,
            "ac_kWh_per_t": 12781,
            "total_kWh_per_t": 13047,
        },
    ),
)
