"""Properties of the bath from its composition.

Weight percents: alumina Al2O3, alf3 the AlF3 in excess of cryolite, caf2, lif, mgf2, kf; the rest
is cryolite. The functions take numbers or arrays, and kernels may call them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba.extending import register_jitable

from analytics.formula.registry import Formula, FormulaError, Given, Key, Result
from analytics.formulas import Real

KELVIN = 273.15
COLDEST_BATH_C = 900

F = TypeVar("F", bound=Callable[..., Any])


def jitable(function: F) -> F:
    """Leave a function as it is, and compile it where a kernel calls it."""
    untyped: Any = register_jitable
    untyped(function)
    return function


@jitable
def liquidus(alumina: Real, alf3: Real, caf2: Real, lif: Real, mgf2: Real, kf: Real) -> Real:
    """Temperature at which cryolite begins to freeze. [%] each -> [degC]

    NaN for AlF3 below zero. Source: Solheim et al., Metall. Mater. Trans. B 27 (1996) 739.
    """
    oxide = 1 + 0.0936 * alumina - 0.0017 * alumina**2 - 0.0023 * alf3 * alumina
    lithium = 1 + 0.0047 * lif + 0.0010 * alf3**2
    return (
        1011
        + 0.50 * alf3
        - 0.13 * alf3**2.2
        - 3.45 * caf2 / (1 + 0.0173 * caf2)
        + 0.124 * caf2 * alf3
        - 0.00542 * (caf2 * alf3) ** 1.5
        - 7.93 * alumina / oxide
        - 8.90 * lif / lithium
        - 3.95 * mgf2
        - 3.95 * kf
    )


@jitable
def bath_ratio(alumina: Real, alf3: Real, caf2: Real, lif: Real, mgf2: Real, kf: Real) -> Real:
    """NaF over AlF3 by weight; twice it is the cryolite ratio (molar). [%] each -> kg/kg

    (1 − x)/(2/3 + x) with x the excess AlF3 as a share of cryolite and AlF3 together.
    Source: Yao et al., AIChE J 63 (2017) 2806; there without KF.
    """
    share = alf3 / (100 - alumina - caf2 - lif - mgf2 - kf)
    return (1 - share) / (2 / 3 + share)


@jitable
def excess_alf3(ratio: Real, alumina: Real, caf2: Real, lif: Real, mgf2: Real, kf: Real) -> Real:
    """The AlF3 in excess of cryolite at a bath ratio: `bath_ratio` solved for it. -> [%]"""
    share = (1 - 2 / 3 * ratio) / (1 + ratio)
    return share * (100 - alumina - caf2 - lif - mgf2 - kf)


@jitable
def conductivity(
    alumina: Real,
    alf3: Real,
    caf2: Real,
    lif: Real,
    mgf2: Real,
    kf: Real,
    temperature_C: Real,
) -> Real:
    """Electrical conductivity. [%] each, [degC] -> [S/cm]

    Source: Hives, Thonstad, Sterten, Fellner, Metall. Mater. Trans. B 27 (1996) 255.
    """
    return np.exp(
        1.977
        - 0.0200 * alumina
        - 0.0131 * alf3
        - 0.0060 * caf2
        - 0.0106 * mgf2
        - 0.0019 * kf
        + 0.0121 * lif
        - 1204.3 / (temperature_C + KELVIN)
    )


@jitable
def conductivity_wang(
    alumina: Real, alf3: Real, caf2: Real, lif: Real, mgf2: Real, temperature_C: Real
) -> Real:
    """Electrical conductivity by the bath ratio; knows no KF. [%] each, [degC] -> [S/cm]

    Source: Wang et al. 1992, as in Yao et al., AIChE J 63 (2017) 2806.
    """
    sodium = 0.6 * (100 - alf3 - alumina - caf2 - lif - mgf2)  # NaF, of Na3AlF6
    fluoride = alf3 + 2 * sodium / 3
    ratio = (sodium / 41.99 + lif / 25.94 - mgf2 / 62.31) / (2 * fluoride / 83.98)
    return np.exp(
        1.9362
        + 0.3092 * ratio
        - 0.004132 * caf2
        - 0.01755 * alumina
        + 0.008123 * lif
        - 0.00398 * mgf2
        - 1751.1 / (temperature_C + KELVIN)
    )


@jitable
def alumina_saturation(alf3: Real, caf2: Real, lif: Real, mgf2: Real, temperature_C: Real) -> Real:
    """Alumina that the bath can dissolve. [%] each, [degC] -> [%]

    Source: Skybakmoen, Solheim, Sterten, Metall. Mater. Trans. B 28 (1997) 81.
    """
    scale = (
        11.9
        - 0.062 * alf3
        - 0.0031 * alf3**2
        - 0.5 * lif
        - 0.2 * caf2
        - 0.3 * mgf2
        + 42 * alf3 * lif / (2000 + alf3 * lif)
    )
    power = 4.8 - 0.048 * alf3 + 2.2 * lif**1.5 / (10 + lif + 0.001 * alf3**3)
    return scale * (temperature_C / 1000) ** power


ADDITIVES = tuple(
    Key(name, "%", f"{salt} in the bath", 0, 30, default=0.0)
    for name, salt in (("caf2", "CaF2"), ("lif", "LiF"), ("mgf2", "MgF2"), ("kf", "KF"))
)
ALUMINA = Key("alumina", "%", "dissolved Al2O3 in the bath", 0, 15)
ALF3 = Key("alf3", "%", "AlF3 in excess of cryolite", 0, 30)
COMPOSITION = (ALUMINA, ALF3, *ADDITIVES)
TEMPERATURE = Key("temperature_C", "degC", "bath temperature", 850, 1100)
RATIO_SOURCE = "Yao et al., AIChE J 63 (2017) 2806; KF counted like the other additives"


class Bath(NamedTuple):
    """A composition. [%] each; numbers, or arrays of one length."""

    alumina: Real
    alf3: Real
    caf2: Real
    lif: Real
    mgf2: Real
    kf: Real


def composition(given: Given) -> Bath:
    """FormulaError where no cryolite is left. What is not given is 0."""
    bath = Bath(*(given.get(name, 0.0) for name in Bath._fields))
    parts = sum(bath) - min(bath.alf3, 0)  # AlF3 that is missing makes no room
    if parts >= 100:
        raise FormulaError(f"the parts of the bath come to {parts:g} %; below 100, write less")
    if 0 < parts < 1:
        given.note(f"the parts of the bath come to {parts:g} %: check that they are no fractions")
    return bath


def _liquidus(given: Given) -> Mapping[str, Any]:
    freezes = liquidus(*composition(given))
    if given["lif"] or given["kf"]:
        given.note("unverified: the terms of LiF and KF could not be confirmed at the source")
    if freezes < COLDEST_BATH_C:
        given.note(
            f"below {COLDEST_BATH_C} degC: far from the baths of reduction cells, for which the"
            " equation was made; check the composition"
        )
    superheat = given["temperature_C"] - freezes if "temperature_C" in given else None
    return {"temperature_C": freezes, "superheat_C": superheat}


def _bath_ratio(given: Given) -> Mapping[str, Any]:
    ways = [name for name in ("alf3", "bath_ratio", "cryolite_ratio") if name in given]
    if len(ways) != 1:
        raise FormulaError(
            f"give one of alf3, bath_ratio and cryolite_ratio, not {' and '.join(ways) or 'none'}"
        )
    bath = composition(given)
    if "alf3" in given:
        alf3 = given["alf3"]
        ratio = bath_ratio(*bath)
        if ratio <= 0:
            raise FormulaError(f"alf3 = {alf3:g}: more AlF3 is missing than the cryolite holds")
    else:
        ratio = given["bath_ratio"] if "bath_ratio" in given else given["cryolite_ratio"] / 2
        alf3 = excess_alf3(ratio, bath.alumina, *bath[2:])
    if alf3 < 0:
        given.note("alf3 is negative: NaF is in excess of cryolite")
    if bath.kf:
        given.note("KF is counted like the other additives; the source has no KF")
    return {"bath_ratio": ratio, "cryolite_ratio": 2 * ratio, "alf3": alf3}


def _conductivity(given: Given) -> Mapping[str, Any]:
    bath, celsius = composition(given), given["temperature_C"]
    if given["method"] == "hives":
        value = conductivity(*bath, celsius)
    elif bath.kf:
        raise FormulaError("method = wang has no term for KF; use hives")
    else:
        value = conductivity_wang(*bath[:5], celsius)
    return {"conductivity_S_per_cm": value}


def _saturation(given: Given) -> Mapping[str, Any]:
    if given["kf"]:
        given.note("the equation has no term for KF; its effect is left out")
    value = alumina_saturation(*composition(given)[1:5], given["temperature_C"])
    if value <= 0:
        raise FormulaError(
            f"the equation gives {value:.2f} %: it was fitted to cryolite with few salts, from 850"
            " to 1050 degC, and does not reach this bath; check the composition"
        )
    if "alumina" in given:
        given.note(f"alumina = {given['alumina']:g} % is {given['alumina'] / value:.0%} of it")
    return {"alumina_percent": value}


BATH = {"alumina": 2.5, "alf3": 11, "caf2": 5}

FORMULAS: tuple[Formula, ...] = (
    Formula(
        name="liquidus",
        what="Liquidus temperature of the bath",
        what_zh="电解质初晶温度",
        expression=(
            "T = 1011 + 0.50 A − 0.13 A^2.2 − 3.45 C/(1 + 0.0173 C) + 0.124 C·A"
            " − 0.00542 (C·A)^1.5 − 7.93 w/(1 + 0.0936 w − 0.0017 w² − 0.0023 A·w)"
            " − 8.90 L/(1 + 0.0047 L + 0.0010 A²) − 3.95 M − 3.95 K;"
            " superheat = T_bath − T, a difference: 1 degC of it is 1 K"
        ),
        source=(
            "Solheim et al., Metall. Mater. Trans. B 27 (1996) 739; the terms of LiF and KF as"
            " recalled"
        ),
        certainty="verified",
        keys=(
            *COMPOSITION,
            replace(TEMPERATURE, what="of the bath, for the superheat", required=False),
        ),
        results=(Result("temperature_C", "degC", 1), Result("superheat_C", "K", 1)),
        compute=_liquidus,
        example={**BATH, "temperature_C": 970},
        expected={"temperature_C": 962.734, "superheat_C": 7.266},
    ),
    Formula(
        name="bath_ratio",
        what="Bath ratio by weight and cryolite ratio, from excess AlF3 or the other way round",
        what_zh="电解质质量比与分子比",
        expression="BR = (1 − x)/(2/3 + x), x = A/(100 − w − C − L − M − K); CR = 2 BR",
        source=RATIO_SOURCE,
        certainty="verified",
        keys=(
            ALUMINA,
            Key("alf3", "%", "AlF3 in excess of cryolite", -30, 30, required=False),
            *ADDITIVES,
            Key("bath_ratio", "1", "NaF over AlF3 by weight", 0.5, 2, required=False),
            Key("cryolite_ratio", "1", "NaF over AlF3 by moles", 1, 4, required=False),
        ),
        results=(
            Result("bath_ratio", "1", 3),
            Result("cryolite_ratio", "1", 2),
            Result("alf3", "%", 2),
        ),
        compute=_bath_ratio,
        example=BATH,
        expected={"bath_ratio": 1.1216, "cryolite_ratio": 2.2431, "alf3": 11},
    ),
    Formula(
        name="bath_conductivity",
        what="Electrical conductivity of the bath",
        what_zh="电解质电导率",
        expression=(
            "hives: ln κ = 1.977 − 0.0200 w − 0.0131 A − 0.0060 C − 0.0106 M − 0.0019 K"
            " + 0.0121 L − 1204.3/T; wang: ln κ = 1.9362 + 0.3092 BWR − 0.004132 C"
            " − 0.01755 w + 0.008123 L − 0.00398 M − 1751.1/T"
        ),
        source=(
            "Hives et al., Metall. Mater. Trans. B 27 (1996) 255;"
            " Wang et al. 1992, as in Yao et al., AIChE J 63 (2017) 2806"
        ),
        certainty="verified",
        keys=(
            *COMPOSITION,
            TEMPERATURE,
            Key("method", "", "equation", choices=("hives", "wang"), default="hives"),
        ),
        results=(Result("conductivity_S_per_cm", "S/cm", 3),),
        compute=_conductivity,
        example={**BATH, "temperature_C": 960},
        expected={"conductivity_S_per_cm": 2.1734},
    ),
    Formula(
        name="alumina_saturation",
        what="Alumina that the bath can dissolve",
        what_zh="氧化铝饱和溶解度",
        expression=(
            "w_sat = a (T/1000)^B; a = 11.9 − 0.062 A − 0.0031 A² − 0.5 L − 0.2 C − 0.3 M"
            " + 42 A·L/(2000 + A·L); B = 4.8 − 0.048 A + 2.2 L^1.5/(10 + L + 0.001 A³)"
        ),
        source="Skybakmoen, Solheim, Sterten, Metall. Mater. Trans. B 28 (1997) 81",
        certainty="verified",
        keys=(replace(ALUMINA, required=False), ALF3, *ADDITIVES, TEMPERATURE),
        results=(Result("alumina_percent", "%", 2),),
        compute=_saturation,
        example={"alf3": 11, "caf2": 5, "temperature_C": 960},
        expected={"alumina_percent": 8.2677},
    ),
)
