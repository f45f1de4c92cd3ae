"""GET /api/v1/sources, /ledger, /gaps: how samples arrive and what became of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import times
from api.context import Ctx
from api.encode import Json
from api.lookup import known_tag
from api.shapes import GapsBody, LedgerBody, SourcesBody
from api.source_status import SourceStatus
from api.states import source_json
from api.times import End, Start, iso

MOST_DAYS = 366.0

routes = APIRouter(tags=["delivery"])


@routes.get("/sources", response_model=SourcesBody)
def sources(context: Ctx) -> Response:
    """Each source: its link, whether samples flow, how late and how many, its clock against ours,
    and the tags that it cannot read, with why."""
    return Json({"sources": [_delivering(source) for source in context.sources()]})


def _delivering(source: SourceStatus) -> dict[str, Any]:
    return source_json(source) | {
        "unresolved_tags": dict(source.unresolved),
        "since": iso(source.since),
        "lag_s": source.lag_s,
        "skew_s": source.skew_s,
        "received": source.received,
        "reconnects": source.reconnects,
        "resubscribes": source.resubscribes,
        "revised": dict(source.revised),
    }


@routes.get("/ledger", response_model=LedgerBody)
def ledger(context: Ctx) -> Response:
    """Per source: received = stored + spooled + rejected by reason."""
    return Json(
        {
            "sources": {
                source: {
                    "received": row.received,
                    "stored": row.stored,
                    "spooled": row.spooled,
                    "rejected": dict(row.rejected),
                    "balance": row.balance,
                }
                for source, row in context.spool.ledger().items()
            }
        }
    )


@routes.get("/gaps", response_model=GapsBody)
def gaps(
    context: Ctx,
    tag: Annotated[str | None, Query(examples=["L1-001.voltage"])] = None,
    start: Start = None,
    end: End = None,
) -> Response:
    """Intervals in which a tag's samples are missing, with the cause; those too that go on."""
    if tag is not None:
        known_tag(context.plant, tag)
    now = context.live.now()
    since, until = times.interval(start, end, now, MOST_DAYS)
    lasting = [
        gap
        for gap in context.spool.open_gaps(now)
        if gap.start < until and gap.end > since and tag in (None, gap.tag)
    ]
    return Json(
        {
            "gaps": [
                {
                    "tag": gap.tag,
                    "start": iso(gap.start),
                    "end": iso(gap.end),
                    "cause": gap.cause,
                }
                for gap in (*context.spool.gaps(tag, since, until), *lasting)
            ]
        }
    )
