"""The last that is kept of figures: at the end of local days, or before some time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from analytics.beat.windows import windows
from plant.batch import SECOND
from plant.model import Plant
from store.contract import FigureBlock
from store.history import History

CLOSING_NS = 600 * SECOND
"""A day closes with what is kept in its last ten minutes."""


@dataclass(frozen=True, slots=True)
class Daily:
    """ends: int64[days] ns, the midnights at which the days end. values: float64[days, names,
    entities], NaN where nothing is kept."""

    ends: NDArray[np.int64]
    values: NDArray[np.float64]


def daily(
    plant: Plant,
    history: History,
    scope: Scope,
    names: Sequence[str],
    entities: Sequence[str],
    start: int,
    end: int,
) -> Daily:
    """The whole local days of [start, end), oldest first."""
    ends = day_ends(plant, start, end)
    values = np.full((len(ends), len(names), len(entities)), np.nan)
    for day, closing in zip(values, ends, strict=True):
        _standing(history.figures(scope, names, entities, closing - CLOSING_NS, closing + 1), day)
    return Daily(np.array(ends, np.int64), values)


def last_known(
    history: History, scope: Scope, name: str, entities: Sequence[str], start: int, end: int
) -> NDArray[np.float64]:
    """float64[entities]: the last of a figure kept in [start, end), NaN where there is none."""
    found = np.full((1, len(entities)), np.nan)
    _standing(history.figures(scope, [name], entities, start, end), found)
    row: NDArray[np.float64] = found[0]
    return row


def _standing(block: FigureBlock, found: NDArray[np.float64]) -> None:
    """Write the last known of each figure and entity to found[names, entities]."""
    for row in block.values:
        known = ~np.isnan(row)
        found[known] = row[known]


def day_ends(plant: Plant, start: int, end: int) -> list[int]:
    """Ends of the local days that lie in [start, end). [ns]"""
    begins, ends = (int(edge) for edge in windows(start, plant.site.zone, ())[:, 3])
    found = []
    while ends <= end:
        if begins >= start:
            found.append(ends)
        begins, ends = (int(edge) for edge in windows(ends, plant.site.zone, ())[:, 3])
    return found
