"""GET /api/v1/samples: one tag's samples, thinned to what a chart can show."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from starlette.responses import Response

from api import times
from api.context import Ctx
from api.decimate import buckets, envelope
from api.encode import Json
from api.lookup import known_tag
from api.problems import Problem
from api.shapes import SamplesBody
from api.times import MILLISECOND, End, Start
from plant.batch import SECOND, Quality

MOST_DAYS = 31.0
MOST_SAMPLES = 10_000_000
SEVERITY = np.uint8(Quality.SEVERITY)

routes = APIRouter(tags=["history"])


@routes.get("/samples", response_model=SamplesBody)
def samples(
    context: Ctx,
    tag: Annotated[str, Query(examples=["L1-001.voltage"])],
    start: Start = None,
    end: End = None,
    points: Annotated[int, Query(ge=2, le=20_000)] = 1000,
) -> Response:
    """A tag's samples, null where BAD. More than `points` are thinned: each point stands for a
    stretch that begins at its time, with the least and the greatest value in it."""
    found = known_tag(context.plant, tag)
    since, until = times.interval(start, end, context.live.now(), MOST_DAYS)
    expected = (until - since) / SECOND / found.interval_s
    if expected > MOST_SAMPLES:
        raise Problem(
            422,
            "Too many samples",
            f"{tag} has about {expected:,.0f} samples in this range, more than {MOST_SAMPLES:,}",
            "ask for a shorter range",
        )
    batch = context.history.samples([found.column], since, until)
    decimated = len(batch) > points
    moments, low, high, quality = batch.times, batch.values, batch.values, batch.quality
    if decimated:
        starts = buckets(batch.times, points)
        moments = batch.times[starts]
        low, high = envelope(batch.values, starts)
        quality = np.bitwise_or(
            np.maximum.reduceat(batch.quality & SEVERITY, starts),
            np.bitwise_or.reduceat(batch.quality & ~SEVERITY, starts),
        )
    return Json(
        {
            "tag": tag,
            "unit": found.signal.unit,
            "hold_s": found.hold_s if np.isfinite(found.hold_s) else None,
            "decimated": decimated,
            "time_ms": moments // MILLISECOND,
            "min": low,
            "max": high,
            "quality": quality,
        }
    )
