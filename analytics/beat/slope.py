"""Slope of a cell's normalised voltage: means over 2 minutes on the epoch grid, least-squares line
through the last 10, refreshed with each mean. Source: Dupuis, MMM 2007 (GéniSim)."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytics.kernel import part
from plant.batch import SECOND

MEAN_NS = 120 * SECOND
MEANS = 10
LEAST_MEANS = 6
LEAST_NS = MEAN_NS // 2
"""Known time that a mean needs."""


@part
def slope_of(means: Any, newest: int) -> float:
    """Slope [mV/min] of one cell's ring of means [V], NaN with fewer than LEAST_MEANS known.
    newest: slot of the newest mean."""
    n = 0
    x_mean = y_mean = 0.0
    for k in range(MEANS):
        y = means[(newest + 1 + k) % MEANS]
        if y == y:
            n += 1
            x_mean += k
            y_mean += y
    if n < LEAST_MEANS:
        return np.nan
    x_mean /= n
    y_mean /= n
    xx = xy = 0.0
    for k in range(MEANS):
        y = means[(newest + 1 + k) % MEANS]
        if y == y:
            xx += (k - x_mean) * (k - x_mean)
            xy += (k - x_mean) * (y - y_mean)
    return 1000 * (xy / xx) / (MEAN_NS / 60e9)
