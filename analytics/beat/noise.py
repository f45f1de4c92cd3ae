"""Voltage noise of a cell. There is no standard definition; this one is told with each value.

On the normalised voltage of the beats, in blocks of 8 s on the epoch grid. Low frequency: 4 x the
standard deviation of the block means of the last 120 s about their straight line; the mean over
8 s passes what is below 0.06 Hz, the line over 120 s takes away what is below 0.008 Hz: the band of
the metal pad's waves. High frequency: 4 x the root of the mean variance within the blocks, what is
above 0.1 Hz up to half the beat's rate. A block with a beat that is unknown or left out counts as
unknown, and fewer than 10 known blocks of 15 give no figure. Bands: domain practice, e.g. Banta,
Dai, Biedler, Light Metals 2003, which says itself that definitions vary.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytics.kernel import part
from plant.batch import SECOND

BLOCK_NS = 8 * SECOND
BLOCKS = 15
LEAST_BLOCKS = 10


@part
def noise_of(
    means: Any, variances: Any, newest: int, work: Any, first: int, last: int, low: Any, high: Any
) -> None:
    """Low- and high-frequency noise [mV] of the cells [first, last), NaN where unknown. means [V],
    variances [V²]: rings, [blocks, cells]; newest: slot of the newest block; work: float64[7 or
    more, last - first]. A short loop a term, block by block, at the speed of vectors."""
    own, cells = slice(first, last), last - first
    n, x_mean, y_mean, within = work[0, :cells], work[1, :cells], work[2, :cells], work[3, :cells]
    xx, xy, left = work[4, :cells], work[5, :cells], work[6, :cells]
    work[:7, :cells] = 0.0
    for k in range(BLOCKS):
        slot = (newest + 1 + k) % BLOCKS
        y = means[slot, own]
        _add(y, 1.0, n)
        _add(y, float(k), x_mean)
        _add_known(y, y, y_mean)
        _add_known(y, variances[slot, own], within)
    _divide(x_mean, n)
    _divide(y_mean, n)
    for k in range(BLOCKS):
        y = means[(newest + 1 + k) % BLOCKS, own]
        _add_spread(float(k), y, x_mean, xx)
        _add_common(float(k), y, x_mean, y_mean, xy)
    _divide(xy, xx)
    for k in range(BLOCKS):
        y = means[(newest + 1 + k) % BLOCKS, own]
        _add_rest(float(k), y, x_mean, y_mean, xy, left)
    for i in range(len(low)):
        low[i] = 4000 * np.sqrt(left[i] / (n[i] - 2)) if n[i] >= LEAST_BLOCKS else np.nan
    for i in range(len(high)):
        high[i] = 4000 * np.sqrt(within[i] / n[i]) if n[i] >= LEAST_BLOCKS else np.nan


@part
def _add(y: Any, value: float, sums: Any) -> None:
    for i in range(len(sums)):
        sums[i] += value if y[i] == y[i] else 0.0


@part
def _add_known(y: Any, values: Any, sums: Any) -> None:
    for i in range(len(sums)):
        sums[i] += values[i] if y[i] == y[i] else 0.0


@part
def _divide(a: Any, by: Any) -> None:
    for i in range(len(a)):
        a[i] /= by[i]


@part
def _add_spread(k: float, y: Any, x_mean: Any, sums: Any) -> None:
    for i in range(len(sums)):
        sums[i] += (k - x_mean[i]) * (k - x_mean[i]) if y[i] == y[i] else 0.0


@part
def _add_common(k: float, y: Any, x_mean: Any, y_mean: Any, sums: Any) -> None:
    for i in range(len(sums)):
        sums[i] += (k - x_mean[i]) * (y[i] - y_mean[i]) if y[i] == y[i] else 0.0


@part
def _add_rest(k: float, y: Any, x_mean: Any, y_mean: Any, line: Any, sums: Any) -> None:
    for i in range(len(sums)):
        rest = y[i] - y_mean[i] - line[i] * (k - x_mean[i])
        sums[i] += rest * rest if y[i] == y[i] else 0.0
