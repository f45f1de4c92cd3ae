"""GET /api/v1/book and /low-efficiency: figures of the last 30 days, cells that stand out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from analytics.beat.assessment import Scope
from analytics.beat.windows import windows
from analytics.book.input import DAYS
from analytics.book.low_efficiency import LowCell, low_cells
from analytics.table.book_rows import BOOK
from api.context import Context, Ctx
from api.encode import Json
from api.lookup import known_entity
from api.problems import Problem
from api.shapes import Column
from api.times import iso, parse
from store.contract import FigureBlock

At = Annotated[str | None, Query(description="ISO 8601 or -1d; now")]

routes = APIRouter(tags=["book"])


class BookFigureBody(BaseModel):
    name: str = Field(examples=["dc_specific_energy_30d"])
    unit: str
    decimals: int
    label: str
    label_zh: str
    formula: str
    method: str
    source: str


class BookBody(BaseModel):
    scope: str
    time: str = Field(description="the local midnight at which the last of its days ended")
    figures: list[BookFigureBody]
    entities: list[str]
    values: dict[str, Column] = Field(
        description="by figure, in the order of `entities`",
        examples=[{"dc_specific_energy_30d": [12590.1, None]}],
    )


class ReasonBody(BaseModel):
    code: str = Field(examples=["high_voltage"])
    text: str
    text_zh: str


class LowCellBody(BaseModel):
    cell: str
    line: str
    kWh_per_t: float
    median_kWh_per_t: float = Field(description="of the cells of its line")
    excess_kWh_per_t: float
    z: float | None = Field(description="excess in robust standard deviations of its line")
    metal_balance: bool = Field(description="by tapped metal; else by the configured efficiency")
    since: str = Field(description="end of the first day of an unbroken run, 30 days at most")
    reasons: list[ReasonBody]


class LowEfficiencyBody(BaseModel):
    time: str
    cells: list[LowCellBody]


@routes.get("/book", response_model=BookBody)
def book(
    context: Ctx,
    scope: Scope = "cell",
    entity: Annotated[list[str] | None, Query(max_length=5000, examples=[["L1-001"]])] = None,
    at: At = None,
) -> Response:
    """The newest row of the book at or before a time. A row is made when a local day is over, and
    again when something late changes what it rests on."""
    entities = list(dict.fromkeys(entity or context.plant.entities(scope)))
    for name in entities:
        known_entity(context.plant, scope, name)
    rows = BOOK.get(scope, ())
    names = [row.name for row in rows]
    block = _newest(context, scope, names, entities, at)
    return Json(
        {
            "scope": scope,
            "time": iso(int(block.times[0])),
            "figures": [
                {key: getattr(row, key) for key in BookFigureBody.model_fields} for row in rows
            ],
            "entities": entities,
            "values": {
                name: np.ascontiguousarray(block.values[0, i]) for i, name in enumerate(names)
            },
        }
    )


@routes.get("/low-efficiency", response_model=LowEfficiencyBody)
def low_efficiency(context: Ctx, at: At = None) -> Response:
    """Cells with far more energy per tonne than the median of their line over 30 days, the worst
    first, with what stands out about them."""
    plant = context.plant
    names = [row.name for row in BOOK["cell"]]
    cells = plant.entities("cell")
    block = _newest(context, "cell", names, list(cells), at)
    figures = dict(zip(names, block.values[0], strict=True))
    with np.errstate(all="ignore"):  # NaN is unknown
        found = low_cells(figures, plant.line_of_cell, len(plant.lines))
    time = int(block.times[0])
    since = _since(context, [cells[low.cell] for low in found], time)
    return Json({"time": iso(time), "cells": [_body(context, low, since) for low in found]})


def _body(context: Context, low: LowCell, since: dict[str, int]) -> dict[str, object]:
    cell = context.plant.cells[low.cell]
    return {
        "cell": cell.id,
        "line": cell.line,
        "kWh_per_t": low.kWh_per_t,
        "median_kWh_per_t": low.median_kWh_per_t,
        "excess_kWh_per_t": low.excess_kWh_per_t,
        "z": low.z,
        "metal_balance": low.metal_balance,
        "since": iso(since[cell.id]),
        "reasons": [{"code": r.code, "text": r.text, "text_zh": r.text_zh} for r in low.reasons],
    }


def _midnights(context: Context, time: int) -> Iterator[int]:
    """Local midnights at or before a time [ns], the newest first, as many as the book has days."""
    zone = context.plant.site.zone
    for _ in range(DAYS + 1):
        midnight = int(windows(time, zone, ())[0, 3])
        yield midnight
        time = midnight - 1


def _newest(
    context: Context, scope: Scope, names: list[str], entities: list[str], at: str | None
) -> FigureBlock:
    now = context.live.now()
    moment = now if at is None else parse(at, now)
    for midnight in _midnights(context, moment) if names else ():
        block = context.history.figures(scope, names, entities, midnight, midnight + 1)
        if len(block.times):
            return block
    raise Problem(
        404,
        "No book yet",
        f"no row of the book of a {scope} is kept in the {DAYS} days before {iso(moment)}",
        "it is made when a local day is over; cells, lines and the site have one",
    )


def _since(context: Context, cells: list[str], time: int) -> dict[str, int]:
    """Since when each of these cells has stood out without a break. [ns]"""
    since = dict.fromkeys(cells, time)
    still = cells
    for midnight in _midnights(context, time - 1):
        if not still:
            break
        block = context.history.figures("cell", ["low_efficiency"], still, midnight, midnight + 1)
        codes = block.values[0, 0] if len(block.times) else np.zeros(len(still))
        still = [cell for cell, code in zip(still, codes.tolist(), strict=True) if code > 0]
        since |= dict.fromkeys(still, midnight)
    return since
