"""GET /healthz: the process lives. GET /readyz: what it shows can be relied on."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response

from api.context import Context, Ctx
from api.encode import Json
from api.pair_status import PairStatus
from api.problems import Problem
from api.shapes import HealthBody
from api.times import iso
from plant.batch import SECOND

routes = APIRouter(tags=["health"])


@routes.get("/healthz", response_model=HealthBody)
async def healthz(context: Ctx) -> Response:
    """The process answers; of a pair of collectors, which role it has."""
    return _ok(context)


@routes.get("/readyz", response_model=HealthBody)
def readyz(context: Ctx, role: Literal["active"] | None = None) -> Response:
    """200 while live figures are fresh and samples can be kept, else 503 with the reasons. With
    role=active the standby of a pair is not ready, for who wants to reach the other one."""
    reasons = unready(context)
    pair = context.pair()
    if pair is not None and role is not None and pair.role != role:
        reasons.append(f"this collector is the standby of a pair: {pair.reason}")
    if reasons:
        raise Problem(
            503,
            "Not ready",
            "; ".join(reasons),
            "see /api/v1/sources and the log of the server",
            {"Retry-After": "5"},
        )
    return _ok(context)


def _ok(context: Context) -> Response:
    pair = context.pair()
    return Json({"status": "ok"} | ({} if pair is None else {"pair": _pair_json(pair)}))


def _pair_json(pair: PairStatus) -> dict[str, Any]:
    return {
        "name": pair.name,
        "role": pair.role,
        "since": iso(pair.since),
        "reason": pair.reason,
        "epoch": pair.epoch,
        "peer": pair.peer,
        "peer_active": pair.peer_active,
        "peer_age_s": pair.peer_age_s,
        "trouble": pair.trouble,
    }


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
    pair = context.pair()
    rests = pair is not None and pair.role == "standby"  # the other one takes what is given once
    once = {source.id for source in context.plant.sources if source.taken_once and rests}
    for source in context.sources():
        if not source.flowing and source.id not in once:
            why = f" ({source.last_error})" if source.last_error else ""
            reasons.append(f"no samples flow from source {source.id}: {source.link}{why}")
    return reasons
