"""Efficiency of a steam boiler, directly and by its losses, and its coal per tonne of steam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics import formulas as scalar
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result

HIGHEST_PERCENT = 111
"""Natural gas gives 111 % of its net calorific value where all its steam condenses."""

LOSSES = ("q2", "q3", "q4", "q5", "q6")
POOR_PERCENT = 50


def heat_per_steam(
    steam_kJ_per_kg: float,
    feedwater_kJ_per_kg: float,
    blowdown_percent: float,
    blowdown_kJ_per_kg: float,
) -> float:
    """Heat given to a tonne of steam and its blowdown, above the feedwater. -> [MJ/t = kJ/kg]"""
    drained = blowdown_percent / 100 * (blowdown_kJ_per_kg - feedwater_kJ_per_kg)
    return steam_kJ_per_kg - feedwater_kJ_per_kg + drained


def flue_gas_loss(
    oxygen_percent: float, flue_C: float, ambient_C: float, a: float, b: float
) -> float:
    """q2 = (a/(21 − O2) + b)·(T_flue − T_ambient). [%], [degC], [degC], [%²/K], [%/K] -> [%]"""
    return (a / (21 - oxygen_percent) + b) * (flue_C - ambient_C)


def indirect_efficiency(q2: float, q3: float, q4: float, q5: float, q6: float) -> float:
    """What the losses leave: flue gas, unburnt gas, unburnt carbon, radiation, slag. [%] -> [%]"""
    return 100 - (q2 + q3 + q4 + q5 + q6)


def _direct(given: Given) -> Mapping[str, Any]:
    steam, fed, drained = (
        given["steam_kJ_per_kg"],
        given["feedwater_kJ_per_kg"],
        given["blowdown_percent"],
    )
    if steam <= fed:
        raise FormulaError(
            f"steam_kJ_per_kg = {steam:g} is not above feedwater_kJ_per_kg = {fed:g}; check them"
        )
    if drained and "blowdown_kJ_per_kg" not in given:
        raise FormulaError("blowdown_kJ_per_kg is missing: it goes with blowdown_percent")
    if "blowdown_kJ_per_kg" in given and "blowdown_percent" not in given:
        raise FormulaError("blowdown_percent is missing: it goes with blowdown_kJ_per_kg")
    water = given.get("blowdown_kJ_per_kg", fed)
    if not fed <= water <= steam:
        raise FormulaError(
            f"blowdown_kJ_per_kg = {water:g}: between feedwater {fed:g} and steam {steam:g}"
        )
    made, burnt, heating = given["steam_t_per_h"], given["fuel_t_per_h"], given["fuel_GJ_per_t"]
    efficiency = scalar.boiler_direct(
        made, heat_per_steam(steam, fed, drained, water), burnt, heating
    )
    if efficiency > HIGHEST_PERCENT:
        raise FormulaError(
            f"the steam would hold {efficiency:.1f} % of the fuel's heat; check flows and units"
        )
    if efficiency > 100:
        given.note("above 100 %: only a condensing boiler is, on net calorific value")
    if efficiency < POOR_PERCENT:
        given.note(
            f"below {POOR_PERCENT} %: no boiler is kept so; check that enthalpies are in kJ/kg and"
            " not in kcal/kg, the heating value in GJ/t, and both flows of one time"
        )
    coal = given.factor("energy.standard_coal")
    per_t = scalar.standard_coal_per_steam(burnt, heating, made, coal)
    return {"efficiency_percent": efficiency, "kgce_per_t": per_t}


def _indirect(given: Given) -> Mapping[str, Any]:
    losses = {name: given[name] for name in LOSSES if name in given}
    readings = [key.name for key in FLUE if key.name in given]
    if "q2" in losses:
        if readings:
            raise FormulaError(
                f"give q2, or what it follows from, not both: leave out {readings[0]}"
            )
    else:
        losses["q2"] = _flue_loss(given)
    total = sum(losses.values())
    if total >= 100:
        raise FormulaError(f"the losses come to {total:g} %; below 100, check them")
    if 0 < total < 1:
        raise FormulaError(
            f"the losses come to {total:g} %, less than any boiler's; write percent, not fractions"
        )
    return {"efficiency_percent": indirect_efficiency(**losses), "q2_percent": losses["q2"]}


def _flue_loss(given: Given) -> float:
    missing = [key.name for key in FLUE if key.name not in given]
    if missing:
        raise FormulaError(
            f"{missing[0]} is missing: give q2, or {', '.join(key.name for key in FLUE)}"
        )
    flue, ambient = given["flue_temperature_C"], given["ambient_temperature_C"]
    if flue <= ambient:
        raise FormulaError(
            f"flue_temperature_C = {flue:g} is not above ambient_temperature_C = {ambient:g}"
        )
    fuel = given["fuel"]
    a, b = given.factor(f"flue_loss.{fuel}.a"), given.factor(f"flue_loss.{fuel}.b")
    return flue_gas_loss(given["oxygen_percent"], flue, ambient, a, b)


def _coal_rate(given: Given) -> Mapping[str, Any]:
    coal = given.factor("energy.standard_coal")
    per_t = scalar.standard_coal_per_steam(
        given["fuel_t_per_h"], given["fuel_GJ_per_t"], given["steam_t_per_h"], coal
    )
    return {"kgce_per_t": per_t}


def _loss(name: str, what: str, *, required: bool = True, least: float = 0.0) -> Key:
    return Key(name, "%", what, low=0, high=100, open_high=True, required=required, least=least)


FLUE = (
    Key("oxygen_percent", "%", "O2 of the dry flue gas", 0, 20, required=False, least=0.1),
    Key("flue_temperature_C", "degC", "flue gas after the last heater", 0, 600, required=False),
    Key("ambient_temperature_C", "degC", "air into the boiler", -50, 60, required=False),
    Key("fuel", "", "kind of fuel for q2", family="flue_loss.*.a", required=False),
)
STEAM = Key("steam_t_per_h", "t/h", "steam made", 0, 10000, open_low=True)
FUEL = (
    Key("fuel_t_per_h", "t/h", "fuel burnt", 0, 10000, open_low=True),
    Key("fuel_GJ_per_t", "GJ/t", "net calorific value", 0, 125, open_low=True),
)

FORMULAS = (
    Formula(
        name="boiler_direct",
        what="Boiler efficiency by heat out over heat in, and its coal per tonne of steam",
        what_zh="锅炉正平衡效率与吨汽标煤耗",
        expression="η = [D (h_s − h_fw) + D_bd (h_bd − h_fw)]/(B·Q_net)",
        source="heat balance, the direct method of GB/T 10180 as recalled; net calorific value",
        certainty="derived",
        keys=(
            STEAM,
            Key("steam_kJ_per_kg", "kJ/kg", "enthalpy of the steam", 100, 4500),
            Key("feedwater_kJ_per_kg", "kJ/kg", "enthalpy of the feedwater", 0, 2000),
            Key(
                "blowdown_percent",
                "%",
                "water drained, of the steam made",
                low=0,
                high=50,
                default=0.0,
                required=False,
                least=0.1,
            ),
            Key(
                "blowdown_kJ_per_kg",
                "kJ/kg",
                "enthalpy of the water drained",
                low=0,
                high=2500,
                required=False,
            ),
            *FUEL,
        ),
        results=(Result("efficiency_percent", "%", 2), Result("kgce_per_t", "kgce/t", 2)),
        compute=_direct,
        example={
            "steam_t_per_h": 100,
            "steam_kJ_per_kg": 3300,
            "feedwater_kJ_per_kg": 640,
            "blowdown_percent": 2,
            "blowdown_kJ_per_kg": 1340,
            "fuel_t_per_h": 13,
            "fuel_GJ_per_t": 22.5,
        },
        expected={"efficiency_percent": 91.419, "kgce_per_t": 99.803},
    ),
    Formula(
        name="boiler_indirect",
        what="Boiler efficiency by its losses",
        what_zh="锅炉反平衡效率",
        expression="η = 100 − (q2 + q3 + q4 + q5 + q6); q2 ≈ (a/(21 − O2) + b)(T_flue − T_ambient)",
        source="GB/T 10180 and 10184, indirect method, and Siegert's approximation, as recalled",
        certainty="unverified",
        keys=(
            _loss("q2", "heat of the flue gas", required=False),
            _loss("q3", "unburnt gas"),
            _loss("q4", "unburnt carbon"),
            _loss("q5", "radiation", least=0.1),
            _loss("q6", "heat of the slag"),
            *FLUE,
        ),
        results=(Result("efficiency_percent", "%", 2), Result("q2_percent", "%", 2)),
        compute=_indirect,
        example={"q2": 5.5, "q3": 0.2, "q4": 2.5, "q5": 0.8, "q6": 0.3},
        expected={"efficiency_percent": 90.7},
    ),
    Formula(
        name="steam_coal_rate",
        what="Standard coal per tonne of steam",
        what_zh="吨汽标煤耗",
        expression="b = B·Q_net/(29.3076·D)",
        source="heat of the fuel in standard coal of GB/T 2589-2020",
        certainty="derived",
        keys=(STEAM, *FUEL),
        results=(Result("kgce_per_t", "kgce/t", 2),),
        compute=_coal_rate,
        example={"steam_t_per_h": 100, "fuel_t_per_h": 13, "fuel_GJ_per_t": 22.5},
        expected={"kgce_per_t": 99.803},
    ),
)
