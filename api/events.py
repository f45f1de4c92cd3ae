"""GET /api/v1/anode-effects."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import times
from api.context import Ctx
from api.encode import Json
from api.lookup import known_entity
from api.shapes import AnodeEffectBody, AnodeEffectsBody
from api.times import End, Start, iso

MOST_DAYS = 366.0
FIELDS = tuple(AnodeEffectBody.model_fields)

routes = APIRouter(tags=["history"])


@routes.get("/anode-effects", response_model=AnodeEffectsBody)
def anode_effects(
    context: Ctx,
    cell: Annotated[str | None, Query(examples=["L1-001"])] = None,
    start: Start = None,
    end: End = None,
) -> Response:
    """Anode effects that began in the range; `incomplete` where samples are missing in one."""
    if cell is not None:
        known_entity(context.plant, "cell", cell)
    since, until = times.interval(start, end, context.live.now(), MOST_DAYS)
    rows = [
        {name: row[name] for name in FIELDS} | {"start": iso(row["start"]), "end": iso(row["end"])}
        for row in context.history.events("anode_effect", since, until)
        if cell in (None, row["cell"])
    ]
    return Json({"anode_effects": rows})
