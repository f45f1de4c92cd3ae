"""GET /api/v1/explain: how a figure came to its value."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from starlette.responses import Response

from analytics.beat.assessment import SCOPES, Scope
from analytics.table.figure import Figure
from analytics.table.figures import beat_figures, figures, index
from analytics.uncertainty.explain import Tables, explain
from analytics.uncertainty.lineage import span, tags_of
from api.context import Ctx
from api.encode import Json
from api.lookup import known_entity, known_figure, newest_beat
from api.problems import Problem
from api.shapes import ExplanationBody
from api.states import line_of
from api.times import iso, parse
from plant.batch import SECOND
from plant.model import Plant, Tag
from store.history import History
from store.restatements import Restatements

LOOK_BACK_NS = 600 * SECOND
BOOK_BACK_NS = 3 * 86400 * SECOND
READ_AT_MOST = 500_000
"""Samples of one signal that are read for an explanation."""
PLACES = ("url", "host", "port", "path")
"""Options of a source that say where it is; none of them may hold a secret."""

routes = APIRouter(tags=["history"])


@routes.get("/explain", response_model=ExplanationBody)
def explanation(
    context: Ctx,
    scope: Scope,
    entity: Annotated[str, Query(examples=["L1-001"])],
    figure: Annotated[str, Query(examples=["dc_specific_energy_hour"])],
    at: Annotated[str | None, Query(description="ISO 8601 or -1h; now, as live")] = None,
) -> Response:
    """Formula, method, inputs with their values, factors with their sources and validity, the
    uncertainty with its budget, and the readings on record: of the newest beat, or of the last one
    kept at most ten minutes before `at`. A signal that many have has no value here: its mean would
    explain nothing."""
    known_entity(context.plant, scope, entity)
    plant, history = context.plant, context.history
    booked = known_figure(scope, figure).window in ("30d", "book")
    if at is None and not booked:
        newest = newest_beat(context.live)
        moment, tables, before = newest.time, newest.figures, []
    else:
        asked = parse(at or "now", context.live.now())
        look_back = BOOK_BACK_NS if booked else LOOK_BACK_NS
        found = kept_at(history, scope, entity, figure, asked, look_back)
        if found is None:
            raise Problem(
                404,
                "No figures kept",
                f"no {figure} of {entity} is kept in the time before {iso(asked)}",
                "name another time; /api/v1/figures shows where there are some",
            )
        moment, tables = found, tables_at(plant, history, found)
        before = superseded(context.restatements, scope, entity, figure, found)
    document = explanation_of(plant, history, scope, entity, figure, moment, tables)
    return Json({**document, "superseded": before})


def explanation_of(
    plant: Plant,
    history: History,
    scope: Scope,
    entity: str,
    figure: str,
    moment: int,
    tables: Tables,
) -> dict[str, Any]:
    """A figure of an entity at `moment` [ns], all the way to its samples. tables: all figures of
    that moment."""
    row = figures()[scope][index(scope, figure)]
    column = plant.entities(scope).index(entity)
    names = (f.name for f in figures()[scope])
    values = dict(zip(names, tables[scope][:, column].tolist(), strict=False))
    values |= standing_signals(plant, history, row, entity, moment)
    samples = recorded(plant, history, row, entity, moment)
    return explain(plant, scope, entity, figure, values, moment, tables, samples)


def kept_at(
    history: History,
    scope: Scope,
    entity: str,
    figure: str,
    moment: int,
    look_back_ns: int = LOOK_BACK_NS,
) -> int | None:
    """The last time at or before `moment` [ns], and not long before, at which the figure is kept;
    if it is unknown all the while, at which others of the entity are."""
    for names in ([figure], [f.name for f in beat_figures()[scope]]):
        block = history.figures(scope, names, [entity], moment - look_back_ns, moment + 1)
        if len(block.times):
            return int(block.times[-1])
    return None


def superseded(
    restatements: Restatements, scope: Scope, entity: str, figure: str, moment: int
) -> list[dict[str, Any]]:
    """What the value kept at `moment` [ns] was before, the newest version first."""
    causes = {row.version: row.cause for row in restatements.rows(0, np.iinfo(np.int64).max)}
    return [
        {"version": old.version, "value": old.value, "cause": causes[old.version]}
        for old in restatements.superseded(scope, figure, entity, moment)
    ]


def tables_at(plant: Plant, history: History, time: int) -> Tables:
    """All figures kept of a moment [ns], in the shape of an assessment; NaN where none is kept."""
    tables: dict[Scope, NDArray[np.float64]] = {}
    for scope in SCOPES:
        names = [f.name for f in figures()[scope]]
        ids = plant.entities(scope)
        block = history.figures(scope, names, ids, time, time + 1)
        tables[scope] = (
            block.values[-1] if len(block.times) else np.full((len(names), len(ids)), np.nan)
        )
    return tables


def recorded(
    plant: Plant, history: History, row: Figure, entity: str, moment: int
) -> list[dict[str, Any]]:
    """What is on record of the tags that a figure was made of: for each signal and source how many
    tags, how many samples and from when to when, and where the first of the tags is read. Samples
    are counted where they are few enough to be read while someone waits."""
    start, end = span(plant, row, moment)
    groups: dict[tuple[str, str], list[Tag]] = {}
    for tag in tags_of(plant, row.scope, entity, row.name):
        groups.setdefault((f"{tag.signal.entity}.{tag.signal.name}", tag.source), []).append(tag)
    sources = {source.id: source for source in plant.sources}
    few = {
        key
        for key, tags in groups.items()
        if sum((end - start) / (tag.interval_s * SECOND) for tag in tags) <= READ_AT_MOST
    }
    read = sorted(tag.column for key in few for tag in groups[key])
    batch = history.samples(read, start, end)
    found = []
    for (signal, source), tags in groups.items():
        times = batch.times[np.isin(batch.tags, [tag.column for tag in tags])]
        found.append(
            {
                "signal": signal,
                "tags": len(tags),
                "tag": tags[0].id,
                "source": source,
                "kind": sources[source].kind,
                "address": {
                    **{k: str(v) for k, v in sources[source].options.items() if k in PLACES},
                    **{k: v for k, v in tags[0].address.items() if v},
                },
                "from": iso(start),
                "to": iso(end),
                "count": len(times) if (signal, source) in few else None,
                "first": iso(int(np.min(times))) if len(times) else None,
                "last": iso(int(np.max(times))) if len(times) else None,
            }
        )
    return found


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
