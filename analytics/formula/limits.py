"""What rules say about a specific energy: levels of GB 21346-2022, tiered electricity prices."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from analytics.formula.registry import Formula, FormulaError, Given, Key, Result

LEVELS = (1, 2, 3)
REACTION_KWH_PER_T = 5640.0
"""Enthalpy of the reaction alone at bath temperature, the least of the quoted thermodynamic floors:
a specific energy below it is in another unit, or wrong."""

METAL = REACTION_KWH_PER_T, 40000.0
"""From the reaction alone to more than any smelter took in a hundred years. [kWh/t]"""

ALUMINA = 62.0, 2000.0
"""From the heat that drives the water out of the hydrate, 1.8 GJ/t. [kgce/t]"""

INDICATORS = {
    "liquid_ac": METAL,
    "liquid_total_ac": METAL,
    "ingot_total_ac": METAL,
    "ingot_total_kgce": (692.0, 4900.0),  # METAL as standard coal
    "alumina_process": ALUMINA,
    "alumina_total": ALUMINA,
}
"""Indicator -> what its value must lie between, in its own unit."""

HIGHEST = 100000.0


def gb21346_level(value: float, limits: Mapping[int, float]) -> int:
    """The best level whose limit is not below the value, 0 for none. Source: GB 21346-2022, 4.1."""
    return next((level for level in LEVELS if value <= limits[level]), 0)


def surcharge_2013(
    excess_kWh_per_t: float, first_step: float, first_surcharge: float, second_surcharge: float
) -> float:
    """[kWh/t], [kWh/t], [CNY/kWh], [CNY/kWh] -> [CNY/kWh]. Source: NDRC/MIIT notice of 2013."""
    if excess_kWh_per_t <= 0:
        return 0.0
    return first_surcharge if excess_kWh_per_t <= first_step else second_surcharge


def surcharge_2021(excess_kWh_per_t: float, step: float, surcharge_per_step: float) -> float:
    """Each started step adds. [kWh/t], [kWh/t], [CNY/kWh] -> [CNY/kWh]

    An excess that lies on a step but for rounding in its arithmetic has not started the next one.
    Source: NDRC notice No. 1239 of 2021.
    """
    started = max(0, ceil(round(excess_kWh_per_t / step, 6)))
    return round(started * surcharge_per_step, 9)


def _level(given: Given) -> Mapping[str, int]:
    indicator, value = given["indicator"], given["value"]
    limits = {level: given.factor(f"gb21346.{indicator}.{level}") for level in LEVELS}
    unit = given.factors[f"gb21346.{indicator}.1"].unit
    low, high = INDICATORS[indicator]
    if not low < value < high:
        raise FormulaError(
            f"value = {value:g}: must be above {low:g} and below {high:g}; {indicator} is in {unit}"
        )
    given.note(f"value and limits in {unit}; each indicator has a level of its own")
    return {"level": gb21346_level(value, limits)}


def _price_2013(given: Given) -> Mapping[str, float]:
    if "threshold" in given:
        threshold = given["threshold"]
    else:
        threshold = given.factor("tiered_price_2013.threshold")
    surcharge = surcharge_2013(
        round(given["kWh_per_t"] - threshold, 6),
        given.factor("tiered_price_2013.first_step"),
        given.factor("tiered_price_2013.first_surcharge"),
        given.factor("tiered_price_2013.second_surcharge"),
    )
    return {"surcharge_CNY_per_kWh": surcharge}


def _price_2021(given: Given) -> Mapping[str, float]:
    surcharge = surcharge_2021(
        given["kWh_per_t"] - given["threshold"],
        given.factor("tiered_price_2021.step"),
        given.factor("tiered_price_2021.surcharge_per_step"),
    )
    given.note("without the reduction for non-hydro renewable power")
    return {"surcharge_CNY_per_kWh": surcharge}


def _energy(name: str, what: str, *, required: bool = True) -> Key:
    return Key(name, "kWh/t", what, low=REACTION_KWH_PER_T, high=HIGHEST, required=required)


SURCHARGE = Result("surcharge_CNY_per_kWh", "CNY/kWh", 2)

FORMULAS = (
    Formula(
        "gb21346_level",
        "Level of an energy indicator by GB 21346-2022",
        "GB 21346-2022 能耗等级",
        "level = the best of 1, 2, 3 whose limit ≥ value; 0 for none",
        "GB 21346-2022, table 1",
        "verified",
        (
            Key("indicator", "", "which indicator of the standard", choices=tuple(INDICATORS)),
            Key(
                "value",
                "kWh/t or kgce/t",
                "the indicator's value, in its unit",
                low=0,
                high=HIGHEST,
                open_low=True,
            ),
        ),
        (Result("level", "1", 0),),
        _level,
        {"indicator": "liquid_ac", "value": 12980},
        {"level": 2},
    ),
    Formula(
        "tiered_price_2013",
        "Surcharge on the electricity price by the notice of 2013",
        "阶梯电价加价（2013年）",
        "0 up to 13 700 kWh/t; 0.02 up to 13 800; 0.08 above",
        "NDRC/MIIT notice of 2013 on tiered electricity prices of electrolytic aluminium",
        "verified",
        (
            _energy("kWh_per_t", "AC energy per tonne of molten aluminium"),
            _energy(
                "threshold",
                "where the surcharge begins; the notice's 13 700 when not given",
                required=False,
            ),
        ),
        (SURCHARGE,),
        _price_2013,
        {"kWh_per_t": 13750},
        {"surcharge_CNY_per_kWh": 0.02},
    ),
    Formula(
        "tiered_price_2021",
        "Surcharge on the electricity price by notice No. 1239 of 2021",
        "阶梯电价加价（2021年〔1239号〕）",
        "0.01 · ⌈max(0, w − threshold)/20⌉",
        "NDRC notice No. 1239 of 2021, as recalled",
        "unverified",
        (
            _energy("kWh_per_t", "comprehensive AC energy per tonne of molten aluminium"),
            _energy(
                "threshold",
                "where the surcharge begins, from the notice in force: it could not be confirmed "
                "and has no default (recalled: 13650 for 2022, 13450 from 2023, 13300 from 2025)",
            ),
        ),
        (SURCHARGE,),
        _price_2021,
        {"kWh_per_t": 13570, "threshold": 13550},
        {"surcharge_CNY_per_kWh": 0.01},
    ),
)
