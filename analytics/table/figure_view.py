"""Figures by name, for what is computed from them afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analytics.beat.assessment import Scope
from analytics.table.figure import WINDOWS
from analytics.table.figures import beat_figures, index

Floats = NDArray[np.float64]


@cache
def has(scope: Scope, name: str) -> bool:
    """Whether there is a figure of this name; `voltage_{w}` for one of each window."""
    names = {figure.name for figure in beat_figures()[scope]}
    return name.replace("{w}", WINDOWS[0]) in names


@cache
def rows(scope: Scope, name: str) -> slice:
    """Where a figure stands in its scope's array; all windows of it for `voltage_{w}`."""
    if "{w}" in name:
        first = index(scope, name.replace("{w}", WINDOWS[0]))
        return slice(first, first + len(WINDOWS))
    first = index(scope, name)
    return slice(first, first + 1)


class View:
    """figures: float64[figures, entities] by scope, as in an assessment."""

    def __init__(self, values: Mapping[Scope, Floats]) -> None:
        self._values = values

    def __call__(self, scope: Scope, name: str) -> Floats:
        """float64[4, entities] for a name with {w}, float64[1, entities] for another."""
        return self._values[scope][rows(scope, name)]
