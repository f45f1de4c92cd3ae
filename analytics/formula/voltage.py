"""The cell voltage by its terms.

Source of the equations: Haupin, Light Metals 1998, as in Yao et al., AIChE J 63 (2017) 2806.
Current densities in A/cm2, temperatures in K. The functions take numbers or arrays, and kernels
may call them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from analytics.formula.bath import (
    COMPOSITION,
    KELVIN,
    TEMPERATURE,
    Bath,
    alumina_saturation,
    bath_ratio,
    composition,
    conductivity,
    jitable,
    liquidus,
)
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result
from analytics.formulas import Real


@jitable
def alumina_activity(alumina: Real, saturation: Real) -> Real:
    """Activity of dissolved alumina from its share of saturation. [%], [%] -> 1. Eq 10"""
    share = alumina / saturation
    return -0.03791 * share + 2.364 * share**2 - 2.194 * share**3 + 0.8686 * share**4


@jitable
def reversible_voltage(activity: Real, temperature_K: Real, gas_per_faraday: Real) -> Real:
    """Voltage of the reaction with carbon anodes. 1, [K], R/F [V/K] -> [V]. Eq 5"""
    return 1.896 - 0.000572 * temperature_K - gas_per_faraday * temperature_K / 6 * np.log(activity)


@jitable
def critical_current_density(alumina: Real, anode_cm2: Real, temperature_K: Real) -> Real:
    """Anode current density at which an anode effect begins. [%], one anode [cm2], [K] -> [A/cm2]

    Source: Piontelli, in Grjotheim & Welch, Aluminium Smelter Technology, ch 5, eq 13.
    """
    return (5.5 + 0.018 * (temperature_K - 1323)) * anode_cm2**-0.1 * (np.sqrt(alumina) - 0.4)


@jitable
def anode_overvoltage(density: Real, alumina: Real, temperature_K: Real) -> Real:
    """Surface overvoltage of the anode reaction. [A/cm2], [%], [K] -> [V]. Eq 26"""
    return temperature_K / 12533 * np.log(density / (0.0029 * alumina**0.56))


@jitable
def anode_concentration(
    density: Real, critical: Real, temperature_K: Real, gas_per_faraday: Real
) -> Real:
    """Concentration overvoltage of the anode; NaN from the critical density on. -> [V]. Eq 23"""
    return gas_per_faraday * temperature_K / 2 * np.log(critical / (critical - density))


@jitable
def cathode_concentration(
    density: Real, ratio: Real, temperature_K: Real, gas_per_faraday: Real
) -> Real:
    """Concentration overvoltage of the cathode, with the bath ratio by weight. -> [V]. Eq 28"""
    spread = 1.375 - 0.25 * ratio
    return gas_per_faraday * temperature_K / 1.5 * spread * np.log(density / 0.257)


@jitable
def bubble_thickness(density: Real) -> Real:
    """Layer of gas under the anode. Anode [A/cm2] -> [cm]. Eq 30"""
    return (0.5517 + density) / (1 + 2.167 * density)


@jitable
def bubble_cover(
    density: Real, ratio: Real, alumina: Real, critical_alumina: Real, k_phi: Real
) -> Real:
    """Share of the anode that gas covers. [A/cm2], bath ratio, [%], [%], 1 -> 1. Eq 31

    critical_alumina: at the anode effect. k_phi scales the whole.
    """
    above = alumina - critical_alumina
    return k_phi * (
        0.509
        + 0.1823 * density
        - 0.1723 * density**2
        + 0.05504 * density**3
        + (0.4322 - 0.3781 * ratio) / (1 + 1.637 * ratio)
        + (0.431 - 0.1437 * above) / (1 + 7.353 * above)
    )


@jitable
def ohmic_voltage(
    current_kA: Real, gap_cm: Real, conductivity_S_per_cm: Real, area_cm2: Real
) -> Real:
    """Drop over a layer of bath. [kA], [cm], [S/cm], [cm2] -> [V]. Eq 32"""
    return 1000 * current_kA * gap_cm / (conductivity_S_per_cm * area_cm2)


class Design(NamedTuple):
    """What a cell is built like, and three parameters of the model."""

    anodes: Real
    anode_cm2: Real  # of one anode
    cathode_cm2: Real
    anode_uOhm: Real
    cathode_uOhm: Real
    external_uOhm: Real
    fanning: Real  # area of the current in the bath over that of the anodes
    critical_alumina: Real  # [%] at the anode effect
    k_phi: Real


class Terms(NamedTuple):
    """The parts of the cell voltage. [V]"""

    reversible_V: Real
    anode_overvoltage_V: Real
    anode_concentration_V: Real
    cathode_concentration_V: Real
    bath_V: Real
    bubble_V: Real
    anode_V: Real
    cathode_V: Real
    external_V: Real


@jitable
def voltage_terms(
    bath: Bath,
    design: Design,
    temperature_C: Real,
    current_kA: Real,
    distance_cm: Real,
    gas_per_faraday: Real,
) -> Terms:
    """The terms of the cell voltage. [degC], [kA], anode to cathode [cm], R/F [V/K] -> [V] each

    Their sum rises with distance_cm in a straight line. They mean nothing from the critical current
    density on, and at or below the critical alumina.
    """
    alumina, alf3, caf2, lif, mgf2, kf = bath
    kelvin = temperature_C + KELVIN
    area = design.fanning * design.anodes * design.anode_cm2
    density = 1000 * current_kA / area
    ratio = bath_ratio(alumina, alf3, caf2, lif, mgf2, kf)
    kappa = conductivity(alumina, alf3, caf2, lif, mgf2, kf, temperature_C)
    activity = alumina_activity(alumina, alumina_saturation(alf3, caf2, lif, mgf2, temperature_C))
    critical = critical_current_density(alumina, design.anode_cm2, kelvin)
    layer = bubble_thickness(density)
    cover = bubble_cover(density, ratio, alumina, design.critical_alumina, design.k_phi)
    return Terms(
        reversible_voltage(activity, kelvin, gas_per_faraday),
        anode_overvoltage(density, alumina, kelvin),
        anode_concentration(density, critical, kelvin, gas_per_faraday),
        cathode_concentration(
            1000 * current_kA / design.cathode_cm2, ratio, kelvin, gas_per_faraday
        ),
        ohmic_voltage(current_kA, distance_cm - layer, kappa, area),
        ohmic_voltage(current_kA, layer, kappa, area) * cover / (1 - cover),
        current_kA * design.anode_uOhm / 1000,
        current_kA * design.cathode_uOhm / 1000,
        current_kA * design.external_uOhm / 1000,
    )


def _breakdown(given: Given) -> Mapping[str, Any]:
    bath = composition(given)
    design = Design(
        given["anodes"],
        given["anode_length_cm"] * given["anode_width_cm"],
        given["cathode_area_cm2"],
        given["anode_resistance_uOhm"],
        given["cathode_resistance_uOhm"],
        given["external_resistance_uOhm"],
        given["fanning_factor"],
        given["critical_alumina"],
        given["k_phi"],
    )
    typical = [
        name for name in ("fanning_factor", "critical_alumina", "k_phi") if name not in given
    ]
    if typical:
        given.note(f"unverified: {', '.join(typical)} as of a typical cell; give your own")
    _check(bath, design, given["temperature_C"], given["current_kA"], given["distance_cm"])
    gas_per_faraday = given.factor("constant.gas") / given.factor("constant.faraday")
    terms = voltage_terms(
        bath,
        design,
        given["temperature_C"],
        given["current_kA"],
        given["distance_cm"],
        gas_per_faraday,
    )
    for term, where in (
        ("anode_overvoltage_V", "the exchange current density of the anodes (Eq 26)"),
        ("cathode_concentration_V", "0.257 A/cm2 at the metal (Eq 28)"),
    ):
        if getattr(terms, term) < 0:
            raise FormulaError(
                f"current_kA = {given['current_kA']:g}: below {where} the equation of {term} does"
                " not hold; check current and geometry"
            )
    freezes = liquidus(*bath)
    if given["temperature_C"] < freezes:
        given.note(
            f"temperature_C = {given['temperature_C']:g} is below the liquidus of this bath,"
            f" {freezes:.1f} degC: it would freeze"
        )
    return {**terms._asdict(), "voltage_V": sum(terms)}


def _check(bath: Bath, design: Design, celsius: float, current: float, distance: float) -> None:
    """FormulaError where the equations mean nothing."""
    density = 1000 * current / (design.fanning * design.anodes * design.anode_cm2)
    critical = critical_current_density(bath.alumina, design.anode_cm2, celsius + KELVIN)
    at, least = f"alumina = {bath.alumina:g} %", design.critical_alumina
    if bath.alumina <= least:
        raise FormulaError(f"anode effect: {at} is not above critical_alumina = {least:g} %")
    if density >= critical:
        raise FormulaError(
            f"anode effect: {density:.3f} A/cm2 at the anodes, and with {at} they carry less than"
            f" {max(critical, 0):.3f}"
        )
    saturation = alumina_saturation(*bath[1:5], celsius)
    if bath.alumina > saturation:
        raise FormulaError(f"{at} is more than the {saturation:.2f} % that this bath dissolves")
    if alumina_activity(bath.alumina, saturation) <= 0:
        raise FormulaError(f"{at} is too little for the equation of its activity")
    layer = bubble_thickness(density)
    if distance <= layer:
        raise FormulaError(f"distance_cm = {distance:g}: above the {layer:.2f} cm of the bubbles")
    cover = bubble_cover(density, bath_ratio(*bath), bath.alumina, least, design.k_phi)
    if not 0 <= cover < 1:
        raise FormulaError(f"bubbles would cover {cover:.2f} of the anodes; check k_phi")


def _resistance(where: str) -> Key:
    return Key(f"{where}_resistance_uOhm", "µΩ", f"resistance of the {where} part", 0, 10)


FORMULAS: tuple[Formula, ...] = (
    Formula(
        name="voltage_breakdown",
        what="Cell voltage by its terms",
        what_zh="槽电压平衡分解",
        expression=(
            "V = E_rev + η_SA + η_CA + η_CC + V_bath + V_bub + I (R_an + R_ca + R_ext);"
            " E_rev = 1.896 − 0.000572 T + RT/(12F) ln(1/a²); η_SA = T/12533 ln(i/(0.0029 w^0.56));"
            " η_CA = RT/(2F) ln(i_crit/(i_crit − i)); η_CC = RT/(1.5F) (1.375 − 0.25 BR)"
            " ln(i_c/0.257); V_bath = I (D − d_b)/(κ f A); V_bub = I d_b φ/(κ f A (1 − φ))"
        ),
        source=(
            "Haupin, Light Metals 1998, as in Yao et al., AIChE J 63 (2017) 2806;"
            " conductivity by Hives 1996, saturation by Skybakmoen 1997"
        ),
        certainty="verified",
        keys=(
            *COMPOSITION,
            TEMPERATURE,
            Key("current_kA", "kA", "cell current", 0, 2000, open_low=True),
            Key("anodes", "1", "anodes of the cell", 1, 200, whole=True),
            Key("anode_length_cm", "cm", "length of an anode", 10, 500),
            Key("anode_width_cm", "cm", "width of an anode", 10, 500),
            Key("cathode_area_cm2", "cm2", "area of the metal pad", 1e4, 1e7),
            Key("distance_cm", "cm", "anode to cathode distance", 0, 15, open_low=True),
            _resistance("anode"),
            _resistance("cathode"),
            _resistance("external"),
            Key(
                "fanning_factor",
                "1",
                "area of the current in the bath over anode area",
                1,
                1.5,
                default=1.10,
            ),
            Key("critical_alumina", "%", "alumina at the anode effect", 0, 5, default=1.0),
            Key("k_phi", "1", "factor on the bubble cover", 0, 1.5, open_low=True, default=0.9),
        ),
        results=tuple(Result(name, "V", 3) for name in (*Terms._fields, "voltage_V")),
        compute=_breakdown,
        example={
            "alumina": 2.4,
            "alf3": 10.5,
            "caf2": 5.0,
            "lif": 1.5,
            "mgf2": 0.4,
            "kf": 1.0,
            "temperature_C": 958,
            "current_kA": 600,
            "anodes": 56,
            "anode_length_cm": 175,
            "anode_width_cm": 74,
            "cathode_area_cm2": 840000,
            "distance_cm": 3.99,
            "anode_resistance_uOhm": 0.50,
            "cathode_resistance_uOhm": 0.45,
            "external_resistance_uOhm": 0.28,
        },
        expected={
            "reversible_V": 1.224,
            "anode_overvoltage_V": 0.498,
            "anode_concentration_V": 0.031,
            "cathode_concentration_V": 0.079,
            "bath_V": 1.187,
            "bubble_V": 0.194,
            "anode_V": 0.300,
            "cathode_V": 0.270,
            "external_V": 0.168,
            "voltage_V": 3.950,
        },
    ),
)
