"""From a figure back to the tags that it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from analytics.beat.assessment import SCOPES, Scope
from analytics.beat.windows import windows
from analytics.table.figure import Figure
from analytics.table.figures import figures
from plant.batch import SECOND
from plant.model import EntityKind, Plant, Tag

LONGEST_HOLD_NS = 600 * SECOND
PLACE = {"minute": 0, "hour": 1, "shift": 2, "day": 3}
BOOK_DAYS = 30


@cache
def roots(scope: Scope, figure: str) -> frozenset[str]:
    """All that a figure comes from, "kind.name": figures, signals and plant keys."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()

    def walk(of: str, name: str) -> None:
        if (of, name) in seen:
            return
        seen.add((of, name))
        row = row_of(of, name)
        for text in row.inputs if row else ():
            kind, _, plain = text.rpartition(".")
            found.add(f"{kind or of}.{plain}")
            if row_of(kind or of, plain) is not None:
                walk(kind or of, plain)

    walk(scope, figure)
    return frozenset(found)


@cache
def row_of(kind: str, name: str) -> Figure | None:
    """The figure of that name, None for a signal or a key of the plant."""
    of_kind = (row for scope in SCOPES if scope == kind for row in figures()[scope])
    return next((row for row in of_kind if row.name == name), None)


def tags_of(plant: Plant, scope: Scope, entity: str, figure: str) -> tuple[Tag, ...]:
    """The tags that a figure of an entity comes from, in the plant's order."""
    wanted, near = roots(scope, figure), set(members(plant, scope, entity))
    return tuple(
        tag
        for tag in plant.tags
        if tag.entity in near and f"{tag.signal.entity}.{tag.signal.name}" in wanted
    )


def members(plant: Plant, scope: Scope, entity: str) -> Iterator[str]:
    """The entity, and those whose readings its figures are made of."""
    yield entity
    if scope == "cell":
        yield plant.lines[plant.line_of_cell[plant.entities("cell").index(entity)]].id
    if scope == "line":
        yield from (cell.id for cell in plant.cells if cell.line == entity)
        yield from (rectifier.id for rectifier in plant.rectifiers if rectifier.line == entity)
        yield from (meter.id for meter in plant.meters if meter.line == entity)
    if scope == "site":
        kinds: tuple[EntityKind, ...] = ("line", "cell", "rectifier", "meter", "boiler")
        for kind in kinds:
            yield from plant.entities(kind)


def span(plant: Plant, row: Figure, time: int) -> tuple[int, int]:
    """[start, end) of the readings that a figure at `time` [ns] comes from. Those of a beat begin
    with the one that stood at its start."""
    if row.window in PLACE:
        edges = windows(time - 1, plant.site.zone, plant.site.shifts)
        return int(edges[0, PLACE[row.window]]), time
    if row.window == "beat":
        return time - LONGEST_HOLD_NS, time
    return time - BOOK_DAYS * 86400 * SECOND, time
