"""GET /api/v1/alarms and its acknowledgement."""

from __future__ import annotations

from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from api import times
from api.context import Ctx
from api.encode import Json
from api.problems import Problem
from api.shapes import Acknowledgement, AlarmBody, AlarmsBody
from api.states import alarm_json
from api.times import End, Start
from store.alarms import AlreadyAcknowledged, NoSuchAlarm
from store.spool import SpoolFull

MOST_DAYS = 3660.0

log = structlog.get_logger()
routes = APIRouter(prefix="/alarms", tags=["alarms"])


@routes.get("", response_model=AlarmsBody)
def alarms(
    context: Ctx,
    state: Literal["open", "all"] = "open",
    start: Start = None,
    end: End = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """Open alarms: those not yet both gone and acknowledged. `all`: that stood in the range, newest
    first, at most `limit`."""
    if state == "open":
        rows = context.alarms.open()[:limit]
    else:
        since, until = times.interval(start, end, context.live.now(), MOST_DAYS)
        rows = context.alarms.history(since, until, limit)
    return Json(
        {"alarms": [alarm_json(context.plant, row) for row in rows]},
        headers={"Cache-Control": "no-store"},
    )


@routes.post("/{id}/acknowledge", response_model=AlarmBody)
def acknowledge(
    context: Ctx, id: Annotated[int, Path(ge=1, le=2**63 - 1)], body: Acknowledgement
) -> Response:
    """Take note of an alarm, once. Who, when and the comment are kept with it."""
    try:
        alarm = context.alarms.acknowledge(id, body.who, body.comment, context.live.now())
    except NoSuchAlarm as error:
        raise Problem(
            404, "No such alarm", str(error), "see /api/v1/alarms?state=all for what there is"
        ) from None
    except AlreadyAcknowledged as error:
        raise Problem(
            409, "Already acknowledged", str(error), "load the alarm again to see by whom and when"
        ) from None
    try:
        context.spool.commit_beats((), [alarm.event()], None)
    except SpoolFull as error:
        log.warning("acknowledged, but the store's copy of the alarm is not", reason=str(error))
    context.live.refresh()
    return Json(alarm_json(context.plant, alarm))
