"""What another set voltage would do: energy, emissions, money, and what stands against it.

First order, at constant current and current efficiency: the mean voltage follows the set voltage.
Beside the saving stand, in numbers, what it costs in anode-cathode distance and heat, and how
little current efficiency has to be lost for the saving to be gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from analytics.formulas import dc_specific_energy, enthalpy_voltage, metal_per_charge
from plant.model import Factor, Line, Plant

Floats = NDArray[np.float64]

HOURS_A_YEAR = 8760.0
LARGEST_MV = 300.0
"""Beyond this the first order says nothing."""


class WhatIfError(ValueError):
    """The question has no answer: one line with what, where and the remedy."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the plant stands now. NaN where unknown."""

    voltage_V: Floats  # [cells], charge-weighted mean
    noise_lf_mV: Floats  # [cells]
    anode_effects: Floats  # [cells], today
    superheat_K: Floats  # [cells]
    current_kA: Floats  # [lines]
    rectifier_efficiency: Floats  # [lines], fraction

    @classmethod
    def of(cls, plant: Plant, figure: Callable[[Scope, str], Floats]) -> Standing:
        """figure(scope, name): float64[entities], NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            efficiency = figure("line", "dc_energy_hour") / figure("line", "ac_energy_hour")
        possible = (efficiency > 0.9) & (efficiency < 1)
        return cls(
            figure("cell", "voltage_hour"),
            figure("cell", "noise_lf"),
            figure("cell", "anode_effects_day"),
            figure("cell", "superheat"),
            figure("line", "current"),
            np.where(possible, efficiency, np.nan),
        )


@dataclass(frozen=True, slots=True)
class CellAnswer:
    """Changes of one cell, the sign of the change of energy: negative is a saving."""

    cell: str
    voltage_V: float  # now
    kWh_per_t: float
    kWh_per_t_uncertainty: float  # at 95 %, of the configured current efficiency
    dc_MWh_per_a: float
    ac_MWh_per_a: float
    co2e_location_t_per_a: float
    co2e_market_t_per_a: float  # NaN without the site's residual factor
    cost_per_a: float  # in the site's currency; NaN without a price
    distance_mm: float  # of anode and cathode
    heat_kW: float  # that the cell has more to lose
    superheat_K: float  # at most, when all of it passes through the side
    break_even_ce_points: float  # change of current efficiency that undoes the change of kWh/t
    kWh_per_t_per_ce_point: float  # what a percent point of current efficiency is worth
    noise_lf_mV: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """cells in the order asked; the totals add up those that are known."""

    change_mV: float
    cells: tuple[CellAnswer, ...]
    kWh_per_t: float  # of these cells together
    line_kWh_per_t: float  # of all cells of their lines together
    dc_MWh_per_a: float
    ac_MWh_per_a: float
    co2e_location_t_per_a: float
    co2e_market_t_per_a: float
    cost_per_a: float
    currency: str
    warned: tuple[str, ...]  # cells where something stands against it
    factors: tuple[Factor, ...]
    notes: tuple[str, ...]


def what_if(
    plant: Plant,
    cells: Sequence[str],
    change_mV: float,
    standing: Standing,
    noise_limit_mV: float | None = None,
) -> Answer:
    """The answer for these cells and a change of their set voltage. WhatIfError when it cannot be.

    kWh/t: Faraday's law, 2979.98·ΔV/CE, so 31.87 kWh/t for 10 mV at 93.5 %.
    """
    if not isfinite(change_mV) or not 0 < abs(change_mV) <= LARGEST_MV:
        raise WhatIfError(
            f"a change of {change_mV:g} mV: the estimate is of first order; ask for -"
            f"{LARGEST_MV:g} to {LARGEST_MV:g} mV, not 0"
        )
    index = {cell.id: i for i, cell in enumerate(plant.cells)}
    asked = list(dict.fromkeys(cells))
    if unknown := [cell for cell in asked if cell not in index]:
        raise WhatIfError(f"there is no cell '{unknown[0]}'; a cell is e.g. {plant.cells[0].id}")
    if not asked:
        raise WhatIfError(f"no cells are named; name some, e.g. {plant.cells[0].id}")
    used = _Used(plant)
    limit = used("what_if.noise_limit_mV") if noise_limit_mV is None else noise_limit_mV
    rows = tuple(_cell(plant, index[cell], change_mV, standing, limit, used) for cell in asked)
    return _total(plant, [index[cell] for cell in asked], rows, change_mV, standing, used)


class _Used:
    """Factors of the plant, each noted once when it is asked for."""

    def __init__(self, plant: Plant) -> None:
        self._factors = plant.factors
        self.rows: dict[str, Factor] = {}

    def __call__(self, name: str) -> float:
        self.rows[name] = self._factors[name]
        return self.rows[name].value


def _cell(
    plant: Plant, c: int, change_mV: float, standing: Standing, limit_mV: float, used: _Used
) -> CellAnswer:
    line_index = int(plant.line_of_cell[c])
    line: Line = plant.lines[line_index]
    change, volt = change_mV / 1000, float(standing.voltage_V[c])
    current = float(standing.current_kA[line_index])
    efficiency = line.current_efficiency
    external_V = line.external_resistance_uOhm * current / 1000
    floor = enthalpy_voltage(efficiency) + (external_V if isfinite(external_V) else 0.0)
    if volt + change <= floor:
        raise WhatIfError(
            f"{plant.cells[c].id}: {volt + change:.3f} V would not even supply reaction and feed "
            f"({floor:.3f} V): ask for a smaller change"
        )
    specific = _specific(plant, change, efficiency, used)
    dc = change * current * HOURS_A_YEAR / 1000
    rectifier = float(standing.rectifier_efficiency[line_index])
    ac = dc / (rectifier if isfinite(rectifier) else used("what_if.rectifier_efficiency"))
    site = plant.site
    heat = current * change
    superheat = heat / (used("what_if.side_heat_kW_per_K") * line.nominal_current_kA / 600)
    noise = float(standing.noise_lf_mV[c])
    return CellAnswer(
        cell=plant.cells[c].id,
        voltage_V=volt,
        kWh_per_t=specific,
        kWh_per_t_uncertainty=abs(specific) * line.current_efficiency_uncertainty / efficiency,
        dc_MWh_per_a=dc,
        ac_MWh_per_a=ac,
        co2e_location_t_per_a=ac * used(f"grid.{site.grid_region}.average.{site.grid_year}"),
        co2e_market_t_per_a=ac * site.residual_factor_t_per_MWh,
        cost_per_a=ac * site.electricity_price_per_MWh,
        distance_mm=10 * change / used("what_if.voltage_per_cm"),
        heat_kW=heat,
        superheat_K=superheat,
        break_even_ce_points=100 * efficiency * change / volt,
        kWh_per_t_per_ce_point=-_specific(plant, volt, efficiency, used) / (100 * efficiency),
        noise_lf_mV=noise,
        warnings=_warnings(change, standing, c, limit_mV, superheat, used),
    )


def _specific(plant: Plant, change_V: float, efficiency: float, used: _Used) -> float:
    """[V], fraction -> [kWh/t]"""
    used("constant.molar_mass_Al"), used("constant.faraday")
    return float(dc_specific_energy(change_V, efficiency, metal_per_charge(plant.factors)))


def _warnings(
    change_V: float, standing: Standing, c: int, limit_mV: float, superheat_K: float, used: _Used
) -> tuple[str, ...]:
    """What stands against the change at this cell."""
    if not isfinite(standing.voltage_V[c]):
        return ("voltage unknown",)
    said = []
    noise, warm = float(standing.noise_lf_mV[c]), float(standing.superheat_K[c])
    if change_V < 0:
        if noise > limit_mV:
            said.append(f"noise {noise:.0f} mV is above {limit_mV:g} mV already")
        elif not isfinite(noise):
            said.append("noise unknown")
        if standing.anode_effects[c] > 0:
            said.append(f"{standing.anode_effects[c]:.0f} anode effects today")
    low, high = used("what_if.superheat_low_K"), used("what_if.superheat_high_K")
    if change_V < 0 and warm + superheat_K < low:
        said.append(f"superheat may fall to {warm + superheat_K:.1f} K, below {low:g} K")
    if change_V > 0 and warm + superheat_K > high:
        said.append(f"superheat may rise to {warm + superheat_K:.1f} K, above {high:g} K")
    return tuple(said)


def _total(
    plant: Plant,
    indices: list[int],
    rows: tuple[CellAnswer, ...],
    change_mV: float,
    standing: Standing,
    used: _Used,
) -> Answer:
    def total(name: str) -> float:
        values = [getattr(row, name) for row in rows]
        known = [v for v in values if isfinite(v)]
        return sum(known) if known else nan

    yields = metal_per_charge(plant.factors) * np.array(
        [line.current_efficiency for line in plant.lines]
    )
    per_cell = yields * standing.current_kA * HOURS_A_YEAR / 1000  # t/a of a cell of each line
    of = plant.line_of_cell
    energy = 1000 * total("dc_MWh_per_a")
    lines = sorted({int(of[c]) for c in indices})
    metal = float(np.nansum(per_cell[of[indices]]))
    all_metal = float(np.nansum([per_cell[i] * len(plant.lines[i].cells) for i in lines]))
    return Answer(
        change_mV=change_mV,
        cells=rows,
        kWh_per_t=energy / metal if metal > 0 else nan,
        line_kWh_per_t=energy / all_metal if all_metal > 0 else nan,
        dc_MWh_per_a=total("dc_MWh_per_a"),
        ac_MWh_per_a=total("ac_MWh_per_a"),
        co2e_location_t_per_a=total("co2e_location_t_per_a"),
        co2e_market_t_per_a=total("co2e_market_t_per_a"),
        cost_per_a=total("cost_per_a"),
        currency=plant.site.currency,
        warned=tuple(row.cell for row in rows if row.warnings),
        factors=tuple(used.rows.values()),
        notes=_notes(plant, lines, standing),
    )


def _notes(plant: Plant, lines: list[int], standing: Standing) -> tuple[str, ...]:
    said = [
        "at constant current and current efficiency; the mean voltage follows the set voltage",
        "superheat: at most, with top and bottom losses unchanged and all of it through the side",
    ]
    if any(not isfinite(standing.rectifier_efficiency[i]) for i in lines):
        said.append("rectifier efficiency is not measured: the factor stands for it")
    if not isfinite(plant.site.residual_factor_t_per_MWh):
        said.append("market-based: unknown without site.residual_factor_t_per_MWh")
    else:
        said.append("market-based: saved energy comes off the part that no contract covers")
    if not isfinite(plant.site.electricity_price_per_MWh):
        said.append("cost: unknown without site.electricity_price_per_MWh")
    return tuple(said)
