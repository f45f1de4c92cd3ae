"""[[line]], [[cell]] and [[cell_change]] -> what each cell was built of, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from plant.batch import SECOND
from plant.model import Cell, CellPeriod
from plant.ranges import RangeError, cell_numbers
from plant.rows import Rows
from plant.schema.equipment import CellChangeRow, LineRow
from plant.suggest import did_you_mean

EVER = -(2**63)
"""The least int64: a period that has no beginning."""
BUILT_OF = ("anode", "technology", "cathode", "lining", "started")


def first_period(line: LineRow) -> CellPeriod:
    """What a line says of its cells."""
    return CellPeriod(
        EVER, line.anode, line.cell_technology, line.cathode, line.lining, line.started or ""
    )


def with_changes(rows: Rows, cells: Mapping[str, Cell], zone: ZoneInfo) -> dict[str, Cell]:
    """The same cells with a period more for each [[cell_change]] that names them."""
    changes: dict[str, dict[str, dict[str, Any]]] = {}
    for i, row in rows.all("cell_change", CellChangeRow):
        changed = row.model_dump(include=set(BUILT_OF), exclude_none=True)
        if not changed:
            what = f"changes nothing; write one of {', '.join(BUILT_OF)}"
            rows.problems.add(("cell_change", i), what)
            continue
        for cell in _named(rows, i, row, cells):
            dated = changes.setdefault(cell, {})
            if row.since in dated:
                what = f"{cell} changes twice on {row.since}; write it in one [[cell_change]]"
                rows.problems.add(("cell_change", i, "since"), what)
            dated[row.since] = changed
    return {
        own: replace(cell, history=_history(cell, changes.get(own, {}), zone))
        for own, cell in cells.items()
    }


def _named(rows: Rows, i: int, row: CellChangeRow, cells: Mapping[str, Cell]) -> list[str]:
    """Ids of the cells of a change; none when it names what is not there."""
    lines = rows.ids("line")
    if row.line not in lines:
        if not rows.problems.touch("line"):
            what = f'there is no line "{row.line}"; {did_you_mean(row.line, lines)}'
            rows.problems.add(("cell_change", i, "line"), what)
        return []
    try:
        named = [f"{row.line}-{number}" for number in cell_numbers(row.cells)]
    except RangeError as error:
        rows.problems.add(("cell_change", i, "cells"), str(error))
        return []
    if missing := [cell for cell in named if cell not in cells]:
        if not rows.problems.touch("line"):
            what = f"there is no cell {missing[0]}; write a range that the line's sections have"
            rows.problems.add(("cell_change", i, "cells"), what)
        return []
    return named


def _history(
    cell: Cell, dated: Mapping[str, dict[str, Any]], zone: ZoneInfo
) -> tuple[CellPeriod, ...]:
    periods = list(cell.history)
    for since, changed in sorted(dated.items()):
        midnight = datetime.combine(date.fromisoformat(since), time(), zone)
        at = round(midnight.timestamp()) * SECOND
        periods.append(replace(periods[-1], since=at, **changed))
    return tuple(periods)
