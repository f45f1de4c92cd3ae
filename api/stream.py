"""GET /api/v1/live and /api/v1/stream: the newest state, once and as it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from api.context import Ctx
from api.live import LiveHub, event
from api.problems import Problem
from api.shapes import LiveBody

HEARTBEAT_S = 2.0
MOST_CLIENTS = 1000

routes = APIRouter(tags=["live"])


@routes.get("/live", response_model=LiveBody)
async def live(context: Ctx) -> Response:
    """The newest beat: columns of figures and standing signals in the order of `/plant`."""
    snapshot = context.live.look().snapshot
    return Response(snapshot, headers={"Cache-Control": "no-store"}, media_type="application/json")


@routes.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "`snapshot`, then a `delta` each beat, `alarms` when any has changed",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'event: delta\ndata: {"time": "2026-11-21T11:40:02Z", "figures":'
                    ' {"cell": {"voltage": {"i": [7], "v": [4.12]}}}}\n\n',
                }
            },
        }
    },
)
async def stream(context: Ctx) -> Response:
    """Server-sent events: `snapshot` (as `/live`), then each beat a `delta` with what changed: of a
    column all, or the places `i` and their values `v`. A slow client gets a new `snapshot` instead
    of the deltas it missed. `alarms` brings all open alarms. A comment line each 2 s of silence."""
    hub = context.live
    if hub.clients >= MOST_CLIENTS:
        raise Problem(
            503,
            "Too many streams",
            f"{hub.clients} clients are on the stream already",
            "close some, or poll /api/v1/live",
            {"Retry-After": "10"},
        )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(messages(hub), headers=headers, media_type="text/event-stream")


async def messages(hub: LiveHub) -> AsyncIterator[bytes]:
    """What one client is sent, until it goes or the hub closes."""
    hub.clients += 1
    try:
        beat = hub.look()
        yield event("snapshot", beat.snapshot) + beat.alarms
        while True:
            old, beat = beat, await hub.after(beat.number, HEARTBEAT_S)
            if hub.closed:
                return
            if beat.number == old.number:
                yield b": still here\n\n"
                continue
            fresh = (
                event("delta", beat.delta)
                if beat.number == old.number + 1
                else event("snapshot", beat.snapshot)
            )
            yield fresh + beat.alarms if beat.alarms is not old.alarms else fresh
    finally:
        hub.clients -= 1
