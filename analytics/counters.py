"""What a counter counted between its readings, whatever became of the counter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import kernel


@kernel
def increments(
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    most_per_s: float,
    jitter: float,
    rolls_over_at: float,
) -> NDArray[np.float64]:
    """What was counted since the reading before, float64[n], never negative; the first is 0.

    times: int64[n] ns, ascending; values: float64[n], NaN is no reading and counts 0. A fall by at
    most `jitter` counts 0 until the counter is past its old height. A larger one is a roll-over at
    `rolls_over_at` (NaN: it never does) or else a restart from 0. A step faster than `most_per_s`
    is nothing that can have been counted (a replaced meter): NaN, and counting goes on from there.
    """
    result = np.zeros(len(values))
    height = np.nan
    since = 0
    for k in range(len(values)):
        value = values[k]
        if value != value:
            continue
        if height == height:
            most = most_per_s * (times[k] - since) / 1e9
            step = value - height
            if step < 0 and -step <= jitter:
                continue
            if step < 0:
                rolled = rolls_over_at - height + value
                step = rolled if rolled <= most else value
            result[k] = step if step <= most else np.nan
        height = value
        since = times[k]
    return result
