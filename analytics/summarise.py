"""The kernels that make a frame of a batch: order its samples, summarise each tag's beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import kernel
from plant.batch import Quality

_SEVERITY = int(Quality.SEVERITY)
_BAD = int(Quality.BAD)


@kernel
def group(
    tags: NDArray[np.int32],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    out_times: NDArray[np.int64],
    out_values: NDArray[np.float64],
    out_quality: NDArray[np.uint8],
) -> int:
    """Rows by tag, otherwise in the order given; one per (tag, time): the first.

    Fills offsets[tags + 1] and the out arrays (as long as the batch); returns the rows kept, or -1
    when the rows of some tag are not in the order of time. A BAD row's value becomes NaN.
    """
    n_tags = len(offsets) - 1
    place = np.zeros(n_tags + 1, np.int64)
    for row in range(len(tags)):
        place[tags[row] + 1] += 1
    for tag in range(n_tags):
        place[tag + 1] += place[tag]
    first = place.copy()
    filled = first[:-1].copy()
    for row in range(len(tags)):
        tag = tags[row]
        at = filled[tag]
        if at > first[tag] and times[row] <= out_times[at - 1]:
            if times[row] < out_times[at - 1]:
                return -1
            continue
        out_times[at] = times[row]
        out_values[at] = np.nan if (quality[row] & _SEVERITY) >= _BAD else values[row]
        out_quality[at] = quality[row]
        filled[tag] = at + 1
    kept = 0
    for tag in range(n_tags):  # close the holes that duplicates left
        offsets[tag] = kept
        for at in range(first[tag], filled[tag]):
            if at != kept:
                out_times[kept] = out_times[at]
                out_values[kept] = out_values[at]
                out_quality[kept] = out_quality[at]
            kept += 1
    offsets[n_tags] = kept
    return kept


@kernel
def summarise(
    start: int,
    end: int,
    hold_ns: NDArray[np.int64],
    held_times: NDArray[np.int64],
    held_values: NDArray[np.float64],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    mean: NDArray[np.float64],
    minimum: NDArray[np.float64],
    maximum: NDArray[np.float64],
    coverage: NDArray[np.float64],
    last: NDArray[np.float64],
) -> None:
    """Summary of [start, end) for each tag, in the tag's unit; NaN where nothing is known.

    The mean is accumulated as differences to the first known value, so that it is exact when the
    value does not change. Slow twin: tests/analytics/test_kernels.py.
    """
    for tag in range(len(hold_ns)):
        hold = hold_ns[tag]
        time = held_times[tag]
        value = held_values[tag]
        base = np.nan
        low = np.nan
        high = np.nan
        moment = 0.0
        known = 0
        stop = offsets[tag + 1]
        row = offsets[tag]
        while True:
            until = times[row] if row < stop else end
            since = max(time, start)
            known_until = min(until, time + hold)
            if value == value and known_until > since:
                if base != base:
                    base = value
                    low = value
                    high = value
                moment += (value - base) * (known_until - since)
                known += known_until - since
                low = min(low, value)
                high = max(high, value)
            if row == stop:
                break
            time = times[row]
            value = values[row]
            row += 1
        mean[tag] = base + moment / known if known else np.nan
        minimum[tag] = low
        maximum[tag] = high
        coverage[tag] = known / (end - start)
        last[tag] = value if time + hold >= end else np.nan
