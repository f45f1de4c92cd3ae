"""Which figures an output publishes, and which of them have changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Assessment, Scope
from analytics.table.figure import Figure
from analytics.table.figures import beat_figures
from plant.model import Output, Plant


@dataclass(frozen=True, slots=True)
class Entities:
    """The entities of one scope and the figures of each. rows: of the scope's array."""

    scope: Scope
    ids: tuple[str, ...]
    lines: tuple[str, ...]  # the line of each, "" where it has none
    figures: tuple[Figure, ...]
    rows: NDArray[np.intp]

    def values(self, assessment: Assessment | None) -> NDArray[np.float64]:
        """float64[entities, figures]; NaN where nothing is known."""
        if assessment is None:
            return np.full((len(self.ids), len(self.figures)), np.nan)
        return np.ascontiguousarray(assessment.figures[self.scope][self.rows].T)


def selection(plant: Plant, output: Output) -> list[Entities]:
    """In the order of the plant; scopes without an entity or a figure are left out."""
    wanted = set(output.options.get("figures") or ())
    lines = {
        "cell": tuple(cell.line for cell in plant.cells),
        "line": tuple(line.id for line in plant.lines),
    }
    chosen = []
    for scope in output.options["scope"]:
        figures = beat_figures()[scope]
        rows = [i for i, f in enumerate(figures) if not wanted or f.name in wanted]
        ids = plant.entities(scope)
        if rows and ids:
            own = tuple(figures[i] for i in rows)
            of_line = lines.get(scope, ("",) * len(ids))
            chosen.append(Entities(scope, ids, of_line, own, np.array(rows, np.intp)))
    return chosen


class Changes:
    """What differs from what was published before."""

    def __init__(self, entities: list[Entities]) -> None:
        self.entities = entities
        self._published = [each.values(None) for each in entities]

    def forget(self) -> None:
        """Nothing counts as published."""
        self._published = [each.values(None) for each in self.entities]

    def all(
        self, assessment: Assessment | None
    ) -> Iterator[tuple[Entities, int, NDArray[np.float64]]]:
        """All entities and what they have, which then counts as published."""
        for each, old in zip(self.entities, self._published, strict=True):
            old[:] = each.values(assessment)
            for index in range(len(each.ids)):
                yield each, index, old[index]

    def take(
        self, assessment: Assessment | None
    ) -> Iterator[tuple[Entities, int, NDArray[np.float64], NDArray[np.bool_]]]:
        """Entities with a change: of what, which, float64[figures], bool[figures]. What is yielded
        counts as published."""
        for each, old in zip(self.entities, self._published, strict=True):
            new = each.values(assessment)
            changed = (new != old) & ~(np.isnan(new) & np.isnan(old))
            for index in np.flatnonzero(changed.any(axis=1)).tolist():
                old[index] = new[index]
                yield each, index, new[index], changed[index]
