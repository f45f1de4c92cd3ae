"""The web application over a context. `api/server.py` runs it."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI

from api import (
    alarms,
    baseline,
    book,
    entries,
    events,
    explain,
    figures,
    formulas,
    health,
    meters,
    metrics,
    page,
    plant,
    plausibility,
    problems,
    restatements,
    samples,
    sources,
    stream,
    uncertainty,
    what_if,
)
from api.context import Context
from api.guard import Guard

VERSION = "1"


def create_app(context: Context, static: Path = page.STATIC) -> FastAPI:
    """Everything under /api/v1, the health and metrics routes, and the page in `static`."""
    app = FastAPI(
        title="potline",
        version=VERSION,
        summary="Real-time energy and emissions of aluminium smelter potlines",
        docs_url=None,  # both would load scripts from elsewhere
        redoc_url=None,
        responses=problems.RESPONSES,
    )
    app.state.context = context
    problems.install(app)
    app.add_middleware(Guard)
    metrics.register(context)
    version_1 = APIRouter(prefix="/api/v1")
    version_1.include_router(plant.router(context.plant))
    for noun in (
        stream, figures, samples, alarms, explain, events, sources, formulas, restatements,
        entries, book, uncertainty, baseline, what_if, meters, plausibility,
    ):  # fmt: skip
        version_1.include_router(noun.routes)
    for router in (version_1, health.routes, metrics.routes, page.routes(static)):
        app.include_router(router)
    return app
