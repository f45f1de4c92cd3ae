"""Fewer points of a series for a chart, extremes kept. Equal buckets of time, arrays at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def buckets(times: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """First row of each of at most `most` buckets of equal time that hold any row.

    times: int64[n] ascending, n > 0.
    """
    span = int(times[-1] - times[0]) + 1
    width = -(-span // most)
    return np.flatnonzero(np.diff((times - times[0]) // width, prepend=-1))


def envelope(
    values: NDArray[np.float64], starts: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest of each bucket along the first axis; NaN where all are NaN."""
    return np.fmin.reduceat(values, starts, axis=0), np.fmax.reduceat(values, starts, axis=0)


def decimate(
    times: NDArray[np.int64], values: NDArray[np.float64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At most `most` (>= 2) of n rows; all when there are no more than that.

    times: int64[n] ascending; values: float64[n, ...], series along the other axes. A bucket gives
    its first and its last time, and at these the least and the greatest value of each series in
    the order in which they came; NaN where a series has none.
    """
    rows = len(times)
    if rows <= most:
        return times, values
    starts = buckets(times, most // 2)
    ends = np.append(starts[1:], rows)
    low, high = envelope(values, starts)
    each = np.repeat(np.arange(len(starts)), ends - starts)
    place = np.arange(rows).reshape(-1, *[1] * (values.ndim - 1))
    low_at = np.minimum.reduceat(np.where(values == low[each], place, rows), starts, axis=0)
    high_at = np.minimum.reduceat(np.where(values == high[each], place, rows), starts, axis=0)
    falls = high_at < low_at
    first, second = np.where(falls, high, low), np.where(falls, low, high)
    keep = np.stack([np.ones(len(starts), bool), ends - starts > 1], axis=1).ravel()
    chosen_times = np.stack([times[starts], times[ends - 1]], axis=1).ravel()[keep]
    chosen = np.stack([first, second], axis=1).reshape(-1, *values.shape[1:])[keep]
    return chosen_times, chosen
