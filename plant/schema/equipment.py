"""[[line]], [[cell]], [[cell_change]], [[rectifier]], [[meter]], [[boiler]]: what the plant has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from plant.schema.base import Id, IsoDate, NotNegative, Percent, Positive, Row

Technology = Literal["PFPB_L", "PFPB_M", "PFPB_MW", "CWPB", "SWPB", "VSS", "HSS"]
Anode = Literal["carbon", "inert"]


class AnodeEffectRow(Row):
    v_on_V: Positive = 8.0
    t_on_s: NotNegative = 3.0
    v_off_V: Positive = 8.0
    t_merge_s: NotNegative = 900.0
    hold_s: NotNegative = 10.0
    low_voltage_excess_V: Positive = 0.4
    low_voltage_s: NotNegative = 60.0


class LineRow(Row):
    id: Id = Field(examples=["L1"])
    name: str = ""
    name_zh: str = ""
    technology: Technology = Field(examples=["PFPB_M"])
    pfc_factors: str = Field(default="cbam-2025", description="set of PFC coefficients")
    nominal_current_kA: Positive = Field(examples=[600])
    current_efficiency: float = Field(gt=0, lt=1, examples=[0.935], description="a fraction")
    current_efficiency_uncertainty: float = Field(
        default=0.02, gt=0, lt=0.5, description="limits of error at 95 %, a fraction as well"
    )
    extrapolated_voltage_V: float | None = Field(default=None, gt=0, lt=3)
    net_carbon_t_per_t: float = Field(gt=0, lt=1, examples=[0.411], description="t C per t Al")
    net_carbon_uncertainty_percent: Percent | None = Field(
        default=None, examples=[2], description="limits of error at 95 %"
    )
    anode_sulphur_percent: float | None = Field(default=None, ge=0, lt=20)
    anode_ash_percent: float | None = Field(default=None, ge=0, lt=20)
    sections: dict[Id, str] = Field(min_length=1, examples=[{"A": "001-012"}])
    target_voltage_V: float = Field(gt=0, lt=8, examples=[3.95])
    target_dc_kWh_per_t: Positive = Field(examples=[12600])
    anode_effect: AnodeEffectRow = AnodeEffectRow()
    # geometry, for the voltage breakdown, heat loss and metal balance
    anodes: int = Field(default=0, ge=0, le=200, examples=[56])
    anode_length_cm: Positive | None = Field(default=None, lt=1000, examples=[175])
    anode_width_cm: Positive | None = Field(default=None, lt=1000, examples=[74])
    cathode_area_cm2: Positive | None = Field(default=None, gt=1000, examples=[8.4e5])
    anode_resistance_uOhm: Positive | None = Field(default=None, lt=100, examples=[0.5])
    cathode_resistance_uOhm: Positive | None = Field(default=None, lt=100, examples=[0.45])
    external_resistance_uOhm: Positive | None = Field(default=None, lt=100, examples=[0.28])
    metal_pad_area_m2: Positive | None = Field(default=None, lt=1000, examples=[84])
    level_sd_cm: Positive | None = Field(
        default=None, lt=50, examples=[0.5], description="of one measurement of the metal level"
    )
    # what its cells are built of, unless [[cell]] or [[cell_change]] says otherwise
    anode: Anode = "carbon"
    cell_technology: str = Field(default="", examples=["SY600"], description="of its cells")
    cathode: str = Field(default="", examples=["graphitised"])
    lining: str = ""
    started: IsoDate | None = Field(default=None, examples=["2026-03-01"])


class CellRow(Row):
    """What differs from its line for one cell."""

    id: str = Field(examples=["L1-001"])
    target_voltage_V: float | None = Field(default=None, gt=0, lt=8)
    target_dc_kWh_per_t: Positive | None = None
    anode: Anode | None = None
    technology: str | None = Field(default=None, examples=["SY600"])
    cathode: str | None = Field(default=None, examples=["graphitised"])
    lining: str | None = None
    started: IsoDate | None = Field(default=None, examples=["2026-03-01"])


class CellChangeRow(Row):
    """What cells are built of from a date on; what is left out stays."""

    line: str = Field(examples=["L1"])
    cells: str = Field(min_length=1, examples=["001-012"])
    since: IsoDate = Field(examples=["2026-03-01"], description="from midnight in the site's zone")
    anode: Anode | None = None
    technology: str | None = Field(default=None, examples=["SY600"])
    cathode: str | None = Field(default=None, examples=["graphitised"])
    lining: str | None = None
    started: IsoDate | None = Field(default=None, examples=["2026-03-01"])


class RegisterRow(Row):
    """What the meter register says of an instrument."""

    level: Literal["site", "unit", "equipment"] | None = None
    accuracy_class: str = Field(default="", examples=["0.5S"], description="as on its plate")
    serial: str = ""
    calibrated: IsoDate | None = Field(default=None, examples=["2026-01-15"])
    calibration_expires: IsoDate | None = Field(default=None, examples=["2028-01-14"])


class RectifierRow(RegisterRow):
    id: Id = Field(examples=["L1-R"])
    name: str = ""
    line: str = Field(examples=["L1"])


class MeterRow(RegisterRow):
    id: Id = Field(examples=["L1-AUX"])
    name: str = ""
    line: str = Field(default="", description="left out: the meter counts for the site")
    kind: Literal["auxiliary", "dc_source", "main", "sub"] = "auxiliary"
    parent: str = Field(
        default="", examples=["MAIN"], description="meter or rectifier that contains it"
    )


class BoilerRow(Row):
    id: Id = Field(examples=["B1"])
    name: str = ""
    fuel: str = Field(examples=["natural_gas"])
    fuel_GJ_per_t: Positive | None = Field(
        default=None, description="net calorific value by analysis"
    )
    equipment: str = Field(
        default="", examples=["industrial_boiler"], description="of coal: its oxidation"
    )
    steam_kJ_per_kg: Positive | None = None
    feedwater_kJ_per_kg: Positive | None = None
    blowdown_percent: float = Field(default=0.0, ge=0, lt=100)
