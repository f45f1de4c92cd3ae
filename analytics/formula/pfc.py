"""Perfluorocarbons of the anode effect: slope, overvoltage, China's guides, duct measurement."""

from __future__ import annotations

from collections.abc import Mapping

from analytics import formulas as scalar
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result

TECHNOLOGIES = ("PFPB_L", "PFPB_M", "PFPB_MW", "CWPB", "SWPB", "VSS", "HSS")

PRODUCTION = Key("production_t", "t", "aluminium produced, not tapped or cast", low=0)
GWP = Key(
    "gwp",
    "",
    "set of global warming potentials",
    default="AR5",
    required=False,
    family="gwp.*.CF4",
)
TECHNOLOGY = Key(
    "technology",
    "",
    "cell technology, whose coefficients the set has",
    required=False,
    choices=TECHNOLOGIES,
)
COLLECTION = Key(
    "collection_efficiency",
    "1",
    "share of the cell gas that reaches the duct, as a fraction: for coefficients measured there",
    low=0,
    high=1,
    open_low=True,
    required=False,
    least=0.5,
)
WEIGHT_FRACTION = Key(
    "weight_fraction",
    "1",
    "C2F6 over CF4, t/t, with your own coefficient",
    0,
    1,
    required=False,
    least=0.02,
)
GASES = (Result("cf4_t", "t", 6), Result("c2f6_t", "t", 6), Result("co2e_t", "t", 4))


def _factor_set(coefficient: str) -> Key:
    return Key(
        "factors",
        "",
        "set of coefficients that `technology` is looked up in",
        default="cbam-2025",
        required=False,
        family=f"pfc.*.*.{coefficient}",
    )


def duct_total(cf4: float, collection_efficiency: float) -> float:
    """What left the cells, of what was measured in the duct. [t], fraction -> [t]

    Source: Regulation (EU) 2025/2547, Annex II, Eq 20.
    """
    return cf4 / collection_efficiency


def slope(given: Given) -> Mapping[str, float]:
    coefficient, weight = coefficients(given, "slope", "slope", "weight_fraction")
    kg = scalar.pfc_slope(
        given["aem_min"], given["production_t"], coefficient, weight, *potentials(given)
    )
    return collected(given, *kg)


def overvoltage(given: Given) -> Mapping[str, float]:
    coefficient, weight = coefficients(
        given, "overvoltage_coefficient", "overvoltage", "overvoltage_weight_fraction"
    )
    kg = scalar.pfc_overvoltage(
        given["aeo_mV"],
        given["current_efficiency_percent"],
        given["production_t"],
        coefficient,
        weight,
        *potentials(given),
    )
    return collected(given, *kg)


def china(given: Given) -> Mapping[str, float]:
    production = given["production_t"]
    gwp_cf4, gwp_c2f6 = potentials(given)
    if "aem_min" in given:
        kg_slope, weight = (
            given.factor("pfc_china.slope"),
            given.factor("pfc_china.weight_fraction"),
        )
        return collected(
            given,
            *scalar.pfc_slope(given["aem_min"], production, kg_slope, weight, gwp_cf4, gwp_c2f6),
        )
    given.note("default factors per tonne, as aem_min is not given")
    cf4 = production * given.factor("pfc_china.default.CF4")
    c2f6 = production * given.factor("pfc_china.default.C2F6")
    return collected(given, cf4, c2f6, (cf4 * gwp_cf4 + c2f6 * gwp_c2f6) / 1000)


def duct(given: Given) -> Mapping[str, float]:
    return {"cf4_t": duct_total(given["cf4_t"], given["collection_efficiency"])}


def coefficients(given: Given, own: str, kind: str, weight_kind: str) -> tuple[float, float]:
    """The user's own coefficient and weight fraction, or those of a technology in a set."""
    if own in given or "weight_fraction" in given:
        if "technology" in given:
            raise FormulaError(f"give technology, or {own} and weight_fraction, not both")
        if "factors" in given:
            raise FormulaError(f"factors is where technology is looked up; with {own} leave it out")
        if own not in given or "weight_fraction" not in given:
            missing = "weight_fraction" if own in given else own
            raise FormulaError(f"{missing} is missing: {own} and weight_fraction go together")
        return given[own], given["weight_fraction"]
    if "technology" not in given:
        raise FormulaError(f"technology is missing: give it, or {own} and weight_fraction")
    technology, chosen = given["technology"], given["factors"]
    name = f"pfc.{chosen}.{technology}.{kind}"
    if name not in given.factors:
        known = [t for t in TECHNOLOGIES if f"pfc.{chosen}.{t}.{kind}" in given.factors]
        raise FormulaError(
            f"{chosen} has no {kind} coefficient for technology {technology}, only for "
            f"{', '.join(known)}; take another set by factors=, or give a measured {own} "
            "and weight_fraction"
        )
    if technology == "PFPB_MW":
        given.note(
            "PFPB_MW has to be measured under Regulation (EU) 2025/2547; this is the CWPB value"
        )
    return given.factor(name), given.factor(f"pfc.{chosen}.{technology}.{weight_kind}")


def potentials(given: Given) -> tuple[float, float]:
    """GWP of CF4 and C2F6, always of one set."""
    chosen = given["gwp"]
    given.note(f"CO2e with the GWP-100 of {chosen}")
    return given.factor(f"gwp.{chosen}.CF4"), given.factor(f"gwp.{chosen}.C2F6")


def collected(given: Given, cf4_kg: float, c2f6_kg: float, co2e_t: float) -> dict[str, float]:
    share = given.get("collection_efficiency", 1.0)
    return {
        "cf4_t": duct_total(cf4_kg / 1000, share),
        "c2f6_t": duct_total(c2f6_kg / 1000, share),
        "co2e_t": duct_total(co2e_t, share),
    }


def _minutes(*, required: bool) -> Key:
    return Key(
        "aem_min",
        "min",
        "anode-effect minutes per cell-day",
        low=0,
        high=1440,
        required=required,
    )


FORMULAS = (
    Formula(
        "pfc_slope",
        "CF4 and C2F6 by the slope method",
        "PFC排放（斜率法）",
        "CF4 = AEM·SEF/1000·P; C2F6 = CF4·F; CO2e = CF4·GWP_CF4 + C2F6·GWP_C2F6",
        "Regulation (EU) 2025/2547, Annex II, Eq 20-23 and 26; IPCC 2006 Vol 3, Eq 4.26",
        "verified",
        (
            _minutes(required=True),
            PRODUCTION,
            TECHNOLOGY,
            _factor_set("slope"),
            Key(
                "slope",
                "(kg/t)/(min/d)",
                "your measured kg CF4 per t Al for each anode-effect minute per cell-day",
                low=0,
                high=10,
                open_low=True,
                required=False,
            ),
            WEIGHT_FRACTION,
            GWP,
            COLLECTION,
        ),
        GASES,
        slope,
        {"aem_min": 0.08, "production_t": 1000, "technology": "PFPB_M"},
        {"cf4_t": 0.00832, "c2f6_t": 0.000474, "co2e_t": 60.4},
    ),
    Formula(
        "pfc_overvoltage",
        "CF4 and C2F6 by the overvoltage method",
        "PFC排放（过电压法）",
        "CF4 = OVC·AEO/CE[%]·P/1000; C2F6 = CF4·F; CO2e = CF4·GWP_CF4 + C2F6·GWP_C2F6",
        "Regulation (EU) 2025/2547, Annex II, Eq 24 and 26; aluminium-sector GHG workbook",
        "verified",
        (
            Key("aeo_mV", "mV", "anode-effect overvoltage per cell", low=0, high=10000),
            Key(
                "current_efficiency_percent",
                "%",
                "current efficiency in percent, for which the coefficients hold",
                low=50,
                high=100,
            ),
            PRODUCTION,
            TECHNOLOGY,
            _factor_set("overvoltage"),
            Key(
                "overvoltage_coefficient",
                "(kg/t)/mV",
                "your measured coefficient, with CE in percent",
                low=0,
                high=100,
                open_low=True,
                required=False,
            ),
            WEIGHT_FRACTION,
            GWP,
            COLLECTION,
        ),
        GASES,
        overvoltage,
        {
            "aeo_mV": 5,
            "current_efficiency_percent": 95,
            "production_t": 1000,
            "technology": "CWPB",
        },
        {"cf4_t": 0.0610526, "c2f6_t": 0.0073874, "co2e_t": 486.78},
    ),
    Formula(
        "pfc_china",
        "CF4 and C2F6 by the Chinese guides",
        "PFC排放（中国核算指南）",
        "CF4 = 0.034 kg/t·P, C2F6 = 0.0034 kg/t·P; with AEM: CF4 = 0.143·AEM·P, C2F6 = 0.1·CF4",
        "GB/T 32151.4-2015 (defaults); enterprise GHG accounting guide (with AEM)",
        "verified",
        (PRODUCTION, _minutes(required=False), GWP),
        GASES,
        china,
        {"production_t": 1000, "gwp": "SAR"},
        {"cf4_t": 0.034, "c2f6_t": 0.0034, "co2e_t": 252.28},
    ),
    Formula(
        "pfc_duct",
        "CF4 of the cells from a measurement in the duct",
        "PFC排放（烟道实测折算）",
        "CF4 = CF4_duct / collection efficiency",
        "Regulation (EU) 2025/2547, Annex II, Eq 20",
        "verified",
        (
            Key("cf4_t", "t", "CF4 measured in the duct", low=0),
            Key(
                "collection_efficiency",
                "1",
                "share of the cell gas that reaches the duct, as a fraction",
                low=0,
                high=1,
                open_low=True,
                least=0.5,
            ),
        ),
        (Result("cf4_t", "t", 6),),
        duct,
        {"cf4_t": 0.98, "collection_efficiency": 0.98},
        {"cf4_t": 1.0},
    ),
)
