"""The rows of scopes line and site."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.table.figure import Figure
from analytics.table.rows import (
    EFFECT,
    EFFECT_SOURCE,
    LIMITS_SOURCE,
    PFC,
    RATES,
    STEP,
    Rows,
    effects,
    powers,
    totals,
)

MARKET = (
    "contracts cover at most what is used; what a contract brings beyond that offsets no other time"
    " within the window; DC sources behind the rectifiers count as 0"
)
MARKET_SOURCE = "GHG Protocol Scope 2, market-based"


def line_rows() -> Iterator[Figure]:
    t = Rows("line")
    t.one("current", "kA", 1, "Line current", "系列电流", "mean of I over the beat",
          "line.current", STEP, "measured")  # fmt: skip
    t.one("voltage", "V", 1, "Line voltage", "系列电压", "Σ cells", "cell.voltage",
          "Σ of what is known", "measured")  # fmt: skip
    powers(t)
    t.one("cells_in_anode_effect", "1", 0, "Cells in anode effect", "效应槽数", "Σ cells",
          "cell.anode_effect", EFFECT, EFFECT_SOURCE)  # fmt: skip
    t.one("voltage_spread", "mV", 1, "Spread of cells", "槽电压离散度",
          "standard deviation of the normalised voltage over the cells",
          "cell.normalised_voltage", "sample standard deviation of what is known",
          "definition")  # fmt: skip
    totals(t, "cell")
    effects(t, "cell.anode_effects_day cell.anode_effect_minutes_day")
    t.one("pfc_overvoltage_co2e", "t", 3, "PFC as CO2e, overvoltage method",
          "PFC 折 CO2e（过电压法）", "Σ cells CF4 · (GWP_CF4 + F · GWP_C2F6) / 1000",
          "cell.cf4_overvoltage_day",
          "beside the slope method, never averaged with it; positive overvoltage",
          "Regulation (EU) 2025/2547 Annex II, Eq 24; IPCC 2006 Vol 3 Eq 4.27", PFC,
          window="day")  # fmt: skip
    t.one("pfc_gap_percent", "%", 1, "Overvoltage over slope method", "两种方法差值",
          "(overvoltage − slope) / slope", "pfc_overvoltage_co2e_day pfc_co2e_day",
          "the two agree only where the mean anode-effect overvoltage is"
          " slope · 1440 · CE [%] / (1000 · OVC), 16.9 V for CWPB",
          "arithmetic of the two methods", window="day")  # fmt: skip
    t.one("cells_above_target", "1", 0, "Cells above target", "超耗槽数",
          "cells with excess over target > 0", "cell.excess_specific_energy_hour",
          "of those that are known", "definition", window="hour")  # fmt: skip
    for name, label, label_zh, own in (
        ("liquid_ac", "molten metal, AC", "铝液交流电耗", "ac_specific_energy_day"),
        ("liquid_total_ac", "molten metal, comprehensive AC", "铝液综合交流电耗",
         "total_specific_energy_day"),
    ):  # fmt: skip
        t.one(f"gb_level_{name}", "1", 0, f"GB 21346 level, {label}", f"能耗等级，{label_zh}",
              "best level whose limit is not below the value; 0: none", own,
              "1 advanced, 2 access of new plants, 3 limit of existing ones; the standard grades a"
              " year, this is the day so far", LIMITS_SOURCE, (f"gb21346.{name}.",),
              window="day")  # fmt: skip
    yield from t.rows


def site_rows() -> Iterator[Figure]:
    t = Rows("site")
    powers(t)
    totals(t, "line")
    t.each("scope2_market_co2e", "t", 3, "Scope 2, market-based", "范围二（基于市场）",
           "contracted · contract factor + the rest · residual factor",
           "site.contracted_power ac_energy_{w} auxiliary_energy_{w}"
           " site.contract_factor_t_per_MWh site.residual_factor_t_per_MWh", MARKET,
           MARKET_SOURCE)  # fmt: skip
    t.each("market_intensity", "t/t", 3, "Carbon intensity, market-based", "碳强度（基于市场）",
           "(scope 1 + scope 2 market-based) / metal",
           "scope1_intensity_{w} scope2_market_co2e_{w} metal_{w}", f"{RATES}; {MARKET}",
           MARKET_SOURCE)  # fmt: skip
    t.each("cost", "currency", 0, "Cost of electricity", "电费", "price · (AC + auxiliaries)",
           "ac_energy_{w} auxiliary_energy_{w} site.electricity_price_per_MWh",
           "in the site's currency, at the one price of the plant file", "definition")  # fmt: skip
    yield from t.rows
