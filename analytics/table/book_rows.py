"""The rows of the book: figures of the last 30 local days, and as of the end of a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analytics.beat.assessment import Scope
from analytics.table.figure import Figure, Window
from analytics.table.rows import (
    ANODE_SOURCE,
    EFFECT,
    EFFECT_SOURCE,
    ENERGY_BASICS,
    FARADAY,
    FUEL_SOURCE,
    GRID,
    GRID_METHOD,
    GRID_SOURCE,
    LIMITS_SOURCE,
    LINE_CE,
    PFC,
    SLOPE,
    SLOPE_SOURCE,
)

DENSITY = ("constant.density_liquid_Al",)
CLOSING = "from the closing figures of 30 local days"
WEIGHTED = "mean over the days, each with its metal; days without one of both are left out"
BALANCE = (
    "from the first metal level of the 30 days to the last, each within 36 h of the end of the"
    " days; taps as weighed, without any as the counter rose; charge by each day's mean current;"
    " nothing without both levels and a tap between"
)
BALANCE_SOURCE = "metal balance; pad mass = density · area · level"
BATH = (
    "newest analysis of at most 8 days and temperature of at most 6; LiF, MgF2, KF count 0 where"
    " they are not analysed"
)
BATH_INPUTS = "cell.alumina_percent cell.alf3_percent cell.caf2_percent cell.lif_percent" + (
    " cell.mgf2_percent cell.kf_percent"
)
VOLTAGE = (
    "last day's voltage without anode effects; fanning 1.10, critical alumina 1 %, k_phi 0.9;"
    " carbon anodes only"
)
HAUPIN = "Haupin, Light Metals 1998, as in Yao et al., AIChE J 63 (2017) 2806"
ROBUST = "robust: median, and 1.4826 times the median distance from it; at least 5 cells"


class BookRows:
    """Collects rows of one scope, of one window at a time."""

    def __init__(self, scope: Scope) -> None:
        self.scope: Scope = scope
        self.rows: list[Figure] = []

    def month(
        self, name: str, unit: str, decimals: int, label: str, label_zh: str, formula: str,
        inputs: str, method: str = CLOSING, source: str = "definition",
        factors: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """A figure of the last 30 days; name without its suffix. inputs: by space."""
        name, _, part = name.partition("+")
        self._row(
            f"{name}_30d{part}", "30d", unit, decimals, f"{label}, last 30 days",
            "近30天" + label_zh, formula, inputs, method, source, factors,
        )  # fmt: skip

    def now(
        self, name: str, unit: str, decimals: int, label: str, label_zh: str, formula: str,
        inputs: str, method: str, source: str = "definition", factors: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """A figure as it stands at the end of the day."""
        self._row(
            name, "book", unit, decimals, label, label_zh, formula, inputs, method, source, factors
        )

    def _row(
        self, name: str, window: Window, unit: str, decimals: int, label: str, label_zh: str,
        formula: str, inputs: str, method: str, source: str, factors: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.rows.append(
            Figure(
                name=name,
                scope=self.scope,
                window=window,
                unit=unit,
                formula=formula,
                inputs=tuple(inputs.split()),
                factors=factors,
                method=method,
                source=source,
                coverage="coverage_30d",
                decimals=decimals,
                label=label,
                label_zh=label_zh,
            )
        )


def _cell_rows() -> Iterator[Figure]:
    t = BookRows("cell")
    t.month(
        "energy", "kWh", 0, "DC energy", "直流电量", "Σ days", "energy_day", source=ENERGY_BASICS
    )
    t.month("charge", "kAh", 1, "Charge", "电荷量", "Σ days", "charge_day", source=ENERGY_BASICS)
    t.month("voltage", "V", 3, "Charge-weighted voltage", "平均电压", "∫V·I dt / ∫I dt",
            "energy_day voltage_day", source=ENERGY_BASICS)  # fmt: skip
    t.month("metal", "kg", 0, "Metal produced", "产铝量", "Σ days", f"metal_day {LINE_CE}",
            "Faraday's law with the configured current efficiency", "Faraday's law")  # fmt: skip
    t.month("coverage", "1", 3, "Coverage", "数据覆盖率", "time with V and I known / time",
            "known_seconds_day coverage_day")  # fmt: skip
    t.month("dc_specific_energy", "kWh/t", 0, "DC specific energy", "直流电耗",
            "V / (M/(3F) · CE)", f"voltage_30d {LINE_CE}",
            CLOSING + ", with the configured current efficiency", ENERGY_BASICS,
            FARADAY)  # fmt: skip
    t.month("excess_energy", "kWh", 0, "Excess energy over target", "超耗电量", "Σ days",
            "excess_energy_day", CLOSING + "; time in anode effects is left out")  # fmt: skip
    t.month("excess_cost", "currency", 0, "Cost of excess energy", "超耗电费",
            "excess energy · price",
            "excess_energy_30d site.electricity_price_per_MWh",
            "at the configured price")  # fmt: skip
    t.month("voltage_above_set", "V", 3, "Voltage above set voltage", "槽电压超设定值",
            "mean of V − V_set of the days", "voltage_day target_voltage_day")  # fmt: skip
    t.month("energy_efficiency", "%", 1, "Energy efficiency", "能量效率",
            "thermodynamic floor / (kWh/kg)", "dc_specific_energy_30d",
            "floor: reactants at 25 °C, products at bath temperature, carbon anodes",
            "definition; see the factor", ("energy.electrolysis_floor",))  # fmt: skip
    t.month("heat_loss", "kW", 0, "Heat loss", "散热损失", "I · (V − I·R_ext − 0.48 − 1.644 CE)",
            f"voltage_30d line.current {LINE_CE}",
            CLOSING + "; enthalpy voltage of carbon anodes",
            "Haupin, Light Metals 1998")  # fmt: skip
    _balance(t, "cell.tap_mass cell.metal_level charge_30d")
    t.month("tapped", "kg", 0, "Metal tapped", "出铝量", "Σ taps",
            "cell.tap_mass cell.metal_tapped", "tap weights; without any the rises of the counter",
            "measured")  # fmt: skip
    _effects(t)
    t.month("pfc_slope_co2e", "t", 3, "PFC as CO2e, slope method", "PFC 折 CO2e（斜率法）",
            "(Σ CF4 · GWP_CF4 + Σ C2F6 · GWP_C2F6) / 1000", "cf4_day c2f6_day", SLOPE,
            SLOPE_SOURCE, PFC)  # fmt: skip
    t.month("pfc_overvoltage_co2e", "t", 3, "PFC as CO2e, overvoltage method",
            "PFC 折 CO2e（过电压法）", "Σ CF4 · (GWP_CF4 + F · GWP_C2F6) / 1000",
            "cf4_overvoltage_day", "only for technologies with an overvoltage coefficient",
            "Regulation (EU) 2025/2547 Annex II, Eq 24", PFC[1:])  # fmt: skip
    t.month("noise_lf", "mV", 1, "Low-frequency noise", "低频噪声", "median of 30 closing values",
            "noise_lf", "noise of the last two minutes before each local midnight",
            "median of the beat figure")  # fmt: skip
    t.now("days_since_tap", "d", 2, "Days since tapping", "距上次出铝天数",
          "end of day − newest tap", "cell.tap_mass", "unknown beyond 30 days")  # fmt: skip
    t.now("days_since_anode_change", "d", 2, "Days since anode change", "距上次换极天数",
          "end of day − newest change", "cell.anode_changes", "unknown beyond 30 days")  # fmt: skip
    t.month("anode_changes", "1", 0, "Anodes changed", "换极块数", "Σ changes",
            "cell.anode_changes", "entered or reported changes", "measured")  # fmt: skip
    t.now("days_in_operation", "d", 0, "Days in operation", "槽龄", "end of day − start",
          "", "local days since the date `started` of the cell")  # fmt: skip
    t.now("bath_temperature_last", "degC", 1, "Bath temperature, newest", "最近电解质温度",
          "newest value", "cell.bath_temperature", "of at most 6 days", "measured")  # fmt: skip
    t.now("bath_ratio", "1", 3, "Bath ratio", "电解质质量比", "NaF / AlF3 by weight", BATH_INPUTS,
          BATH, "Yao et al., AIChE J 63 (2017) 2806")  # fmt: skip
    t.now("cryolite_ratio", "1", 3, "Cryolite ratio", "分子比", "2 · bath ratio", "bath_ratio",
          BATH, "molar NaF / AlF3")  # fmt: skip
    t.now("liquidus", "degC", 1, "Liquidus", "初晶温度", "Solheim", BATH_INPUTS, BATH,
          "Solheim et al., Metall. Mater. Trans. B 27 (1996) 739")  # fmt: skip
    t.now("superheat", "K", 1, "Superheat", "过热度", "bath temperature − liquidus",
          "bath_temperature_last liquidus", BATH)  # fmt: skip
    _voltages(t)
    t.now("low_efficiency", "1", 0, "Low efficiency", "低效槽标志",
          "0; else 1 + 2 high voltage + 4 low CE + 8 noise + 16 anode effects + 32 heat balance",
          "dc_specific_energy_30d dc_specific_energy_tapped_30d voltage_above_set_30d"
          " current_efficiency_30d noise_lf_30d aem_30d superheat",
          "kWh/t more than 2.5 robust standard deviations and 50 kWh/t above the line's median; by"
          " metal balance more than 1.96 of its standard uncertainty; " + ROBUST)  # fmt: skip
    yield from t.rows


def _balance(t: BookRows, inputs: str) -> None:
    t.month("current_efficiency", "1", 4, "Current efficiency by metal balance",
            "电流效率（出铝盘存）", "(Σ tapped + ΔM) / (M/(3F) · ∫I dt)", inputs, BALANCE,
            BALANCE_SOURCE, (*FARADAY, *DENSITY))  # fmt: skip
    t.month("current_efficiency+_u", "1", 4, "Its standard uncertainty", "电流效率标准不确定度",
            "CE · √(2 (σ_M / metal)² + (1 − coverage)²/3 + scale² + current²)",
            inputs + " line.level_sd_cm",
            "level of both ends; time without data, rectangular; scale and current meter as their"
            " tags' accuracy, 0 where none is stated", BALANCE_SOURCE, DENSITY)  # fmt: skip
    t.month("dc_specific_energy_tapped", "kWh/t", 0, "DC specific energy by metal balance",
            "直流电耗（按出铝盘存）", "V / (M/(3F) · CE by metal balance)",
            "voltage_30d current_efficiency_30d" if t.scope == "cell" else
            "dc_specific_energy_30d current_efficiency_30d", BALANCE, ENERGY_BASICS,
            FARADAY)  # fmt: skip


def _effects(t: BookRows) -> None:
    of = "" if t.scope == "cell" else "cell."
    both = f"{of}anode_effects_day {of}anode_effect_minutes_day"
    t.month("anode_effects", "1", 0, "Anode effects", "效应次数", "Σ days",
            f"{of}anode_effects_day", EFFECT, EFFECT_SOURCE)  # fmt: skip
    if t.scope == "cell":
        t.month("anode_effect_minutes", "min", 2, "Minutes in anode effects", "效应分钟数",
                "Σ days", "anode_effect_minutes_day", EFFECT, EFFECT_SOURCE)  # fmt: skip
    t.month("aef", "1/(cell·d)", 4, "Anode-effect frequency", "效应系数",
            "anode effects / cell-days observed", both, EFFECT, EFFECT_SOURCE)  # fmt: skip
    t.month("aed", "min", 2, "Anode-effect duration", "效应平均持续时间",
            "minutes in anode effects / anode effects", both, EFFECT, EFFECT_SOURCE)  # fmt: skip
    t.month("aem", "min/(cell·d)", 4, "Anode-effect minutes per cell-day", "日均效应分钟",
            "minutes in anode effects / cell-days observed", both, EFFECT,
            EFFECT_SOURCE)  # fmt: skip


def _voltages(t: BookRows) -> None:
    chemistry = f"{BATH_INPUTS} cell.bath_temperature"
    for name, label, label_zh, formula in (
        ("reversible_voltage", "Reversible voltage", "可逆电压",
         "1.896 − 0.000572 T + RT/(12F) ln(1/a²)"),
        ("anode_overvoltage", "Anode reaction overvoltage", "阳极反应过电压",
         "T/12533 · ln(i / (0.0029 w^0.56))"),
        ("anode_concentration_overvoltage", "Anode concentration overvoltage", "阳极浓差过电压",
         "RT/(2F) · ln(i_crit / (i_crit − i))"),
        ("cathode_overvoltage", "Cathode concentration overvoltage", "阴极浓差过电压",
         "RT/(1.5F) · (1.375 − 0.25 BR) · ln(i_c / 0.257)"),
        ("bath_voltage", "Bath voltage", "电解质压降", "V − Σ other terms"),
        ("bubble_voltage", "Bubble voltage", "气泡压降", "I d_b φ / (κ f A (1 − φ))"),
        ("anode_drop", "Anode voltage drop", "阳极压降", "I · R_anode"),
        ("cathode_drop_voltage", "Cathode voltage drop", "阴极压降",
         "newest measured of 30 days; else I · R_cathode"),
        ("external_drop", "External voltage drop", "外部母线压降", "I · R_external"),
        ("unexplained_voltage", "Unexplained voltage", "未解释电压",
         "V − Σ terms, where they are more than V even without a bath layer"),
    ):  # fmt: skip
        inputs = f"voltage_day {chemistry}" + (
            " cell.cathode_drop" if name == "cathode_drop_voltage" else ""
        )
        t.now(name, "V", 3, label, label_zh, formula, inputs, VOLTAGE, HAUPIN)
    t.now("anode_cathode_distance", "cm", 2, "Anode-cathode distance, fitted", "极距（拟合）",
          "d_b + bath voltage · κ f A / I", "bath_voltage",
          "not measured: fitted so that the terms add up to the voltage, so nothing stays"
          " unexplained", HAUPIN)  # fmt: skip


def _totals(t: BookRows) -> None:
    line = t.scope == "line"
    for name, label, label_zh in (
        ("dc_energy", "DC energy", "直流电量"),
        ("ac_energy", "AC energy of rectifiers", "整流交流电量"),
        ("auxiliary_energy", "Auxiliary energy", "动力电量"),
    ):
        t.month(name, "MWh", 1, label, label_zh, "Σ days", f"{name}_day", source=ENERGY_BASICS)
    t.month("metal", "t", 1, "Metal produced", "产铝量", "Σ days", "metal_day",
            "Faraday's law with the configured current efficiency", "Faraday's law")  # fmt: skip
    t.month("coverage", "1", 3, "Coverage", "数据覆盖率", "mean of the days", "coverage_day",
            "a day without figures counts 0")  # fmt: skip
    t.month("ac_specific_energy", "kWh/t", 0, "AC specific energy", "交流电耗",
            "Σ (kWh/t · metal) / Σ metal", "ac_specific_energy_day metal_day", WEIGHTED,
            LIMITS_SOURCE)  # fmt: skip
    t.month("total_specific_energy", "kWh/t", 0, "Total AC specific energy", "综合交流电耗",
            "Σ (kWh/t · metal) / Σ metal", "total_specific_energy_day metal_day", WEIGHTED,
            LIMITS_SOURCE)  # fmt: skip
    t.month("cost", "currency", 0, "Cost of electricity", "电费",
            "price · (AC + auxiliaries)",
            "ac_energy_30d auxiliary_energy_30d site.electricity_price_per_MWh",
            "in the site's currency, at the one price of the plant file")  # fmt: skip
    t.month("anode_co2", "t", 1, "Anode CO2", "阳极 CO2", "Σ days", "anode_co2_day",
            source=ANODE_SOURCE)  # fmt: skip
    if not line:
        t.month("pfc_co2e", "t", 2, "PFC as CO2e", "PFC 折 CO2e", "Σ days", "pfc_co2e_day", SLOPE,
                SLOPE_SOURCE)  # fmt: skip
        t.month("fuel_co2", "t", 1, "Fuel CO2", "燃料 CO2", "Σ days", "fuel_co2_day",
                source=FUEL_SOURCE)  # fmt: skip
    t.month("scope1_co2e", "t", 1, "Scope 1", "范围一", "Σ days", "scope1_co2e_day",
            "direct emissions", "GHG Protocol; IPCC 2006 Vol 3 Ch 4")  # fmt: skip
    t.month("scope2_co2e", "t", 1, "Scope 2, location-based", "范围二（基于位置）", "Σ days",
            "scope2_co2e_day", GRID_METHOD, GRID_SOURCE, GRID)  # fmt: skip
    for name, label, label_zh in (
        ("carbon_intensity", "Carbon intensity", "碳强度"),
        ("scope1_intensity", "Scope 1 intensity", "范围一强度"),
        ("scope2_intensity", "Scope 2 intensity, location-based", "范围二强度（基于位置）"),
    ):
        t.month(name, "t/t", 3, label, label_zh, "Σ (t/t · metal) / Σ metal",
                f"{name}_day metal_day", WEIGHTED, "GHG Protocol, scopes 1 and 2")  # fmt: skip
    if not line:
        t.month("scope2_market_co2e", "t", 1, "Scope 2, market-based", "范围二（基于市场）",
                "Σ days", "scope2_market_co2e_day", source="GHG Protocol Scope 2")  # fmt: skip
        t.month("market_intensity", "t/t", 3, "Carbon intensity, market-based",
                "碳强度（基于市场）", "Σ (t/t · metal) / Σ metal", "market_intensity_day metal_day",
                WEIGHTED, "GHG Protocol Scope 2")  # fmt: skip


def _line_rows() -> Iterator[Figure]:
    t = BookRows("line")
    _totals(t)
    t.month("dc_specific_energy", "kWh/t", 0, "DC specific energy", "直流电耗",
            "Σ energy / Σ metal, each cell while its V and I are known",
            f"cell.energy_30d cell.dc_specific_energy_30d {LINE_CE}",
            CLOSING + ", with the configured current efficiency", ENERGY_BASICS,
            FARADAY)  # fmt: skip
    _balance(t, "cell.tap_mass cell.metal_level cell.charge_30d")
    t.month("tapped", "t", 1, "Metal tapped", "出铝量", "Σ cells", "cell.tapped_30d",
            "Σ of what is known", "measured")  # fmt: skip
    t.month("anode_changes", "1", 0, "Anodes changed", "换极块数", "Σ cells",
            "cell.anode_changes_30d", "Σ of what is known", "measured")  # fmt: skip
    t.month("excess_energy", "MWh", 1, "Excess energy over target", "超耗电量", "Σ days",
            "excess_energy_day", CLOSING + "; time in anode effects is left out")  # fmt: skip
    t.month("excess_cost", "currency", 0, "Cost of excess energy", "超耗电费",
            "excess energy · price",
            "excess_energy_30d site.electricity_price_per_MWh",
            "at the configured price")  # fmt: skip
    for indicator, label, label_zh, figure in (
        ("liquid_ac", "GB 21346 level, AC of molten metal", "铝液交流电耗能效等级",
         "ac_specific_energy_30d"),
        ("liquid_total_ac", "GB 21346 level, comprehensive AC of molten metal",
         "铝液综合交流电耗能效等级", "total_specific_energy_30d"),
    ):  # fmt: skip
        t.month(f"gb_level_{indicator}", "1", 0, label, label_zh,
                "best level whose limit is not below the value; 0 for none", figure,
                "each indicator has a level of its own", LIMITS_SOURCE,
                tuple(f"gb21346.{indicator}.{level}" for level in (1, 2, 3)))  # fmt: skip
    _effects(t)
    t.month("anode_effect_overvoltage", "V", 2, "Mean anode-effect overvoltage",
            "效应平均过电压", "Σ max(V − V_target, 0) Δt / time in anode effects",
            "cell.overvoltage_positive_day cell.anode_effect_minutes_day", EFFECT,
            EFFECT_SOURCE)  # fmt: skip
    t.month("pfc_slope_co2e", "t", 2, "PFC as CO2e, slope method", "PFC 折 CO2e（斜率法）",
            "Σ cells", "cell.pfc_slope_co2e_30d", SLOPE, SLOPE_SOURCE, PFC)  # fmt: skip
    t.month("pfc_overvoltage_co2e", "t", 2, "PFC as CO2e, overvoltage method",
            "PFC 折 CO2e（过电压法）", "Σ cells", "cell.pfc_overvoltage_co2e_30d",
            "only for technologies with an overvoltage coefficient",
            "Regulation (EU) 2025/2547 Annex II, Eq 24", PFC[1:])  # fmt: skip
    t.month("pfc_gap_percent", "%", 1, "Overvoltage method against slope method",
            "过电压法与斜率法偏差", "100 · (overvoltage − slope) / slope",
            "pfc_slope_co2e_30d pfc_overvoltage_co2e_30d",
            "both are shown, never their mean")  # fmt: skip
    t.now("pfc_methods_agree_at", "V", 2, "Overvoltage at which the PFC methods agree",
          "两法一致的效应过电压", "S · 1440 · CE% / (1000 · OVC)", LINE_CE,
          "from the coefficients of both methods", "derived from Eq 21 and 24 of Regulation (EU)"
          " 2025/2547 Annex II", PFC[:1])  # fmt: skip
    t.month("pfc_gap_reason", "1", 0, "Reason of the gap between the PFC methods",
            "两法偏差原因代码",
            "0 agree; 1 effects above, 2 below the voltage at which they agree; 3 no coefficient;"
            " 4 no anode effect", "anode_effect_overvoltage_30d pfc_methods_agree_at",
            "within 10 % they agree")  # fmt: skip
    t.month("dc_specific_energy_spread", "kWh/t", 0, "Spread of the cells' DC specific energy",
            "各槽直流电耗离散度", "1.4826 · median |kWh/t − median|",
            "cell.dc_specific_energy_30d", ROBUST)  # fmt: skip
    t.now("low_efficiency_cells", "1", 0, "Low-efficiency cells", "低效槽数", "count",
          "cell.low_efficiency", "see the cell's figure")  # fmt: skip
    yield from t.rows


def _site_rows() -> Iterator[Figure]:
    t = BookRows("site")
    _totals(t)
    yield from t.rows


BOOK: Mapping[Scope, tuple[Figure, ...]] = {
    "cell": tuple(_cell_rows()),
    "line": tuple(_line_rows()),
    "site": tuple(_site_rows()),
}
"""The rows of the book by scope, in the order of its arrays."""
