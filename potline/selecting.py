"""Cells and periods as people write them on the command line."""

from __future__ import annotations

from collections.abc import Sequence

from plant.model import Plant
from plant.suggest import did_you_mean
from potline.exits import INVALID, Failure
from potline.times import parse_time


def cells_of(plant: Plant, text: str, option: str) -> list[str]:
    """L1-001,L1-003..L1-006 (in the order of the plant), L1 (a line), L1/A (a section). -> ids.

    Raises Failure.
    """
    every = plant.entities("cell")
    groups: dict[str, Sequence[str]] = {line.id: line.cells for line in plant.lines}
    groups |= {f"{line.id}/{s.id}": s.cells for line in plant.lines for s in line.sections}
    found: list[str] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("..")
        if part.strip() in groups:
            found += groups[part.strip()]
            continue
        for cell in (first, last or first):
            if cell not in every:
                raise Failure(
                    INVALID,
                    f"{option} {part.strip()}: no cell, range A..B, line or line/section of that "
                    f"name; {did_you_mean(cell, (*every, *groups))}",
                )
        begin, end = every.index(first), every.index(last or first)
        if begin > end:
            raise Failure(INVALID, f"{option} {part.strip()}: write {last}..{first}")
        found += every[begin : end + 1]
    return list(dict.fromkeys(found))


def period(plant: Plant, text: str, option: str) -> tuple[int, int]:
    """FROM,TO -> [ns), as `parse_time` reads each. Raises Failure."""
    start, comma, end = text.partition(",")
    if not comma:
        raise Failure(
            INVALID, f"{option} {text}: write two times with a comma, e.g. 2026-03-01,2026-04-01"
        )
    zone = plant.site.zone
    begins, ends = parse_time(start.strip(), zone), parse_time(end.strip(), zone)
    if begins >= ends:
        raise Failure(INVALID, f"{option} {text}: the first time must be before the second")
    return begins, ends
