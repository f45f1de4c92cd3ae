"""Standard uncertainty of every figure, and what it is made of.

A pure function of the figures and the plant. The model and its assumptions stand in
`accuracy`, `cell_uncertainty`, `line_uncertainty` and `boiler_uncertainty`; the rules of adding up
in `propagation`. Not included: global warming potentials, which a reporting rule sets; factors
and coefficients for which no uncertainty is stated; the definition of a figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan, sqrt

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import SCOPES, Scope
from analytics.table.figure_view import View, rows
from analytics.table.figures import index
from analytics.uncertainty.accuracy import accuracy
from analytics.uncertainty.boiler import Boilers, boiler_quantities
from analytics.uncertainty.cell import FACTOR, Cells, cell_quantities
from analytics.uncertainty.line import Lines, line_quantities, site_quantities
from analytics.uncertainty.propagation import Uncertain, squared, variance
from plant.model import Plant

Floats = NDArray[np.float64]

COVERAGE_FACTOR = 1.96
"""Of the standard uncertainty, for the interval that holds the truth with 95 %."""

CAUSES = {
    "voltage": ("accuracy of the cell voltage", "槽电压测量误差"),
    "current": ("accuracy of the line current", "系列电流测量误差"),
    "current_efficiency": ("configured current efficiency", "设定电流效率"),
    "net_carbon": ("configured net carbon consumption", "设定净炭耗"),
    "anode_effect_edges": ("begin and end of anode effects between readings", "效应起止采样误差"),
    "noise": ("voltage between readings", "采样间电压波动"),
    "gaps": ("time not known", "数据缺失"),
    "rectifiers": ("accuracy of the rectifiers' meters", "整流电量计量误差"),
    "auxiliaries": ("accuracy of the auxiliary meters", "动力电量计量误差"),
    "site_auxiliaries": ("accuracy of the meters of no line", "厂区电表计量误差"),
    "line_voltage": ("accuracy of the line voltage", "系列电压测量误差"),
    "dc_meters": ("accuracy of the rectifiers' DC meters", "整流直流计量误差"),
    "oxygen": ("accuracy of the oxygen in flue gas", "烟气含氧量测量误差"),
    "dc_sources": ("accuracy of the DC sources' meters", "直流电源计量误差"),
    "fuel_flow": ("accuracy of the fuel flow", "燃料流量测量误差"),
    "steam_flow": ("accuracy of the steam flow", "蒸汽流量测量误差"),
    "steam_state": ("accuracy of steam pressure and temperatures", "蒸汽参数测量误差"),
    "tapped": ("accuracy of the tapped mass", "出铝计量误差"),
    "alumina_fed": ("accuracy of the alumina fed", "氧化铝计量误差"),
}
"""Label, label_zh of each cause that is no factor."""


@dataclass(frozen=True, slots=True)
class Part:
    """One line of an uncertainty budget."""

    cause: str
    label: str
    label_zh: str
    standard: float  # in the figure's unit; NaN: not stated
    share: float  # of the variance; NaN while any part is unknown


def uncertainties(plant: Plant, values: Mapping[Scope, Floats]) -> dict[Scope, Floats]:
    """Standard uncertainty (k = 1) of every figure, in its unit and in the shape of `values`.

    values: float64[figures, entities] by scope, as in an assessment. NaN where the figure is
    unknown, where an accuracy that it needs is not stated, and for codes and figures of the book.
    """
    out = {scope: np.full_like(values[scope], np.nan) for scope in SCOPES}
    with np.errstate(all="ignore"):  # NaN is a gap
        for scope, name, quantity in quantities(plant, values):
            variance(quantity, out[scope][rows(scope, name)])
        for scope, squares in out.items():
            np.sqrt(squares, out=squares)
            squares[np.isnan(values[scope])] = np.nan
    return out


def budget(
    plant: Plant, scope: Scope, entity: str, figure: str, values: Mapping[Scope, Floats]
) -> list[Part]:
    """What the uncertainty of one figure is made of, largest part first; none for a figure that
    has no uncertainty. KeyError names an unknown figure."""
    row = index(scope, figure)
    column = plant.entities(scope).index(entity)
    with np.errstate(all="ignore"):
        for of, name, quantity in quantities(plant, values):
            place = rows(scope, name) if of == scope else slice(0, 0)
            if place.start <= row < place.stop:
                return _parts(quantity, row - place.start, column)
    return []


def _parts(quantity: Uncertain, row: int, column: int) -> list[Part]:
    squares = {
        cause: float(
            np.broadcast_to(squared(part, quantity.value), quantity.value.shape)[row, column]
        )
        for cause, part in quantity.parts.items()
    }
    total = sum(squares.values())
    found = [
        Part(cause, *_labels(cause), sqrt(square), square / total if total else 0.0)
        for cause, square in squares.items()
        if square != 0
    ]
    return sorted(found, key=lambda part: -np.inf if isnan(part.standard) else -part.standard)


def _labels(cause: str) -> tuple[str, str]:
    if cause.startswith(FACTOR):
        name = cause.removeprefix(FACTOR)
        return f"factor {name}", f"因子 {name}"
    return CAUSES[cause]


def quantities(
    plant: Plant, values: Mapping[Scope, Floats]
) -> Iterator[tuple[Scope, str, Uncertain]]:
    """Scope, name (with `{w}` for its four windows) and parts of every figure that has a model."""
    acc, view = accuracy(plant), View(values)
    cells = Cells(plant, acc, view)
    lines = Lines(cells)
    boilers = Boilers(plant, acc, view)
    for name, quantity in cell_quantities(cells):
        yield "cell", name, quantity
    for name, quantity in line_quantities(lines):
        yield "line", name, quantity
    for name, quantity in boiler_quantities(boilers):
        yield "boiler", name, quantity
    for name, quantity in site_quantities(lines, boilers.site_fuel_co2()):
        yield "site", name, quantity
