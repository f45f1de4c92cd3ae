"""POST and GET /api/v1/entries: values that people enter, and how they were corrected."""

from __future__ import annotations

from collections.abc import Container
from math import isnan
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.context import Context, Ctx
from api.encode import Json
from api.problems import Problem
from api.times import End, Start, interval, iso, parse
from plant.batch import SECOND
from plant.model import Signal
from store.entries import Entry, EntryError, checked, enterable

MOST_DAYS = 3660.0
DAYS_NS = 30 * 86_400 * SECOND
MOST_ENTRIES = 10_000

routes = APIRouter(prefix="/entries", tags=["entries"])


class EntryIn(BaseModel):
    """A value of a slow signal. `value` null withdraws what was said of that time."""

    model_config = ConfigDict(
        extra="forbid",
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {
                    "entity": "L1-001",
                    "signal": "bath_temperature",
                    "time": "2026-11-21T06:30:00+08:00",
                    "value": 957.5,
                    "unit": "degC",
                    "who": "Li Wei",
                    "comment": "probe 3",
                }
            ]
        },
    )

    entity: str = Field(max_length=80)
    signal: str = Field(max_length=80)
    time: str = Field(max_length=40, description="when the sample was taken: ISO 8601, or -2h")
    value: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None
    unit: str = Field(default="", max_length=20, description="the signal's when not given")
    who: str = Field(min_length=1, max_length=80)
    comment: str = Field(default="", max_length=1000)
    entered: str | None = Field(
        default=None, max_length=40, description="when it was told of; now when not given"
    )


class EntryBody(BaseModel):
    entity: str
    signal: str
    unit: str
    time: str
    value: float | None = Field(description="null: withdrawn")
    entered: str
    who: str
    comment: str
    stands: bool = Field(description="no later entry of the same time corrects it")


class EntriesBody(BaseModel):
    entries: list[EntryBody]


@routes.post("", response_model=EntriesBody)
def enter(context: Ctx, body: EntryIn | list[EntryIn]) -> Response:
    """Keep one value or a list, all or none; durable when answered. Of several entries of one
    signal and time the one entered last stands; nothing is overwritten."""
    given = body if isinstance(body, list) else [body]
    table, signals, now = context.entries, enterable(context.plant), context.live.now()
    if not 0 < len(given) <= MOST_ENTRIES:
        raise Problem(
            422, "Not a list of entries", f"{len(given)} entries",
            f"send 1 to {MOST_ENTRIES} at a time",
        )  # fmt: skip
    entries = [_checked(context, signals, now, i, row) for i, row in enumerate(given)]
    table.add(entries)
    times = [entry.time for entry in entries]
    tags = sorted({entry.tag for entry in entries})
    standing = {repr(row) for row in table.standing(tags, min(times), max(times) + 1)}
    return Json({"entries": [_body(signals, row, standing) for row in entries]})


@routes.get("", response_model=EntriesBody)
def entries(
    context: Ctx,
    entity: str | None = None,
    signal: str | None = None,
    start: Start = None,
    end: End = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES)] = 1000,
) -> Response:
    """Entries of samples taken in the range, by default the last 30 days; newest sample first, of
    each time the one that stands and after it those that it corrects."""
    table, signals, now = context.entries, enterable(context.plant), context.live.now()
    tags = [
        tag
        for tag, row in signals.items()
        if entity in (None, tag.rpartition(".")[0]) and signal in (None, row.name)
    ]
    if not tags:
        raise Problem(
            404, "Nothing to enter", f"no value of {entity or 'any'} {signal or ''} is entered",
            "see `signals` with pace slow in /api/v1/plant",
        )  # fmt: skip
    until = now + 1 if end is None else parse(end, now)
    since = until - DAYS_NS if start is None else interval(start, end, now + 1, MOST_DAYS)[0]
    rows = table.history(tags, since, until, limit)
    found = table.standing(sorted({row.tag for row in rows}), since, until)
    standing = {repr(row) for row in found}  # NaN is not equal to itself
    return Json({"entries": [_body(signals, row, standing) for row in rows]})


def _checked(
    context: Context, signals: dict[str, Signal], now: int, place: int, row: EntryIn
) -> Entry:
    try:
        return checked(
            context.plant, signals, now, entity=row.entity, signal=row.signal,
            time=parse(row.time, now), value=row.value, unit=row.unit, who=row.who,
            comment=row.comment, entered=None if row.entered is None else parse(row.entered, now),
        )  # fmt: skip
    except EntryError as error:
        raise Problem(
            422, "Not a value that can be entered", f"entry {place + 1}: {error}",
            "nothing was kept; correct the entry and send all again",
        ) from None  # fmt: skip


def _body(signals: dict[str, Signal], row: Entry, standing: Container[str]) -> dict[str, object]:
    entity, _, signal = row.tag.rpartition(".")
    return {
        "entity": entity,
        "signal": signal,
        "unit": signals[row.tag].unit,
        "time": iso(row.time),
        "value": None if isnan(row.value) else row.value,
        "entered": iso(row.entered),
        "who": row.who,
        "comment": row.comment,
        "stands": repr(row) in standing,
    }
