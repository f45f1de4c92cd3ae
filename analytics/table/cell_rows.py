"""The rows of scope cell."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.table.figure import Figure, Window
from analytics.table.rows import (
    COUNTED,
    EFFECT,
    EFFECT_SOURCE,
    ENERGY_BASICS,
    FARADAY,
    FLOOR,
    LINE_CE,
    PFC,
    SHARE,
    STEP,
    Rows,
    effects,
)

NORMALISED = "removes the ripple of the current; unknown below 1 % of the nominal current"
SLOPE_PRACTICE = "Dupuis, MMM 2007 and CIM 2011 (GéniSim)"
QUIET = (
    "left out: beats with V > v_on or in a run above it, 60 s after a beam move, 15 min after"
    " tapping; anode changes are entered too late to be left out"
)
BLOCKS = (
    "blocks on the epoch grid, unknown with one beat unknown or left out, at least 10 of 15 known;"
    " beats and readings at least once a second"
)
NOISE_SOURCE = "no standard definition exists: Banta, Dai, Biedler, Light Metals 2003; this is ours"
LOW_VOLTAGE = (
    "source samples; excess and time by the line's rule; not within 15 min of tapping or 60 s of a"
    " beam move; never part of the minutes in anode effects"
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
    t.one("normalised_voltage", "V", 3, "Normalised voltage", "折算电压", "V0 + R · I_nom",
          "resistance line.nominal_current_kA line.extrapolated_voltage_V", NORMALISED,
          SLOPE_PRACTICE)  # fmt: skip
    t.one("voltage_distance", "mV", 0, "Distance to set voltage", "与设定电压偏差",
          "normalised voltage − set voltage", "normalised_voltage cell.target_voltage",
          "the set voltage is the mean of its tag over the beat, or the plant file's",
          "definition")  # fmt: skip
    t.one("slope", "mV/min", 2, "Voltage slope", "电压斜率",
          "least-squares slope of 2-minute means of the normalised voltage",
          "normalised_voltage",
          "means on the epoch grid of at least 60 s of known beats, line through the last 10, at"
          f" least 6 of them known, refreshed every 2 min; {QUIET}", SLOPE_PRACTICE)  # fmt: skip
    t.one("noise_lf", "mV", 1, "Low-frequency noise", "低频噪声",
          "4 · σ of the means of 8 s of normalised voltage about their line over 120 s",
          "normalised_voltage",
          "0.008 to 0.06 Hz, the metal pad's waves: the mean of 8 s passes what is slower than"
          f" 0.06 Hz, the line takes away what is slower than 0.008 Hz; {BLOCKS}; {QUIET}",
          NOISE_SOURCE)  # fmt: skip
    t.one("noise_hf", "mV", 1, "High-frequency noise", "高频噪声",
          "4 · √(mean variance of the normalised voltage within blocks of 8 s), last 120 s",
          "normalised_voltage",
          "from 0.1 Hz to half the rate of beats: bubbles above that are aliased into it;"
          f" {BLOCKS}; {QUIET}", NOISE_SOURCE)  # fmt: skip
    t.one("anode_effect", "1", 0, "Anode effect in progress", "阳极效应中",
          "1 while a run of V > v_on has lasted t_on, else 0", "cell.voltage", EFFECT,
          EFFECT_SOURCE)  # fmt: skip
    t.one("anode_effect_elapsed", "s", 0, "Anode effect elapsed", "效应持续时间",
          "time since the first reading above v_on of the anode effect in progress",
          "cell.voltage", EFFECT, EFFECT_SOURCE)  # fmt: skip
    t.one("low_voltage_candidate", "1", 0, "Low-voltage anode effect, candidate",
          "低电压效应疑似", "1 while V_set + 0.4 V < V ≤ v_on has lasted 60 s, else 0",
          "cell.voltage cell.target_voltage", LOW_VOLTAGE, EFFECT_SOURCE)  # fmt: skip
    t.one("since_overfeed_min", "min", 1, "Since overfeed", "距上次过量下料",
          "time since the overfeed mode last stood; 0 in it", "cell.feed_mode", STEP,
          "measured")  # fmt: skip
    t.one("since_tap_h", "h", 2, "Since tapping", "距上次出铝",
          "time since the tapped metal last rose", "cell.metal_tapped",
          "counter of tapped metal", "measured")  # fmt: skip
    t.one("since_beam_move_min", "min", 1, "Since beam move", "距上次阳极移动",
          "time since the beam last moved", "cell.beam_position",
          "a change of more than 0.2 mm between two readings", "measured")  # fmt: skip
    t.one("anode_effect_risk", "1", 2, "Chance of an anode effect within 5 min",
          "5分钟内效应概率",
          "logistic model of rise, slopes, noise and feed over the last 20 min",
          "normalised_voltage cell.target_voltage cell.feed_mode cell.beam_position"
          " cell.metal_tapped",
          "half-minute means, the smaller of the last two; trained and scored on simulated plants"
          " only",
          "docs/early-warning.md")  # fmt: skip
    t.each("voltage", "V", 3, "Charge-weighted voltage", "平均电压", "∫V·I dt / ∫I dt",
           "energy_{w} charge_{w}", STEP, ENERGY_BASICS)  # fmt: skip
    t.each("energy", "kWh", 1, "DC energy", "直流电量", "∫V·I dt", "cell.voltage line.current",
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
    t.each("normalised_voltage", "V", 3, "Normalised voltage", "折算平均电压",
           "V0 + I_nom · (∫V·I dt / ∫I dt − V0) / (∫I² dt / ∫I dt)",
           "voltage_{w} line.current line.nominal_current_kA line.extrapolated_voltage_V",
           "exact for a resistance under a current that changes; anode effects included",
           SLOPE_PRACTICE)  # fmt: skip
    t.each("excess_energy", "kWh", 1, "Excess energy over target", "超耗电量",
           "∫V·I dt − target · M/(3F) · CE · ∫I dt, without the time at V > v_on",
           f"energy_{{w}} {LINE_CE} cell.target_dc_kWh_per_t",
           "negative below the target; anode effects are left out", ENERGY_BASICS,
           FARADAY)  # fmt: skip
    t.each("energy_efficiency", "%", 2, "Energy efficiency", "能量效率",
           "least energy of electrolysis / DC specific energy", "dc_specific_energy_{w}",
           "reactants at 25 °C, metal and gas at bath temperature",
           "thermodynamics; the floor as in its factor's row", FLOOR)  # fmt: skip
    t.each("heat_loss", "kW", 0, "Heat loss", "散热损失",
           "∫I·(V − I·R_ext − V_ΔH) dt / Δt, V_ΔH = 0.48 + 1.644 · CE",
           f"voltage_{{w}} line.current line.external_resistance_uOhm {LINE_CE}",
           "carbon anodes; ∫I² dt of the line over the window; anode effects included",
           "enthalpy voltage after Haupin")  # fmt: skip
    day: Window = "day"
    t.one("anode_effects", "1", 0, "Anode effects", "效应次数", "count by the day they begin",
          "cell.voltage", EFFECT, EFFECT_SOURCE, window=day)  # fmt: skip
    t.one("anode_effect_minutes", "min", 2, "Minutes in anode effects", "效应分钟数",
          "Σ time above v_on in anode effects, by the day it falls in", "cell.voltage", EFFECT,
          EFFECT_SOURCE, window=day)  # fmt: skip
    effects(t, "anode_effects_day anode_effect_minutes_day")
    t.one("cf4_overvoltage", "kg", 3, "CF4, overvoltage method", "CF4 排放（过电压法）",
          "OVC · AEO / CE [%] · metal", f"overvoltage_positive_day metal_day {LINE_CE}",
          "positive overvoltage; only of technologies with an overvoltage coefficient",
          "Regulation (EU) 2025/2547 Annex II, Eq 24; IPCC 2006 Vol 3 Eq 4.27", PFC[:1],
          window=day)  # fmt: skip
    t.one("low_voltage_candidates", "1", 0, "Low-voltage candidates", "低电压效应疑似次数",
          "count by the day they begin", "cell.voltage cell.target_voltage", LOW_VOLTAGE,
          EFFECT_SOURCE, window=day)  # fmt: skip
    t.one("low_voltage_minutes", "min", 2, "Minutes of low-voltage candidates",
          "低电压效应疑似分钟数", "Σ time of the candidates", "cell.voltage cell.target_voltage",
          LOW_VOLTAGE, EFFECT_SOURCE, window=day)  # fmt: skip
    t.one("spikes", "1", 0, "Voltage spikes", "电压尖峰次数",
          "count of V > v_on for less than t_on", "cell.voltage", EFFECT, EFFECT_SOURCE,
          window=day)  # fmt: skip
    t.one("alumina_fed", "kg", 1, "Alumina fed", "氧化铝下料量", "Σ rises of the counter",
          "cell.alumina_fed", COUNTED, "measured", window=day)  # fmt: skip
    t.one("tapped", "kg", 0, "Metal tapped", "出铝量", "Σ rises of the counter",
          "cell.metal_tapped", COUNTED, "measured", window=day)  # fmt: skip
    t.one("overfeeds", "1", 0, "Overfeeds", "过量下料次数", "count of changes to overfeed",
          "cell.feed_mode", STEP, "measured", window=day)  # fmt: skip
    t.one("underfeed_minutes", "min", 1, "Minutes of underfeed", "欠量下料分钟数",
          "Σ time in underfeed", "cell.feed_mode", STEP, "measured", window=day)  # fmt: skip
    t.one("quench_minutes", "min", 1, "Minutes of quench feed", "效应处理下料分钟数",
          "Σ time in quench feed", "cell.feed_mode", STEP, "measured", window=day)  # fmt: skip
    t.one("beam_moves", "1", 0, "Beam moves", "阳极移动次数", "count", "cell.beam_position",
          "a change of more than 0.2 mm between two readings", "measured",
          window=day)  # fmt: skip
    t.one("target_voltage", "V", 3, "Set voltage", "平均设定电压", "∫V_set dt / ∫dt",
          "cell.target_voltage cell.voltage", "time-weighted, while the voltage is known",
          "definition", window=day)  # fmt: skip
    t.one("known_seconds", "s", 0, "Time known", "有效数据时间", "time with V and I known",
          "cell.voltage line.current", SHARE, "definition", window=day)  # fmt: skip
    yield from t.rows
