"""One cell: current efficiency and its doubt, heat, resistance, anode current density."""

from __future__ import annotations

from collections.abc import Mapping

from analytics import formulas as scalar
from analytics.formula.energy import CURRENT, CURRENT_EFFICIENCY, VOLTAGE, per_charge
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result

EXTRAPOLATED = Key(
    "extrapolated_voltage_V",
    "V",
    "V0, the cell line's voltage extrapolated to no current; the nominal 1.65 V when not given",
    low=0,
    high=3,
    required=False,
)


def current_efficiency_from_metal(given: Given) -> Mapping[str, float]:
    efficiency = scalar.current_efficiency_from_metal(
        given["tapped_kg"], given["metal_change_kg"], given["charge_kAh"], per_charge(given)
    )
    if not 0 < efficiency <= 1:
        given.note(
            "no possible current efficiency: the metal level or a tap is in error, or the period "
            "is too short for it (see current_efficiency_uncertainty)"
        )
    if not 0.5 <= efficiency <= 1.1:
        given.note("far from any cell's: check the units, metal in kg and charge in kAh")
    return {"current_efficiency": efficiency}


def current_efficiency_uncertainty(given: Given) -> Mapping[str, float]:
    percent = scalar.current_efficiency_uncertainty(
        given["level_sd_cm"],
        given["pad_area_m2"],
        given["days"],
        given["production_t_per_day"],
        given.factor("constant.density_liquid_Al"),
    )
    given.note("relative, one standard deviation, of the metal level alone")
    return {"percent": percent}


def enthalpy_voltage(given: Given) -> Mapping[str, float]:
    return {"voltage_V": scalar.enthalpy_voltage(given["current_efficiency"])}


def cell_heat_loss(given: Given) -> Mapping[str, float]:
    if given["external_voltage_V"] >= given["voltage_V"]:
        raise FormulaError(
            f"external_voltage_V = {given['external_voltage_V']:g}: must be below "
            f"voltage_V = {given['voltage_V']:g}, of which it is a part"
        )
    heat = scalar.cell_heat_loss(
        given["current_kA"],
        given["voltage_V"],
        given["external_voltage_V"],
        given["current_efficiency"],
    )
    if heat < 0:
        given.note("negative: reaction and feed take more than comes in, the cell cools")
    return {"heat_kW": heat}


def pseudo_resistance(given: Given) -> Mapping[str, float]:
    resistance = scalar.pseudo_resistance(
        given["voltage_V"], given["current_kA"], extrapolated(given)
    )
    return {"resistance_uOhm": resistance}


def normalised_voltage(given: Given) -> Mapping[str, float]:
    if given["resistance_uOhm"] < 0.5:
        given.note(
            f"resistance_uOhm = {given['resistance_uOhm']:g} is less than any cell's, 2 µΩ and"
            " more: check that it is in µΩ"
        )
    voltage = scalar.normalised_voltage(
        given["resistance_uOhm"], given["nominal_current_kA"], extrapolated(given)
    )
    return {"voltage_V": voltage}


def anode_current_density(given: Given) -> Mapping[str, float]:
    density = scalar.anode_current_density(
        given["current_kA"], given["anodes"], given["anode_length_cm"], given["anode_width_cm"]
    )
    return {"A_per_cm2": density}


def extrapolated(given: Given) -> float:
    if EXTRAPOLATED.name in given:
        return float(given[EXTRAPOLATED.name])
    return given.factor("cell.extrapolated_voltage_V")


FORMULAS = (
    Formula(
        "current_efficiency_from_metal",
        "Current efficiency from the metal balance",
        "电流效率（金属平衡法）",
        "CE = (Σ tapped + (M_end − M_start)) / (M_Al/(3F) · ∫I dt)",
        "metal balance with Faraday's law; meaningful over 30 days and more",
        "derived",
        (
            Key("tapped_kg", "kg", "metal tapped in the period", low=0),
            Key("metal_change_kg", "kg", "metal in the cell at the end less that at the start"),
            Key("charge_kAh", "kAh", "charge in the period, ∫I dt", low=0, open_low=True),
        ),
        (Result("current_efficiency", "1", 4),),
        current_efficiency_from_metal,
        # data of the RA-550 cell: 4.21 t/d at 550 kA
        {"tapped_kg": 4210, "metal_change_kg": 0, "charge_kAh": 13200},
        {"current_efficiency": 0.950},
    ),
    Formula(
        "current_efficiency_uncertainty",
        "Relative uncertainty of current efficiency from the metal level",
        "电流效率不确定度（铝水平测量）",
        "u = √2 · ρ_Al·A·σ_h / (ṁ·days)",
        "propagation of the level's standard deviation at both ends of the period",
        "derived",
        (
            Key("level_sd_cm", "cm", "standard deviation of a metal level", low=0, high=100),
            Key("pad_area_m2", "m²", "area of the metal pad", low=0, high=1000, open_low=True),
            Key("days", "d", "length of the period", low=0, open_low=True),
            Key(
                "production_t_per_day",
                "t/d",
                "metal made by the cell in a day",
                low=0,
                high=100,
                open_low=True,
            ),
        ),
        (Result("percent", "%", 2),),
        current_efficiency_uncertainty,
        {"level_sd_cm": 0.5, "pad_area_m2": 84, "days": 30, "production_t_per_day": 4.518},
        {"percent": 1.0},
    ),
    Formula(
        "enthalpy_voltage",
        "Voltage equivalent of reaction and heating of the feed",
        "反应焓电压",
        "V_ΔH = 0.48 + 1.644·CE",
        "Haupin's energy balance of a prebake cell, as recalled; CE = 1 gives 6.33 kWh/kg",
        "unverified",
        (CURRENT_EFFICIENCY,),
        (Result("voltage_V", "V", 3),),
        enthalpy_voltage,
        {"current_efficiency": 0.935},
        {"voltage_V": 2.017},
    ),
    Formula(
        "cell_heat_loss",
        "Heat loss of a cell",
        "电解槽散热量",
        "Q = I·(V − V_ext − V_ΔH)",
        "energy balance of the cell with Haupin's V_ΔH, as recalled",
        "unverified",
        (
            CURRENT,
            VOLTAGE,
            Key(
                "external_voltage_V",
                "V",
                "drop in busbars outside the cell, a part of its voltage",
                low=0,
                high=10,
            ),
            CURRENT_EFFICIENCY,
        ),
        (Result("heat_kW", "kW", 0),),
        cell_heat_loss,
        {
            "current_kA": 600,
            "voltage_V": 3.95,
            "external_voltage_V": 0.168,
            "current_efficiency": 0.935,
        },
        {"heat_kW": 1059},
    ),
    Formula(
        "pseudo_resistance",
        "Pseudo-resistance of a cell",
        "槽电阻（表观电阻）",
        "R = (V − V0)/I",
        "Banta, Dai, Biedler, Light Metals 2003",
        "verified",
        (
            Key("voltage_V", "V", "cell voltage", low=-2, high=100),
            CURRENT,
            EXTRAPOLATED,
        ),
        (Result("resistance_uOhm", "µΩ", 3),),
        pseudo_resistance,
        {"voltage_V": 3.95, "current_kA": 600, "extrapolated_voltage_V": 1.65},
        {"resistance_uOhm": 3.833},
    ),
    Formula(
        "normalised_voltage",
        "Cell voltage at the nominal current",
        "归一化槽电压",
        "V_n = V0 + R·I_nom",
        "Dupuis, MMM 2007: recomputed using the nominal amperage",
        "verified",
        (
            Key("resistance_uOhm", "µΩ", "pseudo-resistance", low=-1000, high=1000),
            Key("nominal_current_kA", "kA", "nominal line current", 0, 2000, open_low=True),
            EXTRAPOLATED,
        ),
        (Result("voltage_V", "V", 3),),
        normalised_voltage,
        {"resistance_uOhm": 3.8333, "nominal_current_kA": 600, "extrapolated_voltage_V": 1.65},
        {"voltage_V": 3.950},
    ),
    Formula(
        "anode_current_density",
        "Anode current density",
        "阳极电流密度",
        "i = I/(n·l·w)",
        "geometry of the anodes, bottom faces alone",
        "derived",
        (
            CURRENT,
            Key("anodes", "1", "anodes of the cell", low=1, high=1000, whole=True),
            Key("anode_length_cm", "cm", "length of an anode", low=10, high=500),
            Key("anode_width_cm", "cm", "width of an anode", low=10, high=500),
        ),
        (Result("A_per_cm2", "A/cm²", 3),),
        anode_current_density,
        {"current_kA": 600, "anodes": 56, "anode_length_cm": 175, "anode_width_cm": 74},
        {"A_per_cm2": 0.827},
    ),
)
