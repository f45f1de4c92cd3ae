"""GET /api/v1/figures: kept figures over time."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from starlette.responses import Response

from analytics.beat.assessment import Scope
from analytics.table.figures import figures, index
from api import times
from api.context import Context, Ctx
from api.decimate import decimate
from api.encode import Json
from api.lookup import known_entity, known_figure
from api.problems import Problem
from api.shapes import FiguresBody
from api.times import MILLISECOND, End, Start
from plant.batch import SECOND

MOST_DAYS = 366.0
MOST_VALUES = 5_000_000

routes = APIRouter(tags=["history"])


@routes.get("/figures", response_model=FiguresBody)
def history(
    context: Ctx,
    scope: Scope,
    figure: Annotated[list[str], Query(min_length=1, max_length=20, examples=[["voltage"]])],
    entity: Annotated[list[str] | None, Query(max_length=5000, examples=[["L1-001"]])] = None,
    start: Start = None,
    end: End = None,
    points: Annotated[int, Query(ge=2, le=10_000)] = 500,
) -> Response:
    """Figures as kept, all entities of the scope unless some are named. More than `points` times
    are thinned: each stretch gives its least and its greatest value, so no extreme is lost."""
    names = list(dict.fromkeys(figure))
    entities = list(dict.fromkeys(entity or context.plant.entities(scope)))
    for name in names:
        known_figure(scope, name)
    for name in entities:
        known_entity(context.plant, scope, name)
    since, until = times.interval(start, end, context.live.now(), MOST_DAYS)
    _refuse_too_many(context, len(names) * len(entities), since, until)
    block = context.history.figures(scope, names, entities, since, until)
    moments, values = decimate(block.times, block.values, points)
    return Json(
        {
            "scope": scope,
            "names": names,
            "entities": entities,
            "unit": {name: figures()[scope][index(scope, name)].unit for name in names},
            "decimated": len(moments) < len(block.times),
            "time_ms": moments // MILLISECOND,
            "values": {
                e: {n: np.ascontiguousarray(values[:, f, i]) for f, n in enumerate(block.names)}
                for i, e in enumerate(block.entities)
            },
        }
    )


def _refuse_too_many(context: Context, series: int, since: int, until: int) -> None:
    step_ns = context.plant.time.figures_every_s * SECOND
    values = series * (until - since) / step_ns
    if values > MOST_VALUES:
        hours = MOST_VALUES * step_ns / series / SECOND / 3600
        raise Problem(
            422,
            "Too many values",
            f"{series} series over this range are about {values:,.0f} values,"
            f" more than {MOST_VALUES:,}",
            f"ask for fewer figures or entities, or for at most {hours:.3g} hours of these",
        )
