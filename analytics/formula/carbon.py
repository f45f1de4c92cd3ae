"""CO2 of the carbon: anodes consumed and baked, packing coke; of carbonates; sums as CO2e."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics import formulas as scalar
from analytics.formula.pfc import GWP
from analytics.formula.registry import Formula, FormulaError, Given, Key, Result

GASES = ("ch4", "n2o", "cf4", "c2f6", "sf6", "nf3")
CARBONATES = ("limestone", "soda_ash", "dolomite")
CO2 = (Result("co2_t", "t", 3),)


def co2e(masses_t: Mapping[str, float], potentials: Mapping[str, float]) -> float:
    """Sum of gases by their warming potentials of one set, by the same keys. [t], [t/t] -> [t]"""
    return sum(mass * potentials[gas] for gas, mass in masses_t.items())


def net_carbon(gross: float, loss_percent: float) -> float:
    """Anode carbon consumed, of that set. [t], [%] -> [t]"""
    return gross * (1 - loss_percent / 100)


def pitch_co2(green_t: float, hydrogen_t: float, baked_t: float, waste_tar_t: float) -> float:
    """CO2 of the pitch volatiles burnt in baking. [t] each -> [t]. IPCC 2006 Vol 3, Eq 4.22"""
    return (green_t - hydrogen_t - baked_t - waste_tar_t) * scalar.CO2_PER_CARBON


def packing_coke_co2(
    baked_t: float, coke_t_per_t: float, sulphur_percent: float, ash_percent: float
) -> float:
    """CO2 of the packing coke burnt. [t], [t/t], [%], [%] -> [t]. IPCC 2006 Vol 3, Eq 4.23"""
    carbon = coke_t_per_t * (1 - sulphur_percent / 100 - ash_percent / 100)
    return baked_t * carbon * scalar.CO2_PER_CARBON


def stoichiometric_carbon(molar_mass_C: float, molar_mass_Al: float) -> float:
    """Carbon of 2 Al2O3 + 3 C = 4 Al + 3 CO2: the least that metal takes. [g/mol] -> [t/t]"""
    return 3 * molar_mass_C / (4 * molar_mass_Al)


def _co2e(given: Given) -> Mapping[str, Any]:
    chosen = given["gwp"]
    masses = {gas: given[f"{gas}_t"] for gas in ("co2", *GASES) if f"{gas}_t" in given}
    if not masses:
        raise FormulaError(f"give a gas: co2_t, {', '.join(f'{gas}_t' for gas in GASES)}")
    potentials = {"co2": 1.0}
    for gas in GASES:
        if gas in masses:
            potentials[gas] = _potential(given, chosen, gas.upper())
    given.note(f"CO2e with the GWP-100 of {chosen}")
    return {"co2e_t": co2e(masses, potentials)}


def _potential(given: Given, chosen: str, gas: str) -> float:
    name = f"gwp.{chosen}.{gas}"
    if name not in given.factors:
        sets = [key.split(".")[1] for key in given.factors if key.endswith(f".{gas}")]
        raise FormulaError(
            f"gwp = {chosen} has no value for {gas}; take another set, {', '.join(sets)}"
        )
    return given.factor(name)


def _anode_co2(given: Given) -> Mapping[str, Any]:
    carbon = given["net_carbon_t_per_t"]
    masses = (given.factors[f"constant.molar_mass_{atom}"].value for atom in ("C", "Al"))
    least = stoichiometric_carbon(*masses)
    if carbon < least:
        raise FormulaError(
            f"net_carbon_t_per_t = {carbon:g}: the reaction takes at least {least:.4f} t/t"
        )
    impurities = _impurities(given, "anode")
    per_t = scalar.anode_co2_per_t(carbon, *impurities)
    return {"co2_t": per_t * given["production_t"]}


def _impurities(given: Given, of: str) -> tuple[float, float]:
    """Sulphur and ash, given or by the defaults of a material. [%]"""
    names = ("sulphur_percent", "ash_percent")
    sulphur, ash = (given[n] if n in given else given.factor(f"{of}.{n}") for n in names)
    if sulphur + ash >= 100:
        raise FormulaError(f"sulphur and ash come to {sulphur + ash:g} %; below 100")
    return sulphur, ash


def _net_carbon(given: Given) -> Mapping[str, Any]:
    loss = given["loss_percent"]
    if 0 < loss < 1:
        given.note(f"loss_percent = {loss:g} is less than 1 %: check that it is no fraction")
    return {"net_t": net_carbon(given["gross_t"], loss)}


def _pitch_co2(given: Given) -> Mapping[str, Any]:
    green, baked = given["green_anode_t"], given["baked_anode_t"]
    hydrogen = (
        given["hydrogen_t"]
        if "hydrogen_t" in given
        else given.factor("baking.hydrogen_share") * green
    )
    if "waste_tar_t" in given:
        if "furnace" in given:
            raise FormulaError("give waste_tar_t, or furnace, from which it follows, not both")
        tar = given["waste_tar_t"]
    elif "furnace" not in given:
        raise FormulaError("waste_tar_t is missing: give it, or furnace = riedhammer or other")
    else:
        riedhammer = given["furnace"] == "riedhammer"
        tar = given.factor("baking.waste_tar_share") * green if riedhammer else 0.0
    emitted = pitch_co2(green, hydrogen, baked, tar)
    if emitted < 0:
        raise FormulaError(
            f"baked_anode_t = {baked:g}, hydrogen {hydrogen:g} t and tar {tar:g} t are more than"
            f" green_anode_t = {green:g}; check the masses"
        )
    return {"co2_t": emitted}


def _packing_coke_co2(given: Given) -> Mapping[str, Any]:
    name = "packing_coke_t_per_t"
    coke = given[name] if name in given else given.factor("baking.packing_coke")
    impurities = _impurities(given, "packing_coke")
    return {"co2_t": packing_coke_co2(given["baked_anode_t"], coke, *impurities)}


def _carbonate_co2(given: Given) -> Mapping[str, Any]:
    used = [salt for salt in CARBONATES if f"{salt}_t" in given]
    if not used:
        raise FormulaError(f"give a carbonate: {', '.join(f'{salt}_t' for salt in CARBONATES)}")
    factors = {salt: given.factor(f"carbonate.{salt}") for salt in used}
    return {"co2_t": sum(given[f"{salt}_t"] * factors[salt] for salt in used)}


def _mass(name: str, what: str, *, required: bool = True) -> Key:
    return Key(name, "t", what, low=0, required=required)


def _percent(name: str, what: str) -> Key:
    return Key(name, "%", what, low=0, high=20, required=False, least=0.05)


FORMULAS = (
    Formula(
        name="co2e",
        what="Greenhouse gases as CO2 equivalent",
        what_zh="温室气体二氧化碳当量",
        expression="CO2e = CO2 + Σ m·GWP, all of one set",
        source="IPCC assessment reports, GWP over 100 years",
        certainty="verified",
        keys=(
            *(
                _mass(f"{gas}_t", f"{gas.upper()} emitted", required=False)
                for gas in ("co2", *GASES)
            ),
            GWP,
        ),
        results=(Result("co2e_t", "t", 3),),
        compute=_co2e,
        example={"co2_t": 1000, "cf4_t": 0.1, "c2f6_t": 0.01, "gwp": "AR5"},
        expected={"co2e_t": 1774},
    ),
    Formula(
        name="anode_co2",
        what="CO2 of the anodes consumed in electrolysis",
        what_zh="阳极消耗二氧化碳排放",
        expression="E = NAC·P·(1 − S − Ash)·44/12",
        source="IPCC 2006 Guidelines Vol 3 Ch 4, Eq 4.21; 40 CFR 98 Subpart F",
        certainty="verified",
        keys=(
            Key("net_carbon_t_per_t", "t/t", "net anode consumption per tonne of metal", 0, 1),
            _mass("production_t", "aluminium produced"),
            _percent("sulphur_percent", "sulphur of the anode"),
            _percent("ash_percent", "ash of the anode"),
        ),
        results=CO2,
        compute=_anode_co2,
        example={"net_carbon_t_per_t": 0.42, "production_t": 1000},
        expected={"co2_t": 1503.04},
    ),
    Formula(
        name="anode_net_carbon",
        what="Net anode consumption from the gross, less butts and other losses",
        what_zh="阳极净耗（毛耗扣除残极与损失）",
        expression="net = gross·(1 − loss)",
        source="GB/T 32151.4-2015 practice; the loss rate is the plant's own",
        certainty="verified",
        keys=(
            _mass("gross_t", "anodes set, in total or per tonne of metal"),
            Key(
                "loss_percent",
                "%",
                "share that comes back as butts or is lost",
                low=0,
                high=100,
                least=0.5,
            ),
        ),
        results=(Result("net_t", "t", 4),),
        compute=_net_carbon,
        example={"gross_t": 0.4691, "loss_percent": 15.18},
        expected={"net_t": 0.3979},
    ),
    Formula(
        name="pitch_co2",
        what="CO2 of pitch volatiles burnt in baking anodes",
        what_zh="阳极焙烧沥青挥发分二氧化碳排放",
        expression="E = (GA − H − BA − WT)·44/12",
        source="IPCC 2006 Guidelines Vol 3 Ch 4, Eq 4.22; 40 CFR 98 Subpart F",
        certainty="verified",
        keys=(
            _mass("green_anode_t", "green anodes put into the furnace"),
            _mass("baked_anode_t", "baked anodes taken out"),
            _mass("hydrogen_t", "hydrogen in the green anodes", required=False),
            _mass("waste_tar_t", "waste tar collected", required=False),
            Key(
                "furnace",
                "",
                "kind of furnace, from which the waste tar follows where it is not weighed",
                choices=("riedhammer", "other"),
                required=False,
            ),
        ),
        results=CO2,
        compute=_pitch_co2,
        example={"green_anode_t": 1000, "baked_anode_t": 950, "furnace": "riedhammer"},
        expected={"co2_t": 146.667},
    ),
    Formula(
        name="packing_coke_co2",
        what="CO2 of packing coke burnt in baking anodes",
        what_zh="焙烧填充焦二氧化碳排放",
        expression="E = PCC·BA·(1 − S − Ash)·44/12",
        source="IPCC 2006 Guidelines Vol 3 Ch 4, Eq 4.23; 40 CFR 98 Subpart F",
        certainty="verified",
        keys=(
            _mass("baked_anode_t", "baked anodes made"),
            Key("packing_coke_t_per_t", "t/t", "coke burnt per tonne baked", 0, 1, required=False),
            _percent("sulphur_percent", "sulphur of the coke"),
            _percent("ash_percent", "ash of the coke"),
        ),
        results=CO2,
        compute=_packing_coke_co2,
        example={"baked_anode_t": 1000},
        expected={"co2_t": 52.525},
    ),
    Formula(
        name="carbonate_co2",
        what="CO2 of carbonates that decompose, as in flue-gas desulphurisation",
        what_zh="碳酸盐分解二氧化碳排放",
        expression="E = Σ m·M(CO2)·n/M(carbonate)",
        source="Stoichiometry; masses are of the pure carbonate, wholly decomposed",
        certainty="derived",
        keys=(
            _mass("limestone_t", "CaCO3", required=False),
            _mass("soda_ash_t", "Na2CO3", required=False),
            _mass("dolomite_t", "CaMg(CO3)2", required=False),
        ),
        results=CO2,
        compute=_carbonate_co2,
        example={"limestone_t": 100, "soda_ash_t": 10},
        expected={"co2_t": 48.12},
    ),
)
