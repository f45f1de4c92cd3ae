"""The arrays of an assessment while they are filled, by figure name; and sums that know a gap."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics.assessment import SCOPES, Scope
from analytics.figures import figures, index
from analytics.kernel import elementwise, kernel

Floats = NDArray[np.float64]


class Table:
    """figures[scope][row, entity], NaN until put. entities: how many of each scope."""

    def __init__(self, entities: Mapping[Scope, int]) -> None:
        self.figures: dict[Scope, Floats] = {
            scope: np.full((len(figures()[scope]), entities[scope]), np.nan) for scope in SCOPES
        }

    def row(self, scope: Scope, name: str) -> Floats:
        """float64[entities]: a figure put before."""
        row: Floats = self.figures[scope][index(scope, name)]
        return row

    def put(self, scope: Scope, name: str, values: Floats) -> None:
        """values: float64[entities], in the figure's unit."""
        self.figures[scope][index(scope, name)] = values

    def put_windows(self, scope: Scope, name: str, values: Floats) -> None:
        """values: float64[4, entities], for minute, hour, shift and day."""
        first = index(scope, f"{name}_minute")
        self.figures[scope][first : first + 4] = values

    def windows(self, scope: Scope, name: str) -> Floats:
        """float64[4, entities]: where a figure of minute, hour, shift and day is to be written."""
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


@kernel
def add_known(values: Floats, group: NDArray[np.int32], out: Floats) -> None:
    """out[row, group] = sum of the known values in the order given, NaN where none is known.

    values: float64[rows, n]; group: int32[n]; out: float64[rows, groups].
    """
    rows, n = values.shape
    out[:] = np.nan
    for i in range(n):
        g = group[i]
        for row in range(rows):  # inside: the rows' sums do not wait for each other
            value = values[row, i]
            if value == value:
                so_far = out[row, g]
                out[row, g] = so_far + value if so_far == so_far else value


def by_line(values: Floats, line_of: NDArray[np.int32], lines: int) -> Floats:
    """float64[rows, lines]: sums over each line's rows of float64[rows, n], gaps left out."""
    out = np.empty((len(values), lines))
    add_known(values, line_of, out)
    return out


def total(values: Floats) -> Floats:
    """float64[rows, 1]: sum of what is known of float64[rows, n], NaN where nothing is."""
    return by_line(values, np.zeros(values.shape[1], np.int32), 1)
