"""What the rows of the table of figures are written with: the shared texts, `Rows`, and the rows
that several scopes have alike."""

from __future__ import annotations

from analytics.beat.assessment import Scope
from analytics.table.figure import WINDOWS, Figure, Window

FARADAY = ("constant.faraday", "constant.molar_mass_Al")
PFC = ("pfc.", "gwp.")
FUEL = ("fuel.",)
GRID = ("grid.",)
FLOOR = ("energy.electrolysis_floor",)
LINE_CE = "line.current_efficiency"

ENERGY_BASICS = "Faraday's law; E = Σ V·I·Δt"
STEP = "step interpolation on source times: a reading stands until the next, at most its hold time"
SLOPE = "slope method; minutes in anode effects of each cell times its own production"
SLOPE_SOURCE = "Regulation (EU) 2025/2547 (CBAM) Annex II, Eq 21-23, 26; IPCC 2006 Vol 3 Eq 4.26"
EFFECT = "anode effects on source samples, V > v_on for t_on, merged within t_merge (line's rule)"
EFFECT_SOURCE = "Wong et al., ICSOBA 2019 (8 V); Regulation (EU) 2025/2547 Annex II, Eq 23"
ANODE_SOURCE = "IPCC 2006 Vol 3 Ch 4, Eq 4.21"
GRID_METHOD = "location-based: average generation factor of the grid region, not life-cycle"
GRID_SOURCE = "GHG Protocol Scope 2; grid factor as in the factor's row"
LIMITS_SOURCE = "GB 21346-2022"
BOILER_SOURCE = "GB/T 10180 direct method; enthalpies by IAPWS-IF97"
FUEL_SOURCE = "MEE enterprise GHG reporting guide: FC·NCV·CC·OF·44/12"
SHARE = "known time over the time since the window began"
COUNTED = "a fall of the counter is a reset and counts nothing"
RATES = "ratio of mean rates, each over the time in which it is known"

NO_DC_SOURCE = "energy of DC sources behind the rectifiers is not in it"

PERIODS: dict[Window, tuple[str, str]] = {
    "minute": ("this minute", "本分钟"),
    "hour": ("this hour", "本小时"),
    "shift": ("this shift", "本班"),
    "day": ("today", "当日"),
}


class Rows:
    """Collects rows of one scope. `{w}` in a text stands for the window."""

    def __init__(self, scope: Scope, beat_coverage: str = "coverage_minute") -> None:
        self.scope: Scope = scope
        self.beat_coverage = beat_coverage
        self.rows: list[Figure] = []

    def one(
        self,
        name: str,
        unit: str,
        decimals: int,
        label: str,
        label_zh: str,
        formula: str,
        inputs: str,
        method: str,
        source: str,
        factors: tuple[str, ...] = (),
        window: Window = "beat",
    ) -> None:
        """A figure of the beat, or of one window only when `window` is given. inputs: by space."""
        if window != "beat":
            period, period_zh = PERIODS[window]
            name, label, label_zh = f"{name}_{window}", f"{label}, {period}", period_zh + label_zh
        fill = {"w": window}
        self.rows.append(
            Figure(
                name=name,
                scope=self.scope,
                window=window,
                unit=unit,
                formula=formula.format(**fill),
                inputs=tuple(inputs.format(**fill).split()),
                factors=factors,
                method=method,
                source=source,
                coverage=self.beat_coverage if window == "beat" else f"coverage_{window}",
                decimals=decimals,
                label=label,
                label_zh=label_zh,
            )
        )

    def each(
        self,
        name: str,
        unit: str,
        decimals: int,
        label: str,
        label_zh: str,
        formula: str,
        inputs: str,
        method: str,
        source: str,
        factors: tuple[str, ...] = (),
        windows: tuple[Window, ...] = WINDOWS,
    ) -> None:
        """A figure of each window, side by side in the order of WINDOWS."""
        for window in windows:
            self.one(
                name, unit, decimals, label, label_zh, formula, inputs, method, source, factors,
                window,
            )  # fmt: skip


def effects(t: Rows, inputs: str) -> None:
    """AEF to PFC of the day, the same for a cell and a line."""
    day: Window = "day"
    cell = t.scope == "cell"
    t.one("aef", "1/(cell·d)", 3, "Anode-effect frequency", "效应系数",
          "anode effects / cell-days observed", inputs.split()[0], EFFECT, EFFECT_SOURCE,
          window=day)  # fmt: skip
    t.one("aed", "min", 2, "Anode-effect duration", "效应平均持续时间",
          "minutes in anode effects / anode effects", inputs, EFFECT, EFFECT_SOURCE,
          window=day)  # fmt: skip
    t.one("aem", "min/(cell·d)", 3, "Anode-effect minutes per cell-day", "日均效应分钟",
          "minutes in anode effects / cell-days observed", inputs.split()[1], EFFECT,
          EFFECT_SOURCE, window=day)  # fmt: skip
    for name, label, label_zh, formula in (
        ("overvoltage_positive", "Anode-effect overvoltage, positive", "效应过电压（正）",
         "Σ max(V − V_target, 0) Δt over anode effects / time observed"),
        ("overvoltage_algebraic", "Anode-effect overvoltage, algebraic", "效应过电压（代数）",
         "Σ (V − V_target) Δt over anode effects / time observed"),
    ):  # fmt: skip
        t.one(name, "mV", 2, label, label_zh, formula, "cell.voltage cell.target_voltage",
              "from the first reading above v_on to the end of the last run merged",
              "Regulation (EU) 2025/2547 Annex II; Regulation (EU) 601/2012 Annex IV §8 B",
              window=day)  # fmt: skip
    own = "anode_effect_minutes_day metal_day" if cell else "cell.cf4_day"
    t.one("cf4", "kg", 3, "CF4", "CF4 排放", "SEF · p · minutes" if cell else "Σ cells",
          own, SLOPE, SLOPE_SOURCE, PFC[:1], window=day)  # fmt: skip
    t.one("c2f6", "kg", 4, "C2F6", "C2F6 排放", "CF4 · F", "cf4_day", SLOPE, SLOPE_SOURCE,
          PFC[:1], window=day)  # fmt: skip
    if cell:
        t.one("pfc_co2e", "t", 3, "PFC as CO2e", "PFC 折 CO2e",
              "(CF4 · GWP_CF4 + C2F6 · GWP_C2F6) / 1000", "cf4_day c2f6_day", SLOPE,
              SLOPE_SOURCE, PFC[1:], window=day)  # fmt: skip


def totals(t: Rows, of: str) -> None:
    """The windows' rows that lines and the site share. of: the scope that is added up."""
    line = t.scope == "line"
    ac = "rectifier.ac_power" if line else "line.ac_energy_{w}"
    aux = "meter.power"
    add = "Σ of what is known"
    t.each("dc_energy", "MWh", 3, "DC energy", "直流电量", f"Σ {of}s",
           f"{of}.energy_{{w}}" if line else "line.dc_energy_{w}", add, ENERGY_BASICS)  # fmt: skip
    t.each("ac_energy", "MWh", 3, "AC energy of rectifiers", "整流交流电量", "Σ ∫P dt", ac,
           f"{STEP}; {NO_DC_SOURCE}", LIMITS_SOURCE)  # fmt: skip
    t.each("auxiliary_energy", "MWh", 3, "Auxiliary energy", "动力电量", "Σ ∫P dt", aux,
           "meters of auxiliaries" + (" of the line" if line else "") + "; main and sub-meters"
           " overlap with others and are not added", LIMITS_SOURCE)  # fmt: skip
    t.each("metal", "t", 3, "Metal produced", "产铝量",
           "cells · M/(3F) · CE · ∫I dt" if line else "Σ lines",
           f"line.current {LINE_CE}" if line else "line.metal_{w}",
           "Faraday's law with the configured current efficiency", "Faraday's law",
           FARADAY if line else ())  # fmt: skip
    t.each("dc_specific_energy", "kWh/t", 0, "DC specific energy", "直流电耗",
           "Σ ∫V·I dt / Σ (M/(3F) · CE · ∫I dt), each cell while its V and I are known",
           f"dc_energy_{{w}} metal_{{w}} coverage_{{w}} {LINE_CE}", add, ENERGY_BASICS,
           FARADAY)  # fmt: skip
    t.each("ac_specific_energy", "kWh/t", 0, "AC specific energy", "交流电耗", "AC / metal",
           "ac_energy_{w} metal_{w}", f"{RATES}; {NO_DC_SOURCE}", LIMITS_SOURCE)  # fmt: skip
    t.each("total_specific_energy", "kWh/t", 0, "Total AC specific energy", "综合交流电耗",
           "(AC + auxiliaries) / metal", "ac_energy_{w} auxiliary_energy_{w} metal_{w}",
           f"{RATES}; {NO_DC_SOURCE}", LIMITS_SOURCE)  # fmt: skip
    if line:
        anode = (
            "metal_{w} line.net_carbon_t_per_t line.anode_sulphur_percent line.anode_ash_percent"
        )
        t.each("anode_co2", "t", 3, "Anode CO2", "阳极 CO2", "NC · (1 − S − ash) · 44/12 · metal",
               anode, "net carbon consumption as configured; cells with inert anodes make none",
               ANODE_SOURCE)  # fmt: skip
        t.each("pfc_co2e", "t", 3, "PFC as CO2e", "PFC 折 CO2e",
               "Σ cells SEF · p · minutes · (GWP_CF4 + F · GWP_C2F6) / 1000",
               "cell.voltage line.current", SLOPE, SLOPE_SOURCE, PFC)  # fmt: skip
    else:
        t.each("anode_co2", "t", 3, "Anode CO2", "阳极 CO2", "Σ lines", "line.anode_co2_{w}", add,
               ANODE_SOURCE)  # fmt: skip
        t.each("pfc_co2e", "t", 3, "PFC as CO2e", "PFC 折 CO2e", "Σ lines", "line.pfc_co2e_{w}",
               add, SLOPE_SOURCE)  # fmt: skip
        t.each("fuel_co2", "t", 3, "Fuel CO2", "燃料 CO2", "Σ boilers", "boiler.fuel_co2_{w}",
               add, FUEL_SOURCE)  # fmt: skip
    direct = "anode_co2_{w} pfc_co2e_{w}" + ("" if line else " fuel_co2_{w}")
    burnt = "" if line else " + fuel"
    t.each("scope1_co2e", "t", 3, "Scope 1", "范围一", f"anode + PFC{burnt}", direct,
           "direct emissions", "GHG Protocol; IPCC 2006 Vol 3 Ch 4")  # fmt: skip
    t.each("scope2_co2e", "t", 3, "Scope 2, location-based", "范围二（基于位置）",
           "grid factor · (AC + auxiliaries)", "ac_energy_{w} auxiliary_energy_{w}",
           GRID_METHOD + "; DC sources behind the rectifiers count as 0", GRID_SOURCE,
           GRID)  # fmt: skip
    t.each("carbon_intensity", "t/t", 3, "Carbon intensity", "碳强度",
           "(scope 1 + scope 2) / metal", "scope1_intensity_{w} scope2_intensity_{w}", RATES,
           "GHG Protocol, scopes 1 and 2 location-based")  # fmt: skip
    t.each("scope1_intensity", "t/t", 3, "Scope 1 intensity", "范围一强度",
           f"(anode + PFC{burnt}) / metal", "scope1_co2e_{w} metal_{w}",
           RATES + "; PFC by minutes per cell-day observed", SLOPE_SOURCE)  # fmt: skip
    t.each("scope2_intensity", "t/t", 3, "Scope 2 intensity, location-based",
           "范围二强度（基于位置）", "grid factor · (AC + auxiliaries) / metal",
           "ac_energy_{w} auxiliary_energy_{w} metal_{w}", RATES + "; " + GRID_METHOD,
           GRID_SOURCE, GRID)  # fmt: skip
    t.each("excess_energy", "MWh", 3, "Excess energy over target", "超耗电量", f"Σ {of}s",
           "cell.excess_energy_{w}" if line else "line.excess_energy_{w}",
           "negative below the target; anode effects are left out", ENERGY_BASICS,
           FARADAY)  # fmt: skip
    t.each("dc_source_energy", "MWh", 3, "DC sources behind the rectifiers", "直流侧电源电量",
           "Σ ∫P dt", "meter.power", "meters of DC sources; neither AC energy nor auxiliaries",
           "measured")  # fmt: skip
    t.each("rectifier_efficiency", "%", 2, "Rectifier efficiency", "整流效率", "DC / AC",
           "rectifier.dc_power line.line_voltage line.current meter.power rectifier.ac_power",
           f"DC: the rectifiers' own where measured, otherwise ∫V·I dt of the line's measured"
           f" voltage less its DC sources; {RATES}", "definition")  # fmt: skip
    t.each("energy_balance_closure", "%", 2, "Closure of the energy balance", "电量平衡率",
           "DC power of the cells / (line voltage · current)",
           "cell.voltage line.line_voltage line.current",
           "lines with a measured line voltage; mean powers, each over its known time; what is"
           " missing to 100 % are busbars outside the cells and errors of the meters",
           "definition")  # fmt: skip
    t.each("coverage", "1", 3, "Coverage", "数据覆盖率",
           "least known of cells, rectifiers, meters" + ("" if line else ", boilers"),
           f"{of}.coverage_{{w}}", SHARE, "definition")  # fmt: skip


def powers(t: Rows) -> None:
    line = t.scope == "line"
    t.one("dc_power", "MW", 2, "DC power", "直流功率", "Σ cells" if line else "Σ lines",
          "cell.power" if line else "line.dc_power", "Σ of what is known",
          ENERGY_BASICS)  # fmt: skip
    t.one("ac_power", "MW", 2, "AC power of rectifiers", "整流交流功率",
          "Σ rectifiers; unknown when one is", "rectifier.ac_power", STEP, "measured")  # fmt: skip
    t.one("auxiliary_power", "MW", 2, "Auxiliary power", "动力功率",
          "Σ meters of auxiliaries" + (" of the line; 0 without any" if line else ""),
          "meter.power", STEP, "measured")  # fmt: skip
    t.one("metal_rate", "t/h", 2, "Metal rate", "产铝速率",
          "cells · M/(3F) · CE · I" if line else "Σ lines; unknown when one is",
          f"current {LINE_CE}" if line else "line.metal_rate",
          "Faraday's law with the configured current efficiency", "Faraday's law",
          FARADAY if line else ())  # fmt: skip
    t.one("carbon_intensity", "t/t", 3, "Carbon intensity, live", "实时碳强度",
          "(grid factor · (AC + auxiliaries) + anode + PFC" + ("" if line else " + fuel")
          + ") / metal rate",
          "ac_power auxiliary_power metal_rate " + ("cells_in_anode_effect" if line
          else "boiler.fuel_co2"),
          "rates of the beat; a cell in anode effect emits slope · p a minute",
          "GHG Protocol, scopes 1 and 2 location-based", GRID + PFC)  # fmt: skip
