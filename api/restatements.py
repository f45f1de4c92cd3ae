"""GET /api/v1/restatements: what was computed again and why; and what a figure was before."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from analytics.beat.assessment import Scope
from api import times
from api.context import Ctx
from api.encode import Json
from api.explain import superseded as values_before
from api.lookup import known_entity, known_figure
from api.shapes import RestatementsBody, SupersededBody
from api.times import End, Start, iso, parse
from store.restatements import Restatement

MOST_DAYS = 3660.0

routes = APIRouter(tags=["history"])


@routes.get("/restatements", response_model=RestatementsBody)
def restatements(context: Ctx, start: Start = None, end: End = None) -> Response:
    """Restatements that touch the range, the newest first, with their causes."""
    since, until = times.interval(start, end, context.live.now(), MOST_DAYS)
    rows = [body(row) for row in context.restatements.rows(since, until)]
    return Json({"restatements": rows})


@routes.get("/superseded", response_model=SupersededBody)
def superseded(
    context: Ctx,
    scope: Scope,
    entity: Annotated[str, Query(examples=["L1-001"])],
    figure: Annotated[str, Query(examples=["dc_specific_energy_hour"])],
    at: Annotated[str, Query(description="ISO 8601: the time of a kept value")],
) -> Response:
    """What a figure was until a restatement changed it, the newest version first."""
    known_figure(scope, figure)
    known_entity(context.plant, scope, entity)
    moment = parse(at, context.live.now())
    values = values_before(context.restatements, scope, entity, figure, moment)
    return Json({"scope": scope, "entity": entity, "figure": figure, "superseded": values})


def body(row: Restatement) -> dict[str, object]:
    return {
        "version": row.version,
        "cause": row.cause,
        "tags": row.tags,
        "start": iso(row.start),
        "end": iso(row.end),
        "noted": iso(row.noted),
        "done": None if row.done is None else iso(row.done),
        "beats": row.beats,
        "changed": row.changed,
        "remark": row.remark,
    }
