"""The arrays of an assessment while they are filled, by figure name; and sums that know a gap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from analytics.kernel import elementwise
from analytics.table.figures import beat_figures, index

Floats = NDArray[np.float64]


class Table:
    """figures[scope][row, entity]. entities: how many of each scope; cells: their figures. Every
    row is to be put."""

    def __init__(self, entities: Mapping[Scope, int], cells: Floats) -> None:
        self.figures: dict[Scope, Floats] = {
            scope: cells if scope == "cell" else np.empty((len(rows), entities[scope]))
            for scope, rows in beat_figures().items()
        }

    def put(self, scope: Scope, name: str, values: Floats) -> None:
        """values: float64[entities], in the figure's unit."""
        self.figures[scope][index(scope, name)] = values

    def row(self, scope: Scope, name: str) -> Floats:
        """float64[entities]: a figure put before."""
        row: Floats = self.figures[scope][index(scope, name)]
        return row

    def windows(self, scope: Scope, name: str) -> Floats:
        """float64[4, entities]: a figure of minute, hour, shift and day."""
        first = index(scope, f"{name}_minute")
        return self.figures[scope][first : first + 4]


@elementwise
def ratio(above: float, below: float) -> float:
    """above / below where below is positive, NaN elsewhere; broadcasts as numpy does."""
    return above / below if below > 0 else np.nan


@elementwise
def known(value: float, seconds: float) -> float:
    """The sums of windows in which something was known, NaN for the others."""
    return value if seconds > 0 else np.nan


def take(values: Floats, columns: NDArray[np.int32]) -> Floats:
    """values of these columns, NaN for column -1."""
    taken = values[columns]
    taken[columns < 0] = np.nan
    return taken
