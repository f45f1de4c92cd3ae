"""GET /healthz: the process lives. GET /readyz: what it shows can be relied on."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.context import Context, Ctx
from api.encode import Json
from api.problems import Problem
from api.shapes import HealthBody
from plant.batch import SECOND

routes = APIRouter(tags=["health"])


@routes.get("/healthz", response_model=HealthBody)
async def healthz() -> Response:
    """The process answers."""
    return Json({"status": "ok"})


@routes.get("/readyz", response_model=HealthBody)
def readyz(context: Ctx) -> Response:
    """200 while live figures are fresh and samples can be kept, else 503 with the reasons."""
    reasons = unready(context)
    if reasons:
        raise Problem(
            503,
            "Not ready",
            "; ".join(reasons),
            "see /api/v1/sources and the log of the server",
            {"Retry-After": "5"},
        )
    return Json({"status": "ok"})


def unready(context: Context) -> list[str]:
    """Why the data cannot be relied on now, in words."""
    live = context.live
    reasons = []
    if error := context.store_error():
        reasons.append(f"the store is away, samples wait in the spool: {error}")
    if live.beat.time is None:
        reasons.append("starting: no beat yet")
    elif live.is_stale():
        age = (live.now() - live.beat.time) / SECOND
        reasons.append(f"data are stale: the newest beat ended {age:.0f} s ago")
    for source in context.sources():
        if not source.flowing:
            why = f" ({source.last_error})" if source.last_error else ""
            reasons.append(f"no samples flow from source {source.id}: {source.link}{why}")
    return reasons
