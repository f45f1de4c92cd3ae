"""Lines and site as the kernel of their figures reads them."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.formulas import anode_co2_per_t, enthalpy_voltage
from plant.model import Line, Plant

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class LinePlant(NamedTuple):
    """Arrays have length lines unless said otherwise. NaN: not given."""

    cells: Floats  # how many
    carbon_cells: Floats  # how many of them have anodes of carbon
    metal: Floats  # per charge with the line's current efficiency, kg/kAh
    extrapolated_V: Floats
    nominal_kA: Floats
    low_excess_V: Floats  # of a low-voltage candidate over the target voltage
    enthalpy_V: Floats
    external_uOhm: Floats
    anode_co2: Floats  # t/t
    slope: Floats
    weight_fraction: Floats
    overvoltage: Floats  # coefficient / current efficiency in percent, (kg/t)/mV
    overvoltage_weight_fraction: Floats
    rectifier_line: Ints  # [rectifiers]
    auxiliary_line: Ints  # [meters of auxiliaries], -1 for the site's own
    dc_source_line: Ints  # [meters of DC sources]
    limits: Floats  # [2, 3]: GB 21346, AC and comprehensive AC, levels 1 to 3, kWh/t
    floor_kWh_per_t: float  # least energy of electrolysis
    gwp_cf4: float
    gwp_c2f6: float
    grid: float  # t/MWh
    price: float  # per MWh
    contract: float  # t/MWh
    residual: float  # t/MWh


def line_plant(plant: Plant, carbon: Floats, metal: Floats) -> LinePlant:
    """carbon: float64[cells], 1 where the anodes are of carbon. metal: float64[lines], kg/kAh."""

    def factor(name: str) -> float:
        return plant.factors[name].value

    def optional(name: str) -> float:
        return plant.factors[name].value if name in plant.factors else nan

    def of_line(ids: list[str]) -> Ints:
        return np.array([index.get(i, -1) for i in ids], np.int64)

    lines, site = plant.lines, plant.site
    index = {line.id: i for i, line in enumerate(lines)}
    of = plant.line_of_cell
    pfc = [f"pfc.{line.pfc_factors}.{line.technology}" for line in lines]
    return LinePlant(
        cells=np.bincount(of, minlength=len(lines)).astype(np.float64),
        carbon_cells=np.bincount(of, carbon, len(lines)).astype(np.float64),
        metal=metal,
        extrapolated_V=_each(lines, lambda line: line.extrapolated_voltage_V),
        nominal_kA=_each(lines, lambda line: line.nominal_current_kA),
        low_excess_V=_each(lines, lambda line: line.anode_effect.low_voltage_excess_V),
        enthalpy_V=_each(lines, lambda line: enthalpy_voltage(line.current_efficiency)),
        external_uOhm=_each(lines, lambda line: line.external_resistance_uOhm),
        anode_co2=_each(
            lines,
            lambda line: anode_co2_per_t(
                line.net_carbon_t_per_t, line.anode_sulphur_percent, line.anode_ash_percent
            ),
        ),
        slope=np.array([factor(f"{name}.slope") for name in pfc]),
        weight_fraction=np.array([factor(f"{name}.weight_fraction") for name in pfc]),
        overvoltage=np.array([optional(f"{name}.overvoltage") for name in pfc])
        / _each(lines, lambda line: 100 * line.current_efficiency),
        overvoltage_weight_fraction=np.array(
            [optional(f"{name}.overvoltage_weight_fraction") for name in pfc]
        ),
        rectifier_line=of_line([r.line for r in plant.rectifiers]),
        auxiliary_line=of_line([m.line for m in plant.meters if m.kind == "auxiliary"]),
        dc_source_line=of_line([m.line for m in plant.meters if m.kind == "dc_source"]),
        limits=np.array(
            [
                [factor(f"gb21346.{indicator}.{level}") for level in (1, 2, 3)]
                for indicator in ("liquid_ac", "liquid_total_ac")
            ]
        ),
        floor_kWh_per_t=1000 * factor("energy.electrolysis_floor"),
        gwp_cf4=factor(f"gwp.{site.gwp}.CF4"),
        gwp_c2f6=factor(f"gwp.{site.gwp}.C2F6"),
        grid=factor(f"grid.{site.grid_region}.average.{site.grid_year}"),
        price=site.electricity_price_per_MWh,
        contract=site.contract_factor_t_per_MWh,
        residual=site.residual_factor_t_per_MWh,
    )


def _each(lines: tuple[Line, ...], value: Callable[[Line], float]) -> Floats:
    return np.array([value(line) for line in lines], np.float64)
