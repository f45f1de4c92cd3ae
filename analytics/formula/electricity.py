"""CO2 of electricity: by the grid's factor, by contracts, and the share matched hour by hour.

For power from the grid alone: a captive plant's power is its fuel (`fuel_co2`), and no MWh carries
both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analytics.formula.registry import Formula, FormulaError, Given, Key, Result, shown
from plant.factors import unit_of

REGIONS = {
    "CN": ("全国", "中国", "China"),
    "CN-N": ("华北", "North China"),
    "CN-NE": ("东北", "Northeast China"),
    "CN-E": ("华东", "East China"),
    "CN-C": ("华中", "Central China"),
    "CN-NW": ("西北", "Northwest China"),
    "CN-S": ("南方", "Southern China"),
    "CN-SW": ("西南", "Southwest China"),
    "CN-BJ": ("北京", "Beijing"),
    "CN-TJ": ("天津", "Tianjin"),
    "CN-HE": ("河北", "Hebei"),
    "CN-SX": ("山西", "Shanxi"),
    "CN-NM": ("内蒙古", "Inner Mongolia"),
    "CN-LN": ("辽宁", "Liaoning"),
    "CN-JL": ("吉林", "Jilin"),
    "CN-HL": ("黑龙江", "Heilongjiang"),
    "CN-SH": ("上海", "Shanghai"),
    "CN-JS": ("江苏", "Jiangsu"),
    "CN-ZJ": ("浙江", "Zhejiang"),
    "CN-AH": ("安徽", "Anhui"),
    "CN-FJ": ("福建", "Fujian"),
    "CN-JX": ("江西", "Jiangxi"),
    "CN-SD": ("山东", "Shandong"),
    "CN-HA": ("河南", "Henan"),
    "CN-HB": ("湖北", "Hubei"),
    "CN-HN": ("湖南", "Hunan"),
    "CN-GD": ("广东", "Guangdong"),
    "CN-GX": ("广西", "Guangxi"),
    "CN-HI": ("海南", "Hainan"),
    "CN-CQ": ("重庆", "Chongqing"),
    "CN-SC": ("四川", "Sichuan"),
    "CN-GZ": ("贵州", "Guizhou"),
    "CN-YN": ("云南", "Yunnan"),
    "CN-XZ": ("西藏", "Tibet", "Xizang"),
    "CN-SN": ("陕西", "Shaanxi"),
    "CN-GS": ("甘肃", "Gansu"),
    "CN-QH": ("青海", "Qinghai"),
    "CN-NX": ("宁夏", "Ningxia"),
    "CN-XJ": ("新疆", "Xinjiang"),
}
"""Code as in grid.toml -> its names."""

CODES = {name.casefold(): code for code, names in REGIONS.items() for name in (code, *names)}
CHINESE = re.compile(r"(?:中国)?(.+?)(?:省|市|(?:壮族|回族|维吾尔)?自治区|区域)?(?:电网)?")
"""A name with what may stand before and after it."""

KINDS = ("average", "excluding_market_nonfossil", "fossil", "enterprise_report")


def market_based(
    energy_MWh: float, contracted_MWh: float, contract_factor: float, residual_factor: float
) -> float:
    """Contracted energy by its factor, the rest by the residual mix. [MWh], [t/MWh] -> [t]"""
    return contracted_MWh * contract_factor + (energy_MWh - contracted_MWh) * residual_factor


def carbon_free_share(load: Sequence[float], carbon_free: Sequence[float]) -> float:
    """Σ min(CFE, L)/ΣL: what is over in one hour offsets no other. [MWh] each hour -> fraction"""
    return float(np.minimum(load, carbon_free).sum() / np.sum(load))


def region_code(region: str) -> str:
    """Code of a region by its code or name; any other word as it is."""
    name = CHINESE.fullmatch(region)
    return CODES.get(name[1].casefold() if name else "", region)


def grid_factor(given: Given) -> float:
    """The factor of region, year and kind, never that of a neighbour. -> [t/MWh]"""
    code, kind, year = region_code(given["region"]), given["kind"], f"{given['year']:.0f}"
    name = f"grid.{code}.{kind}.{year}"
    if name in given.factors:
        return given.factor(name)
    known = [
        match.groups()
        for key in given.factors
        if (match := re.fullmatch(rf"grid\.{re.escape(code)}\.(\w+)\.(\d+)", key))
    ]
    asked = f"region = {shown(given['region'])}, year = {year}, kind = {kind}"
    if known:
        has = ", ".join(f"{kind} {year}" for kind, year in known)
        raise FormulaError(f"no grid factor of {asked}; {code} has {has}")
    none = f"none is known for {code}"
    if code not in REGIONS:
        none = "no such region is known; write a code or a name, CN-SD, 山东 or Shandong"
    if unit_of(name):
        none += f"; a published one may be added to the plant file as [[factor]] {shown(name)}"
    raise FormulaError(f"no grid factor of {asked}: {none}")


def _grid_factor(given: Given) -> Mapping[str, Any]:
    return {"kgCO2_per_kWh": grid_factor(given)}


def _electricity_co2(given: Given) -> Mapping[str, Any]:
    named = [name for name in ("region", "year", "kind") if name in given]
    if "factor" in given:
        if named:
            raise FormulaError(f"give factor, or region and year, not both: leave out {named[0]}")
        return {"co2_t": given["energy_MWh"] * given["factor"]}
    for name in ("region", "year"):
        if name not in given:
            raise FormulaError(f"{name} is missing: give region and year, or factor")
    return {"co2_t": given["energy_MWh"] * grid_factor(given)}


def _market_based(given: Given) -> Mapping[str, Any]:
    energy, contracted = given["energy_MWh"], given["contracted_MWh"]
    if contracted > energy:
        raise FormulaError(
            f"contracted_MWh = {contracted:g} is more than energy_MWh = {energy:g};"
            " what is over covers nothing: write at most the energy"
        )
    co2 = market_based(energy, contracted, given["contract_factor"], given["residual_factor"])
    return {"co2_t": co2}


def _carbon_free_share(given: Given) -> Mapping[str, Any]:
    load, carbon_free = given["load_MWh"], given["carbon_free_MWh"]
    if len(load) != len(carbon_free):
        raise FormulaError(
            f"load_MWh has {len(load)} hours and carbon_free_MWh {len(carbon_free)};"
            " write one number for each hour in both"
        )
    if sum(load) <= 0:
        raise FormulaError("load_MWh: all are 0; a share needs a load")
    return {"share": carbon_free_share(load, carbon_free)}


def _region(required: bool) -> tuple[Key, ...]:
    return (
        Key(
            "region",
            "",
            "code (CN, CN-N, CN-SD) or name (全国, 华北, 山东, Shandong)",
            kind="text",
            required=required,
        ),
        Key(
            "year",
            "1",
            "year of the factor, not of its publication",
            1990,
            2100,
            required=required,
            whole=True,
        ),
        Key("kind", "", "which mix", choices=KINDS, default="average", required=False),
    )


def _factor(name: str, what: str, *, required: bool = True) -> Key:
    return Key(name, "t/MWh", f"{what}, t/MWh = kg/kWh", low=0, high=2, required=required)


ENERGY = Key("energy_MWh", "MWh", "electricity taken from the grid", low=0)
CO2 = (Result("co2_t", "t", 2),)

FORMULAS = (
    Formula(
        name="grid_factor",
        what="CO2 of a kilowatt-hour from the grid, average of generation, not life-cycle",
        what_zh="电力二氧化碳排放因子",
        expression="the published factor of region, year and kind",
        source="MEE/NBS announcements; each factor names its own",
        certainty="verified",
        keys=_region(required=True),
        results=(Result("kgCO2_per_kWh", "kg/kWh", 4),),
        compute=_grid_factor,
        example={"region": "山东", "year": 2023},
        expected={"kgCO2_per_kWh": 0.6191},
    ),
    Formula(
        name="electricity_co2",
        what="CO2 of grid electricity, location-based; captive power goes by its fuel",
        what_zh="外购电力二氧化碳排放（基于位置）",
        expression="E = energy·EF",
        source="GHG Protocol Scope 2, location-based method",
        certainty="derived",
        keys=(
            ENERGY,
            *_region(required=False),
            _factor("factor", "factor of your own", required=False),
        ),
        results=CO2,
        compute=_electricity_co2,
        example={"energy_MWh": 13047, "region": "CN-SD", "year": 2023},
        expected={"co2_t": 8077.4},
    ),
    Formula(
        name="market_based_co2",
        what="CO2 of electricity by contracts, the rest by the residual mix",
        what_zh="外购电力二氧化碳排放（基于市场）",
        expression="E = contracted·EF_contract + (energy − contracted)·EF_residual",
        source="GHG Protocol Scope 2, market-based method, as recalled",
        certainty="unverified",
        keys=(
            ENERGY,
            Key("contracted_MWh", "MWh", "part of it under contracts with a factor", low=0),
            _factor("contract_factor", "factor of the contracts"),
            _factor("residual_factor", "factor of the residual mix"),
        ),
        results=CO2,
        compute=_market_based,
        example={
            "energy_MWh": 1000,
            "contracted_MWh": 400,
            "contract_factor": 0,
            "residual_factor": 0.6096,
        },
        expected={"co2_t": 365.76},
    ),
    Formula(
        name="carbon_free_share",
        what="Share of the load met by carbon-free energy in the same hour",
        what_zh="逐小时无碳电力匹配率",
        expression="share = Σ min(CFE, L)/Σ L",
        source="hourly matching of the GHG Protocol Scope 2 revision (consultation), as recalled",
        certainty="unverified",
        keys=(
            Key("load_MWh", "MWh", "load of each hour", 0, 1e9, kind="list"),
            Key("carbon_free_MWh", "MWh", "carbon-free energy of each hour", 0, 1e9, kind="list"),
        ),
        results=(Result("share", "1", 4),),
        compute=_carbon_free_share,
        example={"load_MWh": "100,100", "carbon_free_MWh": "150,20"},
        expected={"share": 0.6},
    ),
)
