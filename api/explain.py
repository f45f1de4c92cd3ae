"""GET /api/v1/explain: how a figure came to its value."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from starlette.responses import Response

from analytics.assessment import Scope
from analytics.explain import explain
from analytics.figure import Figure
from analytics.figures import figures
from api.context import Context, Ctx
from api.encode import Json
from api.lookup import known_entity, known_figure
from api.problems import Problem
from api.shapes import ExplanationBody
from api.states import line_of
from api.times import iso, parse
from plant.batch import SECOND
from plant.model import Plant, Tag
from store.history import History

LOOK_BACK_NS = 600 * SECOND

routes = APIRouter(tags=["history"])


@routes.get("/explain", response_model=ExplanationBody)
def explanation(
    context: Ctx,
    scope: Scope,
    entity: Annotated[str, Query(examples=["L1-001"])],
    figure: Annotated[str, Query(examples=["dc_specific_energy_hour"])],
    at: Annotated[str | None, Query(description="ISO 8601 or -1h; now, as live")] = None,
) -> Response:
    """Formula, method, inputs with their values and factors with their sources, of the newest beat
    or of the last one kept at most ten minutes before `at`. A signal that many have has no value
    here: its mean would explain nothing."""
    row = known_figure(scope, figure)
    known_entity(context.plant, scope, entity)
    if at is None:
        moment, values = _live(context, scope, entity)
    else:
        moment, values = _kept(context, scope, entity, parse(at, context.live.now()))
    values |= standing_signals(context.plant, context.history, row, entity, moment)
    return Json(explain(context.plant, scope, entity, figure, values, moment))


def _live(context: Context, scope: Scope, entity: str) -> tuple[int, dict[str, float]]:
    """Time and figures of the newest beat."""
    newest = context.live.assessment
    if newest is None:
        raise Problem(
            503,
            "No beat yet",
            "potline has just started and has computed nothing so far",
            "try again in a few seconds, or name a time with `at`",
            {"Retry-After": "2"},
        )
    column = context.plant.entities(scope).index(entity)
    names = (f.name for f in figures()[scope])
    return newest.time, dict(zip(names, newest.figures[scope][:, column].tolist(), strict=True))


def _kept(context: Context, scope: Scope, entity: str, moment: int) -> tuple[int, dict[str, float]]:
    """Time and figures of the last beat kept at or before `moment`."""
    names = [f.name for f in figures()[scope]]
    block = context.history.figures(scope, names, [entity], moment - LOOK_BACK_NS, moment + 1)
    if not len(block.times):
        raise Problem(
            404,
            "No figures kept",
            f"no figures of {entity} are kept in the ten minutes before {iso(moment)}",
            "name another time; /api/v1/figures shows where there are some",
        )
    values = dict(zip(block.names, block.values[-1, :, 0].tolist(), strict=True))
    return int(block.times[-1]), values


def standing_signals(
    plant: Plant, history: History, row: Figure, entity: str, moment: int
) -> dict[str, float]:
    """What stood at `moment` of the signals that the figure is made of, "kind.name" -> value, where
    one tag alone is meant."""
    near = {entity, line_of(plant, entity)}
    near |= {r.id for r in plant.rectifiers if r.line == entity}
    near |= {m.id for m in plant.meters if m.line == entity}
    tags: dict[str, list[Tag]] = {}
    for tag in plant.tags:
        name = f"{tag.signal.entity}.{tag.signal.name}"
        if tag.entity in near and name in row.inputs:
            tags.setdefault(name, []).append(tag)
    single = {name: found[0].column for name, found in tags.items() if len(found) == 1}
    batch = history.samples(sorted(single.values()), moment - LOOK_BACK_NS, moment)
    values = {}
    for name, column in single.items():
        of_tag = np.flatnonzero(batch.tags == column)
        if len(of_tag) and moment - batch.times[of_tag[-1]] <= plant.hold_ns[column]:
            values[name] = float(batch.values[of_tag[-1]])
    return values
