"""An example for every figure: readings of a small plant, and the value worked out by hand.

The plant, its readings and the examples are files of examples_by_hand. `value_of` runs the readings
through the same calls as the live pipeline: a day of beats through assess, and thirty
days like it, with slow values, through the book.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assess import assess, new_state
from analytics.beat.assessment import SCOPES, Scope
from analytics.beat.frame import Held, freeze
from analytics.book.book import book
from analytics.book.input import DAY_FIGURES, DAY_NS, DAYS, REACH_DAYS, DayRows, Series
from analytics.table.book_rows import BOOK
from analytics.table.figure import Figure
from analytics.table.figures import beat_figures, figures
from plant.batch import SECOND, Batch
from plant.load import load
from plant.model import Plant, Tag

FOLDER = Path(__file__).with_name("examples_by_hand")
DAY, MONTH = "day", "month"
"""Names of the readings of one day, and of the thirty days like it with their slow values."""

Floats = NDArray[np.float64]
Tables = Mapping[Scope, Floats]


@dataclass(frozen=True, slots=True)
class Example:
    """One row of data/examples/<scope>.toml. variant: a figure's name, `{w}` for its windows."""

    scope: Scope
    variant: str
    figure: str
    entity: str
    case: str
    at: str  # time of day; "" for the end of the readings
    what: str  # the figure in one sentence; "" where the one before says it
    by_hand: str  # arithmetic, as a Python expression with sqrt and ln
    value: str  # right to the last digit written
    formula: str  # "NAME key=value …" as potline formula takes it; "" for none
    result: str  # which of its results is the value
    note: str


def variant(figure: Figure) -> str:
    """A figure's name with `{w}` for its calendar window."""
    if figure.window in ("beat", "book", "30d"):
        return figure.name
    return figure.name.removesuffix(figure.window) + "{w}"


@cache
def table() -> Mapping[Scope, Mapping[str, tuple[Figure, ...]]]:
    """The rows of every figure by scope and variant: one of them, or one for each window."""
    found: dict[Scope, dict[str, tuple[Figure, ...]]] = {}
    for scope in SCOPES:
        own = found[scope] = {}
        for row in figures()[scope]:
            own[variant(row)] = (*own.get(variant(row), ()), row)
    return found


@cache
def examples() -> Mapping[tuple[Scope, str], Example]:
    """By scope and variant, in the order of the files."""
    return {(e.scope, e.variant): e for scope in SCOPES for e in _read(scope)}


def _read(scope: Scope) -> Iterator[Example]:
    for name, row in _toml(scope).items():
        rows = table()[scope].get(name, ())
        of_book = any(row.window in ("30d", "book") for row in rows)
        yield Example(
            scope=scope,
            variant=name,
            figure=row.get("figure", name.replace("{w}", "day")),
            entity=row.get("entity", example_plant().entities(scope)[0]),
            case=row.get("case", MONTH if of_book else DAY),
            at=row.get("at", ""),
            what=row.get("what", ""),
            by_hand=row["by_hand"],
            value=row["value"],
            formula=row.get("formula", ""),
            result=row.get("result", ""),
            note=row.get("note", ""),
        )


@cache
def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


@cache
def example_plant() -> Plant:
    """The plant that the examples are of."""
    return load(FOLDER / "plant.toml")


def story(case: str) -> str:
    """What the readings of a case tell, in words."""
    return str(_toml("readings")[case]["what"])


def ends_at(example: Example) -> str:
    """Time of day at which the example's figure is taken."""
    return example.at or str(_toml("readings")[example.case].get("until", "24:00:00"))


def readings(case: str) -> Mapping[str, list[list[Any]]]:
    """By tag id: rows of a time and the values from then on, in turn."""
    found: Mapping[str, list[list[Any]]] = _toml("readings")[case]["readings"]
    return found


def value_of(example: Example) -> float:
    """What the code makes of the readings; in the figure's unit, NaN where unknown."""
    plant = example_plant()
    if example.case == MONTH:
        rows, values = BOOK[example.scope], _month()[example.scope]
    else:
        rows = beat_figures()[example.scope]
        values = _run(example.case)[_second(example.case, example.at)][example.scope]
    names = [row.name for row in rows]
    column = plant.entities(example.scope).index(example.entity)
    return float(values[names.index(example.figure), column])


def _second(case: str, at: str) -> int:
    """Seconds since midnight. at: "hh:mm:ss", "" for the end of the case"""
    hours, minutes, seconds = map(int, (at or _toml("readings")[case]["until"]).split(":"))
    return 3600 * hours + 60 * minutes + seconds


def _midnight(case: str) -> int:
    """Start of the case's day. [ns]"""
    day = datetime.fromisoformat(_toml("readings")[case]["day"])
    return round(day.replace(tzinfo=example_plant().site.zone).timestamp()) * SECOND


@cache
def _run(case: str) -> Mapping[int, Tables]:
    """The figures at each time that an example asks for, by the second of the day."""
    plant, midnight = example_plant(), _midnight(case)
    wanted = {_second(case, e.at) for e in examples().values() if e.case == case}
    end = _second(case, "")
    wanted.add(end)
    batch = _batch(plant, case)
    state, held = new_state(plant), Held.nothing(len(plant.tags))
    found: dict[int, Tables] = {}
    begin = 0
    for until in sorted(wanted | set(range(60, end + 1, 60))):
        first, last = np.searchsorted(batch.times, midnight + np.array([begin, until]) * SECOND)
        part = batch.take(np.arange(first, last))
        start, stop = midnight + begin * SECOND, midnight + until * SECOND
        frame, held = freeze(plant.hold_ns, start, stop, held, part, until - begin)
        state, assessment = assess(plant, state, frame)
        if until in wanted:
            found[until] = assessment.figures
        begin = until
    return found


def _batch(plant: Plant, case: str) -> Batch:
    """Every sample of a case, by time."""
    tags, times, values = [], [], []
    for name, rows in readings(case).items():
        tag = plant.tags[plant.column_of[name]]
        for at, value in _samples(tag, rows, case):
            tags.append(np.full(len(at), tag.column))
            times.append(at)
            values.append(value)
    order = np.argsort(np.concatenate(times), kind="stable")
    return Batch.of(*(np.concatenate(part)[order] for part in (tags, times, values)))


def _samples(tag: Tag, rows: list[list[Any]], case: str) -> Iterator[tuple[NDArray[np.int64], Any]]:
    """A row's values are said in turn at the tag's interval until the next row, or once where a
    reading stands for ever."""
    edges = [_second(case, row[0]) for row in rows] + [_second(case, "")]
    for row, begin, end in zip(rows, edges, edges[1:], strict=False):
        if np.isfinite(tag.hold_s):
            at = np.arange(begin, end, round(tag.interval_s))
        else:
            at = np.array([begin])
        yield _midnight(case) + at * SECOND, np.resize(np.array(row[1:], float), len(at))


@cache
def _month() -> Tables:
    """The book at the end of thirty days like the one of the readings."""
    plant, end = example_plant(), _midnight(DAY) + DAY_NS
    closing = _run(DAY)[_second(DAY, "")]
    ends = end - DAY_NS * np.arange(DAYS - 1, -1, -1)
    values = {
        scope: {
            name: np.tile(closing[scope][[f.name for f in beat_figures()[scope]].index(name)],
                          (DAYS, 1))
            for name in names
        }
        for scope, names in DAY_FIGURES.items()
    }  # fmt: skip
    entities: dict[Scope, int] = {scope: len(plant.entities(scope)) for scope in SCOPES}
    days = DayRows(ends - DAY_NS, ends, ends.copy(), entities, values)
    return book(plant, days, {signal: _slow(plant, signal) for signal in REACH_DAYS})


def _slow(plant: Plant, signal: str) -> Series:
    """The slow values of one signal: at a date and time, or at a time of every day."""
    found = []
    last = datetime.fromisoformat(_toml("readings")[DAY]["day"])
    for name, rows in readings(MONTH).items():
        tag = plant.tags[plant.column_of[name]]
        if tag.signal.name != signal:
            continue
        cell = plant.entities("cell").index(tag.entity)
        for when, value in rows:
            dates = [when] if " " in when else [
                f"{(last - timedelta(days=d)).date()} {when}" for d in range(DAYS)
            ]  # fmt: skip
            for date in dates:
                moment = datetime.fromisoformat(date).replace(tzinfo=plant.site.zone)
                found.append((cell, round(moment.timestamp()) * SECOND, float(value)))
    found.sort()
    columns = list(zip(*found, strict=True)) or [(), (), ()]
    return Series(
        np.array(columns[0], np.intp), np.array(columns[1], np.int64), np.array(columns[2], float)
    )
