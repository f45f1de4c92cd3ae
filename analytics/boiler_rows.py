"""The rows of scope boiler."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.figure import Figure
from analytics.rows import BOILER_SOURCE, FUEL, FUEL_SOURCE, SHARE, STEP, Rows


def boiler_rows() -> Iterator[Figure]:
    t = Rows("boiler")
    state = (
        "boiler.steam_pressure boiler.steam_temperature boiler.feedwater_temperature"
        " boiler.blowdown_percent"
    )
    eta = "[D(h_s − h_fw) + D_bd(h_bd − h_fw)] / (B · Q_net)"
    t.one("fuel_flow", "t/h", 2, "Fuel flow", "燃料流量", "mean of B over the beat",
          "boiler.fuel_flow", STEP, "measured")  # fmt: skip
    t.one("steam_flow", "t/h", 2, "Steam flow", "蒸汽流量", "mean of D over the beat",
          "boiler.steam_flow", STEP, "measured")  # fmt: skip
    t.one("efficiency", "%", 2, "Direct efficiency", "正平衡效率", eta,
          f"fuel_flow steam_flow {state}", "direct method, on net calorific value",
          BOILER_SOURCE, FUEL)  # fmt: skip
    t.one("fuel_co2", "t/h", 2, "Fuel CO2", "燃料 CO2", "B · NCV · CC · OF · 44/12", "fuel_flow",
          "default carbon content and oxidation of the fuel", FUEL_SOURCE, FUEL)  # fmt: skip
    t.each("efficiency", "%", 2, "Direct efficiency", "正平衡效率", f"∫ of {eta}",
           f"boiler.fuel_flow boiler.steam_flow {state}", "direct method, on net calorific value",
           BOILER_SOURCE, FUEL)  # fmt: skip
    t.each("standard_coal", "kgce/t", 1, "Standard coal per steam", "吨汽标煤耗",
           "B · Q_net / (29.3076 · D)", "boiler.fuel_flow boiler.steam_flow", STEP,
           "GB/T 2589-2020", ("energy.standard_coal", *FUEL))  # fmt: skip
    t.each("fuel_co2", "t", 3, "Fuel CO2", "燃料 CO2", "∫B dt · NCV · CC · OF · 44/12",
           "boiler.fuel_flow", "default carbon content and oxidation of the fuel", FUEL_SOURCE,
           FUEL)  # fmt: skip
    t.each("coverage", "1", 3, "Coverage", "数据覆盖率",
           "time with fuel, steam and their state known / time",
           "boiler.fuel_flow boiler.steam_flow", SHARE, "definition")  # fmt: skip
    yield from t.rows
