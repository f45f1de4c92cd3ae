"""The plant as arrays: where each reading stands in a frame and what the formulas multiply with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics.anode_effect import RULE, rule_row
from analytics.assessment import SCOPES, Scope
from analytics.formulas import anode_co2_per_t, fuel_co2_per_t, metal_per_charge
from plant.batch import SECOND
from plant.model import Boiler, Plant

Floats = NDArray[np.float64]
Columns = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Layout:
    """Made once per plant. Columns are int32, -1 where there is no such tag."""

    zone: ZoneInfo
    shifts: tuple[str, ...]
    entities: Mapping[Scope, int]  # how many of each scope
    hold_ns: NDArray[np.int64]
    # cells
    voltage: Columns
    target: Columns
    current: Columns  # of the cell's line
    target_V: Floats  # where no tag tells
    target_kWh_per_t: Floats
    v_on: Floats
    rules: NDArray[np.void]
    line_of_cell: Columns
    yield_of_cell: Floats  # metal per charge with the line's current efficiency, kg/kAh
    # lines
    cells_of_line: Floats  # how many
    line_yield: Floats
    extrapolated_V: Floats
    nominal_kA: Floats
    anode_co2: Floats  # t/t
    slope: Floats
    weight_fraction: Floats
    gwp_cf4: float
    gwp_c2f6: float
    grid: float  # t/MWh
    # what is integrated as a gauge: lines' current, rectifiers', meters' power, fuel, steam
    gauges: Columns
    line_gauges: slice
    rectifier_gauges: slice
    meter_gauges: slice
    fuel_gauges: slice
    steam_gauges: slice
    rectifiers_on: Floats  # 0/1 [lines, rectifiers]
    meters_on: Floats  # 0/1 [lines, meters]
    # boilers
    boilers: tuple[Boiler, ...]
    steam_state: Columns  # [3, boilers]: pressure, temperature, feedwater temperature
    fuel_GJ_per_t: Floats
    fuel_co2: Floats  # t/t
    coal_GJ_per_t: float


def layout(plant: Plant) -> Layout:
    """The plant's layout, made once."""
    return once(plant, Layout, _build)


T = TypeVar("T")


def once(plant: Plant, kind: type[T], build: Callable[[Plant], T]) -> T:
    """What `build` makes of the plant, kept beside the plant's own cached properties."""
    kept = vars(plant)
    if kind.__name__ not in kept:
        kept[kind.__name__] = build(plant)
    made: T = kept[kind.__name__]
    return made


def _share(rows: tuple[str, ...], lines: tuple[str, ...]) -> Floats:
    return np.array([[row == line for row in rows] for line in lines], np.float64).reshape(
        len(lines), len(rows)
    )


def _build(plant: Plant) -> Layout:
    def factor(name: str) -> float:
        return plant.factors[name].value

    def oxidation(boiler: Boiler) -> float:
        general = f"fuel.{boiler.fuel}.oxidation"
        own = f"{general}.{boiler.equipment}"
        return factor(own if own in plant.factors else general)

    lines, cells, boilers = plant.lines, plant.cells, plant.boilers
    line_ids = tuple(line.id for line in lines)
    of = plant.line_of_cell
    voltage = plant.columns("cell", "voltage")
    interval = np.where(voltage < 0, SECOND, np.append(plant.interval_ns, 0)[voltage])
    rules = np.array(
        [rule_row(lines[of[c]].anode_effect, int(interval[c])) for c in range(len(cells))], RULE
    )
    pure = metal_per_charge(plant.factors)
    line_yield = np.array([pure * line.current_efficiency for line in lines])
    pfc = [f"pfc.{line.pfc_factors}.{line.technology}" for line in lines]
    counts = np.bincount(of, minlength=len(lines))
    columns = [
        plant.columns("line", "current"),
        plant.columns("rectifier", "ac_power"),
        plant.columns("meter", "power"),
        plant.columns("boiler", "fuel_flow"),
        plant.columns("boiler", "steam_flow"),
    ]
    ends = np.cumsum([len(c) for c in columns])
    slices = [slice(int(e) - len(c), int(e)) for c, e in zip(columns, ends, strict=True)]
    ncv = [
        b.fuel_GJ_per_t if b.fuel_GJ_per_t is not None else factor(f"fuel.{b.fuel}.ncv")
        for b in boilers
    ]
    site = plant.site
    return Layout(
        zone=site.zone,
        shifts=site.shifts,
        entities={scope: len(plant.entities(scope)) for scope in SCOPES},
        hold_ns=plant.hold_ns,
        voltage=voltage,
        target=plant.columns("cell", "target_voltage"),
        current=columns[0][of],
        target_V=np.array([c.target_voltage_V for c in cells], np.float64),
        target_kWh_per_t=np.array([c.target_dc_kWh_per_t for c in cells], np.float64),
        v_on=rules["v_on"].copy(),
        rules=rules,
        line_of_cell=of,
        yield_of_cell=line_yield[of],
        cells_of_line=counts.astype(np.float64),
        line_yield=line_yield,
        extrapolated_V=np.array([line.extrapolated_voltage_V for line in lines]),
        nominal_kA=np.array([line.nominal_current_kA for line in lines]),
        anode_co2=np.array(
            [
                anode_co2_per_t(
                    line.net_carbon_t_per_t, line.anode_sulphur_percent, line.anode_ash_percent
                )
                for line in lines
            ]
        ),
        slope=np.array([factor(f"{name}.slope") for name in pfc]),
        weight_fraction=np.array([factor(f"{name}.weight_fraction") for name in pfc]),
        gwp_cf4=factor(f"gwp.{site.gwp}.CF4"),
        gwp_c2f6=factor(f"gwp.{site.gwp}.C2F6"),
        grid=factor(f"grid.{site.grid_region}.average.{site.grid_year}"),
        gauges=np.concatenate(columns),
        line_gauges=slices[0],
        rectifier_gauges=slices[1],
        meter_gauges=slices[2],
        fuel_gauges=slices[3],
        steam_gauges=slices[4],
        rectifiers_on=_share(tuple(r.line for r in plant.rectifiers), line_ids),
        meters_on=_share(tuple(m.line for m in plant.meters), line_ids),
        boilers=boilers,
        steam_state=np.stack(
            [
                plant.columns("boiler", name)
                for name in ("steam_pressure", "steam_temperature", "feedwater_temperature")
            ]
        ),
        fuel_GJ_per_t=np.array(ncv, np.float64),
        fuel_co2=np.array(
            [
                fuel_co2_per_t(value, factor(f"fuel.{b.fuel}.carbon"), oxidation(b))
                for b, value in zip(boilers, ncv, strict=True)
            ],
            np.float64,
        ),
        coal_GJ_per_t=factor("energy.standard_coal"),
    )
