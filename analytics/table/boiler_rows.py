"""The rows of scope boiler."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.table.figure import Figure
from analytics.table.rows import BOILER_SOURCE, FUEL, FUEL_SOURCE, SHARE, STEP, Rows

STATE = (
    "boiler.steam_pressure boiler.steam_temperature boiler.feedwater_temperature"
    " boiler.blowdown_percent"
)
FLUE_GAS = "boiler.oxygen boiler.flue_temperature boiler.ambient_temperature"
DIRECT = "[D(h_s − h_fw) + D_bd(h_bd − h_fw)] / (B · Q_net)"
BY_LOSSES = "100 − (q2 + q3 + q4 + q5 + q6)"
LOSSES = (
    "indirect method; q4 and q6 are 0 for gas and oil, and of coal as the plant file's factors"
    " say, else unknown; q5 as its factor says"
)
LOSSES_SOURCE = "GB/T 10180 and 10184, indirect method"
SIEGERT = "Siegert's approximation on dry flue gas"
UNBURNT = (
    "CO in dry flue gas x its heat of combustion; where no CO is measured, the plant file's factor"
)
APART = "one of the two efficiencies is wrong where they are further apart than the limit"
OWN = ("flue_loss.", "boiler.", "constant.heat_CO")


def boiler_rows() -> Iterator[Figure]:
    t = Rows("boiler")
    t.one("fuel_flow", "t/h", 2, "Fuel flow", "燃料流量", "mean of B over the beat",
          "boiler.fuel_flow", STEP, "measured")  # fmt: skip
    t.one("steam_flow", "t/h", 2, "Steam flow", "蒸汽流量", "mean of D over the beat",
          "boiler.steam_flow", STEP, "measured")  # fmt: skip
    t.one("efficiency", "%", 2, "Direct efficiency", "正平衡效率", DIRECT,
          f"fuel_flow steam_flow {STATE}", "direct method, on net calorific value",
          BOILER_SOURCE, FUEL)  # fmt: skip
    t.one("efficiency_indirect", "%", 2, "Indirect efficiency", "反平衡效率", BY_LOSSES,
          "flue_loss unburned_gas_loss", LOSSES, LOSSES_SOURCE, OWN)  # fmt: skip
    t.one("efficiency_gap", "%", 2, "Direct less indirect efficiency", "正反平衡效率偏差",
          "direct − indirect", "efficiency efficiency_indirect", APART, LOSSES_SOURCE,
          OWN)  # fmt: skip
    t.one("flue_loss", "%", 2, "Flue-gas loss q2", "排烟热损失 q2",
          "(a/(21 − O2) + b) · (T_flue − T_ambient)", FLUE_GAS, SIEGERT, LOSSES_SOURCE,
          OWN[:1])  # fmt: skip
    t.one("unburned_gas_loss", "%", 3, "Unburnt-gas loss q3", "气体未完全燃烧热损失 q3",
          "CO · V_dry · 21/(21 − O2) · H_CO", "boiler.carbon_monoxide boiler.oxygen", UNBURNT,
          LOSSES_SOURCE, OWN[1:])  # fmt: skip
    t.one("excess_air", "1", 3, "Excess air ratio", "过量空气系数", "21/(21 − O2)",
          "boiler.oxygen", "on dry flue gas", LOSSES_SOURCE)  # fmt: skip
    t.one("fuel_co2", "t/h", 2, "Fuel CO2", "燃料 CO2", "B · NCV · CC · OF · 44/12", "fuel_flow",
          "default carbon content and oxidation of the fuel", FUEL_SOURCE, FUEL)  # fmt: skip
    t.each("efficiency", "%", 2, "Direct efficiency", "正平衡效率", f"∫ of {DIRECT}",
           f"boiler.fuel_flow boiler.steam_flow {STATE}", "direct method, on net calorific value",
           BOILER_SOURCE, FUEL)  # fmt: skip
    t.each("efficiency_indirect", "%", 2, "Indirect efficiency", "反平衡效率", BY_LOSSES,
           "flue_loss_{w} unburned_gas_loss_{w}", LOSSES, LOSSES_SOURCE, OWN)  # fmt: skip
    t.each("efficiency_gap", "%", 2, "Direct less indirect efficiency", "正反平衡效率偏差",
           "direct − indirect", "efficiency_{w} efficiency_indirect_{w}", APART, LOSSES_SOURCE,
           OWN)  # fmt: skip
    t.each("implausible", "1", 0, "Efficiencies implausible", "正反平衡不可信",
           "1: |direct − indirect| > limit, or direct above what fuel can give",
           "efficiency_gap_{w} efficiency_{w}", APART, LOSSES_SOURCE,
           ("boiler.efficiency_gap_limit",))  # fmt: skip
    t.each("flue_loss", "%", 2, "Flue-gas loss q2", "排烟热损失 q2",
           "(a/(21 − O2) + b) · (T_flue − T_ambient)", f"boiler.fuel_flow {FLUE_GAS}",
           f"{SIEGERT}; weighted with the heat in fuel", LOSSES_SOURCE, OWN[:1])  # fmt: skip
    t.each("unburned_gas_loss", "%", 3, "Unburnt-gas loss q3", "气体未完全燃烧热损失 q3",
           "CO · V_dry · 21/(21 − O2) · H_CO",
           "boiler.fuel_flow boiler.carbon_monoxide boiler.oxygen",
           f"{UNBURNT}; weighted with the heat in fuel", LOSSES_SOURCE, OWN[1:])  # fmt: skip
    t.each("excess_air", "1", 3, "Excess air ratio", "过量空气系数", "mean of 21/(21 − O2)",
           "boiler.oxygen", "on dry flue gas", LOSSES_SOURCE)  # fmt: skip
    t.each("fuel", "t", 3, "Fuel burnt", "燃料消耗量", "∫B dt", "boiler.fuel_flow", STEP,
           "measured")  # fmt: skip
    t.each("steam", "t", 2, "Steam made", "产汽量", "∫D dt", "boiler.steam_flow", STEP,
           "measured")  # fmt: skip
    t.each("standard_coal", "kgce/t", 1, "Standard coal per steam", "吨汽标煤耗",
           "B · Q_net / (29.3076 · D)", "boiler.fuel_flow boiler.steam_flow", STEP,
           "GB/T 2589-2020", ("energy.standard_coal", *FUEL))  # fmt: skip
    t.each("fuel_co2", "t", 3, "Fuel CO2", "燃料 CO2", "∫B dt · NCV · CC · OF · 44/12",
           "boiler.fuel_flow", "default carbon content and oxidation of the fuel", FUEL_SOURCE,
           FUEL)  # fmt: skip
    t.each("co2_per_steam", "t/t", 4, "CO2 per steam", "吨汽 CO2 排放",
           "B · NCV · CC · OF · 44/12 / D", "boiler.fuel_flow boiler.steam_flow",
           "ratio of mean flows, each over the time in which it is known", FUEL_SOURCE,
           FUEL)  # fmt: skip
    t.each("coverage", "1", 3, "Coverage", "数据覆盖率",
           "time with fuel, steam and their state known / time",
           "boiler.fuel_flow boiler.steam_flow", SHARE, "definition")  # fmt: skip
    yield from t.rows
