"""The rows of scope cell."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.figure import Figure, Window
from analytics.rows import (
    EFFECT,
    EFFECT_SOURCE,
    ENERGY_BASICS,
    FARADAY,
    LINE_CE,
    SHARE,
    STEP,
    Rows,
    effects,
)


def cell_rows() -> Iterator[Figure]:
    t = Rows("cell")
    t.one("voltage", "V", 3, "Cell voltage", "槽电压", "mean of V over the beat",
          "cell.voltage", STEP, "measured")  # fmt: skip
    t.one("resistance", "µΩ", 3, "Pseudo-resistance", "槽电阻", "(V − V0) / I",
          "voltage line.current line.extrapolated_voltage_V",
          "means over the beat; unknown below 1 % of the nominal current",
          "Banta, Dai, Biedler, Light Metals 2003")  # fmt: skip
    t.one("power", "kW", 0, "Power", "功率", "∫V·I dt / Δt", "cell.voltage line.current",
          STEP, ENERGY_BASICS)  # fmt: skip
    t.one("anode_effect", "1", 0, "Anode effect in progress", "阳极效应中",
          "1 while a run of V > v_on has lasted t_on, else 0", "cell.voltage", EFFECT,
          EFFECT_SOURCE)  # fmt: skip
    t.one("anode_effect_elapsed", "s", 0, "Anode effect elapsed", "效应持续时间",
          "time since the first reading above v_on of the anode effect in progress",
          "cell.voltage", EFFECT, EFFECT_SOURCE)  # fmt: skip
    t.each("voltage", "V", 3, "Charge-weighted voltage", "平均电压", "∫V·I dt / ∫I dt",
           "energy_{w} charge_{w}", STEP, ENERGY_BASICS)  # fmt: skip
    t.each("energy", "kWh", 1, "DC energy", "直流电量", "∫V·I dt", "voltage_{w} charge_{w}",
           STEP, ENERGY_BASICS)  # fmt: skip
    t.each("charge", "kAh", 2, "Charge", "电荷量", "∫I dt while the current is known",
           "line.current", STEP, ENERGY_BASICS)  # fmt: skip
    t.each("metal", "kg", 1, "Metal produced", "产铝量", "M/(3F) · CE · ∫I dt",
           f"charge_{{w}} {LINE_CE}",
           "Faraday's law with the configured current efficiency", "Faraday's law",
           FARADAY)  # fmt: skip
    t.each("dc_specific_energy", "kWh/t", 0, "DC specific energy", "直流电耗",
           "∫V·I dt / (M/(3F) · CE · ∫I dt), both while V and I are known",
           f"energy_{{w}} charge_{{w}} {LINE_CE}", STEP, ENERGY_BASICS, FARADAY)  # fmt: skip
    t.each("coverage", "1", 3, "Coverage", "数据覆盖率", "time with V and I known / time",
           "cell.voltage line.current", SHARE, "definition")  # fmt: skip
    t.each("excess_specific_energy", "kWh/t", 0, "Excess over target", "超耗",
           "dc_specific_energy without the time at V > v_on − target",
           f"voltage_{{w}} {LINE_CE} cell.target_dc_kWh_per_t",
           "every second above the anode-effect threshold is left out", ENERGY_BASICS, FARADAY,
           ("minute", "hour"))  # fmt: skip
    day: Window = "day"
    t.one("anode_effects", "1", 0, "Anode effects", "效应次数", "count by the day they begin",
          "cell.voltage", EFFECT, EFFECT_SOURCE, window=day)  # fmt: skip
    t.one("anode_effect_minutes", "min", 2, "Minutes in anode effects", "效应分钟数",
          "Σ time above v_on in anode effects, by the day it falls in", "cell.voltage", EFFECT,
          EFFECT_SOURCE, window=day)  # fmt: skip
    effects(t, "anode_effects_day anode_effect_minutes_day")
    yield from t.rows
