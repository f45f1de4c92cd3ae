"""GET /api/v1/baseline: the energy baseline of a line, of cells or of the site, and savings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from starlette.responses import Response

from analytics.beat.assessment import Scope
from analytics.studies.baseline import Baseline, fit_baseline
from analytics.studies.savings import Savings, savings
from analytics.table.figures import figures, index
from api import times
from api.context import Ctx
from api.daily import daily
from api.encode import Json
from api.lookup import known_entity, known_figure
from api.problems import Problem
from api.shapes import Body
from api.times import MILLISECOND
from plant.model import Plant
from store.history import History

Floats = NDArray[np.float64]

MOST_DAYS = 800.0
LEAST_V = 1.2
"""A cell below this voltage, the reversible potential, does not produce: it is bypassed."""
ADDED = frozenset({"kWh", "MWh", "kAh", "kg", "t", "min"})
"""Units of figures that add up over the cells of a group; of the others the mean is taken."""

routes = APIRouter(tags=["baselines"])


@dataclass(frozen=True, slots=True)
class Subject:
    """What the baseline is of: entities of one scope whose figures are taken together, and the
    cells that belong to it."""

    scope: Scope
    entities: tuple[str, ...]
    cells: tuple[str, ...]

    @property
    def default_energy(self) -> str:
        return "energy_day" if self.scope == "cell" else "dc_energy_day"


@dataclass(frozen=True, slots=True)
class Days:
    """Daily values of one subject. columns, static: name -> float64[days]."""

    ends: NDArray[np.int64]
    columns: Mapping[str, Floats]
    static: Mapping[str, Floats]


def subject(plant: Plant, entities: Sequence[str]) -> Subject:
    """A line, the site, or cells. KeyError with the first id that is none of these."""
    first = entities[0]
    if first == plant.site.id:
        return Subject("site", (first,), plant.entities("cell"))
    for line in plant.lines:
        if line.id == first:
            return Subject("line", (first,), line.cells)
    known = set(plant.entities("cell"))
    for cell in entities:
        if cell not in known:
            raise KeyError(cell)
    return Subject("cell", tuple(entities), tuple(entities))


def days(
    plant: Plant, history: History, of: Subject, names: Sequence[str], start: int, end: int
) -> Days:
    """Daily figures of the whole local days of [start, end), and the static factors."""
    found = daily(plant, history, of.scope, names, of.entities, start, end)
    columns = {
        name: _together(found.values[:, i], figures()[of.scope][index(of.scope, name)].unit)
        for i, name in enumerate(names)
    }
    cells = daily(plant, history, "cell", ("voltage_day", "charge_day"), of.cells, start, end)
    voltage, charge = cells.values[:, 0], cells.values[:, 1]
    running = (voltage > LEAST_V).sum(1).astype(np.float64)
    running[np.isnan(voltage).all(1)] = np.nan
    mean_charge = _together(charge, "")
    return Days(
        found.ends, columns, {"cells in operation": running, "charge of a cell, kAh": mean_charge}
    )


def _together(values: Floats, unit: str) -> Floats:
    """Sum or mean over the entities that are known. [days, entities] -> [days]"""
    known = ~np.isnan(values)
    count = known.sum(1)
    total = np.where(known, values, 0.0).sum(1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    # of a cell without a figure the mean of the others stands in, so that a gap is no saving
    return mean * values.shape[1] if unit in ADDED else mean


def baseline_document(
    of: Sequence[str],
    unit: Mapping[str, str],
    baseline: Baseline,
    saved: Savings | None,
    ends: NDArray[np.int64],
) -> dict[str, Any]:
    """What the API and `potline baseline --json` say. ends: of the days of `saved`, [ns]."""
    fit = baseline.fit
    rows = zip(
        ("intercept", *baseline.drivers),
        fit.coefficients, fit.standard_errors, fit.adjusted_standard_errors, fit.p_values,
        strict=True,
    )  # fmt: skip
    document: dict[str, Any] = {
        "of": list(of),
        "energy": baseline.energy,
        "unit": unit[baseline.energy],
        "terms": [
            {
                "name": name,
                "unit": unit.get(name, ""),
                "coefficient": float(b),
                "standard_error": float(error),
                "adjusted_standard_error": float(wider),
                "p_value": float(p),
            }
            for name, b, error, wider, p in rows
        ],
        "r2": fit.r2,
        "cv_rmse": fit.cv_rmse,
        "durbin_watson": fit.durbin_watson,
        "autocorrelation": fit.autocorrelation,
        "days": fit.n,
        "days_left_out": baseline.left_out,
        "static": dict(baseline.static),
        "notes": list(saved.notes if saved else baseline.shortfalls),
        "savings": None,
    }
    if saved is not None:
        change = saved.change_day
        document["savings"] = {
            "total": saved.total,
            "uncertainty_95": saved.uncertainty,
            "ashrae_uncertainty_95": saved.ashrae_uncertainty,
            "percent": 100 * saved.total / float(np.nansum(saved.predicted)),
            "significant": saved.significant,
            "days": saved.days,
            "change": times.iso(int(ends[change])) if change >= 0 else None,
            "time_ms": ends // MILLISECOND,
            "predicted": saved.predicted,
            "actual": saved.actual,
            "running": saved.running,
        }
    return document


class TermBody(Body):
    name: str
    unit: str
    coefficient: float | None
    standard_error: float | None
    adjusted_standard_error: float | None
    p_value: float | None


class SavingsBody(Body):
    total: float
    uncertainty_95: float
    ashrae_uncertainty_95: float
    percent: float | None
    significant: bool
    days: int
    change: str | None
    time_ms: list[int]
    predicted: list[float | None]
    actual: list[float | None]
    running: list[float | None]


class BaselineBody(Body):
    of: list[str]
    energy: str
    unit: str
    terms: list[TermBody]
    r2: float | None
    cv_rmse: float | None
    durbin_watson: float | None
    autocorrelation: float | None
    days: int
    days_left_out: int
    static: dict[str, float | None]
    notes: list[str]
    savings: SavingsBody | None


@routes.get("/baseline", response_model=BaselineBody)
def energy_baseline(
    context: Ctx,
    of: Annotated[list[str], Query(min_length=1, max_length=5000, examples=[["L1"]])],
    start: Annotated[str, Query(alias="from", description="of the baseline period")],
    end: Annotated[str, Query(alias="to", description="of the baseline period, exclusive")],
    driver: Annotated[list[str] | None, Query(min_length=1, max_length=8)] = None,
    energy: Annotated[str | None, Query(description="daily figure; the DC energy")] = None,
    report_from: Annotated[str | None, Query(description="of the reporting period")] = None,
    report_to: Annotated[str | None, Query(description="exclusive; now")] = None,
) -> Response:
    """Least squares of a daily energy on its drivers (the metal when none is named) over whole
    local days, with its statistics; with `report_from` also the savings against it, their 95 %
    uncertainty and CUSUM. `of`: a line, the site, or cells that are taken together."""
    plant, now = context.plant, context.live.now()
    try:
        asked = subject(plant, list(dict.fromkeys(of)))
    except KeyError as error:
        known_entity(plant, "cell", error.args[0])
        raise
    names = list(dict.fromkeys([energy or asked.default_energy, *(driver or ["metal_day"])]))
    for name in names:
        known_figure(asked.scope, name)
    unit = {name: figures()[asked.scope][index(asked.scope, name)].unit for name in names}
    period = times.interval(start, end, now, MOST_DAYS)
    past = days(plant, context.history, asked, names, *period)
    try:
        drivers = {name: past.columns[name] for name in names[1:]}
        line = fit_baseline((names[0], past.columns[names[0]]), drivers, past.static)
        saved, ends = None, past.ends
        if report_from is not None:
            since = times.interval(report_from, report_to, now, MOST_DAYS)
            later = days(plant, context.history, asked, names, *since)
            drivers = {name: later.columns[name] for name in names[1:]}
            saved = savings(line, later.columns[names[0]], drivers, later.static)
            ends = later.ends
    except ValueError as error:
        raise Problem(
            422, "No baseline", str(error), "choose other periods, figures or drivers"
        ) from None
    return Json(baseline_document(asked.entities, unit, line, saved, ends))
