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
def noise_of(means: Any, variances: Any, newest: int) -> Any:
    """Low- and high-frequency noise [mV] of one cell's rings of block means [V] and variances [V²],
    NaN where unknown. newest: slot of the newest block."""
    n = 0
    x_mean = y_mean = within = 0.0
    for k in range(BLOCKS):
        y = means[(newest + 1 + k) % BLOCKS]
        if y == y:
            n += 1
            x_mean += k
            y_mean += y
            within += variances[(newest + 1 + k) % BLOCKS]
    if n < LEAST_BLOCKS:
        return np.nan, np.nan
    x_mean /= n
    y_mean /= n
    xx = xy = 0.0
    for k in range(BLOCKS):
        y = means[(newest + 1 + k) % BLOCKS]
        if y == y:
            xx += (k - x_mean) * (k - x_mean)
            xy += (k - x_mean) * (y - y_mean)
    line = xy / xx
    left = 0.0
    for k in range(BLOCKS):
        y = means[(newest + 1 + k) % BLOCKS]
        if y == y:
            rest = y - y_mean - line * (k - x_mean)
            left += rest * rest
    return 4000 * np.sqrt(left / (n - 2)), 4000 * np.sqrt(within / n)
