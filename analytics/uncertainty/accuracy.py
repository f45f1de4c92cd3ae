"""Standard uncertainties of what figures are made of: tags, configured values, factors.

Limits of error at 95 % are taken as two standard uncertainties. An error is constant in time, so
it does not average out over a window, and it is independent between tags.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.beat.layout import once
from analytics.beat.steam import heat_per_steam
from analytics.formulas import metal_per_charge
from plant.model import Boiler, EntityKind, Plant

Floats = NDArray[np.float64]

STEAM_STATE = (1.3, 250.0, 105.0)
"""Pressure [MPa], steam and feedwater temperature [degC] at which the sensitivity of a boiler's
heat is taken; its own state is no figure, and the sensitivity changes little with it."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Standard uncertainties of one signal's tags, [entities]. NaN: not stated, or no tag."""

    bias: Floats  # in the signal's unit
    gain: Floats  # fraction of the reading

    def at(self, reading: Floats) -> Floats:
        """At readings [..., entities], in the signal's unit."""
        u: Floats = np.hypot(self.bias, self.gain * reading)
        return u

    def relative(self, level: Floats) -> Floats:
        """As a fraction of readings; the level counts only where the accuracy is absolute."""
        share = np.divide(self.bias, level, where=self.bias != 0, out=np.zeros_like(level))
        u: Floats = np.hypot(share, self.gain)
        return u

    def mean(self, member: NDArray[np.bool_], level: Floats) -> Floats:
        """Relative, of the sum over each row's members that share `level` [rows] evenly.

        member: bool[rows, entities]. 0 for a row without members.
        """
        count = np.maximum(member.sum(axis=1), 1)
        gain = np.where(member, self.gain, 0.0) / count[:, None]
        bias = np.sqrt((np.where(member, self.bias, 0.0) ** 2).sum(axis=1))
        share = np.divide(bias, level, where=bias != 0, out=np.zeros_like(bias))
        u: Floats = np.sqrt((gain**2).sum(axis=1) + share**2)
        return u


def errors(plant: Plant, kind: EntityKind, *signals: str) -> Errors:
    """Of the first of the signals that an entity has a tag of."""
    columns = plant.columns(kind, signals[0])
    for signal in signals[1:]:
        columns = np.where(columns < 0, plant.columns(kind, signal), columns)
    stated = [
        (plant.tags[c].accuracy, plant.tags[c].accuracy_percent) if c >= 0 else (np.nan, np.nan)
        for c in columns.tolist()
    ]
    limits = np.array(stated, np.float64).reshape(len(stated), 2)
    limits = np.where(np.isnan(limits).all(axis=1, keepdims=True), np.nan, np.nan_to_num(limits))
    return Errors(limits[:, 0] / 2, limits[:, 1] / 200)


def factor_error(plant: Plant, name: str) -> float:
    """Relative standard uncertainty of a factor; 0 where none is stated, which an explanation
    says, and where there is no such factor."""
    factor = plant.factors.get(name)
    return 0.0 if factor is None else float(np.nan_to_num(factor.uncertainty_percent)) / 200


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What the plant file states, as arrays; and what the formulas need of the plant beside."""

    line_of_cell: NDArray[np.int32]
    # [cells]
    voltage: Errors
    interval_s: Floats  # between voltage readings
    tapped: Errors
    alumina: Errors
    target_kWh_per_t: Floats
    target_V: Floats
    # [lines]
    current: Errors
    nominal_kA: Floats
    current_efficiency: Floats  # fraction
    current_efficiency_error: Floats  # relative
    net_carbon_error: Floats  # relative
    kg_per_kAh: Floats  # with the configured current efficiency
    extrapolated_V: Floats
    external_V_per_kA: Floats
    pfc: tuple[str, ...]  # names of the coefficients, without their last word
    line_voltage: Errors
    # instruments
    dc_power: Errors  # [rectifiers]
    rectifier: Errors
    rectifier_on: NDArray[np.bool_]  # [lines, rectifiers]
    meter: Errors
    meter_on: NDArray[np.bool_]  # [lines + 1, meters] of auxiliaries; last row: of no line
    dc_source_on: NDArray[np.bool_]  # [lines, meters]
    # [boilers]
    oxygen: Errors
    fuel_flow: Errors
    steam_flow: Errors
    heat_error: Floats  # of the heat per steam, relative
    gap_spread: float  # of a mean over the unknown part of a window, relative


def accuracy(plant: Plant) -> Accuracy:
    """Of a plant, made once."""
    return once(plant, Accuracy, _build)


def _build(plant: Plant) -> Accuracy:
    lines = plant.lines
    interval = np.append(plant.interval_ns, 0)[plant.columns("cell", "voltage")] / 1e9

    def of_lines(values: list[float]) -> Floats:
        return np.array(values, np.float64)

    ce = of_lines([line.current_efficiency for line in lines])
    ids = [line.id for line in lines]
    meters = plant.meters
    auxiliary = np.array([m.kind == "auxiliary" for m in meters], np.bool_)
    dc_source = np.array([m.kind == "dc_source" for m in meters], np.bool_)
    place = _places([m.line for m in meters], [*ids, ""])
    return Accuracy(
        line_of_cell=plant.line_of_cell,
        voltage=errors(plant, "cell", "voltage"),
        interval_s=interval,
        tapped=errors(plant, "cell", "metal_tapped"),
        alumina=errors(plant, "cell", "alumina_fed"),
        target_kWh_per_t=of_lines([c.target_dc_kWh_per_t for c in plant.cells]),
        target_V=of_lines([c.target_voltage_V for c in plant.cells]),
        current=errors(plant, "line", "current"),
        nominal_kA=of_lines([line.nominal_current_kA for line in lines]),
        current_efficiency=ce,
        current_efficiency_error=of_lines([line.current_efficiency_uncertainty for line in lines])
        / (2 * ce),
        net_carbon_error=of_lines([line.net_carbon_uncertainty_percent for line in lines]) / 200,
        kg_per_kAh=metal_per_charge(plant.factors) * ce,
        extrapolated_V=of_lines([line.extrapolated_voltage_V for line in lines]),
        external_V_per_kA=of_lines([line.external_resistance_uOhm for line in lines]) / 1000,
        pfc=tuple(f"pfc.{line.pfc_factors}.{line.technology}" for line in lines),
        line_voltage=errors(plant, "line", "line_voltage"),
        dc_power=errors(plant, "rectifier", "dc_power"),
        rectifier=errors(plant, "rectifier", "ac_power", "ac_energy"),
        rectifier_on=_places([r.line for r in plant.rectifiers], ids),
        meter=errors(plant, "meter", "power", "energy"),
        meter_on=place & auxiliary,
        dc_source_on=(place & dc_source)[:-1],
        oxygen=errors(plant, "boiler", "oxygen"),
        fuel_flow=errors(plant, "boiler", "fuel_flow"),
        steam_flow=errors(plant, "boiler", "steam_flow"),
        heat_error=_heat_errors(plant),
        gap_spread=plant.factors["gap.spread_percent"].value / 100,
    )


def _places(of: list[str], rows: list[str]) -> NDArray[np.bool_]:
    return np.array([[line == row for line in of] for row in rows], np.bool_).reshape(
        len(rows), len(of)
    )


def _heat_errors(plant: Plant) -> Floats:
    u = [
        errors(plant, "boiler", signal).at(np.full(len(plant.boilers), at))
        for signal, at in zip(
            ("steam_pressure", "steam_temperature", "feedwater_temperature"),
            STEAM_STATE,
            strict=True,
        )
    ]
    return np.array(
        [_heat_error(b, [float(row[i]) for row in u]) for i, b in enumerate(plant.boilers)],
        np.float64,
    )


def _heat_error(boiler: Boiler, u: list[float]) -> float:
    """u: of pressure and the temperatures; one that the heat does not depend on is not needed."""
    middle = heat_per_steam(boiler, *STEAM_STATE)
    square = 0.0
    for i in range(3):
        moved = list(STEAM_STATE)
        moved[i] *= 1.001
        slope = (heat_per_steam(boiler, *moved) - middle) / (moved[i] - STEAM_STATE[i])
        square += 0.0 if slope == 0 else (slope * u[i]) ** 2
    return float(np.sqrt(square)) / middle
