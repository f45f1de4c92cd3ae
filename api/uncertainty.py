"""GET /api/v1/uncertainty: ± of every figure of one entity, of the newest beat."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from analytics.beat.assessment import Scope
from analytics.table.figures import beat_figures
from analytics.uncertainty.budget import COVERAGE_FACTOR, uncertainties
from api.context import Ctx
from api.encode import Json
from api.lookup import known_entity, newest_beat
from api.shapes import UncertaintyBody
from api.times import iso

routes = APIRouter(tags=["live"])


@routes.get("/uncertainty", response_model=UncertaintyBody)
def uncertainty(
    context: Ctx, scope: Scope, entity: Annotated[str, Query(examples=["L1-001"])]
) -> Response:
    """Standard and expanded (95 %) uncertainty of each figure of an entity; null where an accuracy
    that it needs is not stated in the plant file. `/api/v1/explain` says what each is made of."""
    known_entity(context.plant, scope, entity)
    newest = newest_beat(context.live)
    column = context.plant.entities(scope).index(entity)
    standard = uncertainties(context.plant, newest.figures)[scope][:, column].tolist()
    return Json(
        {
            "time": iso(newest.time),
            "scope": scope,
            "entity": entity,
            "coverage_factor": COVERAGE_FACTOR,
            "figures": {
                row.name: {"standard": u, "expanded": COVERAGE_FACTOR * u} if isfinite(u) else None
                for row, u in zip(beat_figures()[scope], standard, strict=False)
            },
        }
    )
