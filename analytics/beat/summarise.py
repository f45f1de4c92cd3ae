"""The kernels that make a frame of a batch: order its samples, summarise each tag's last beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import kernel
from plant.batch import Quality

_SEVERITY = int(Quality.SEVERITY)
_BAD = int(Quality.BAD)

OUTSIDE, UNORDERED = -2, -1
"""What `group` answers instead of a number of rows."""


@kernel
def group(
    start: int,
    end: int,
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

    Fills offsets[tags + 1] and the out arrays (as long as the batch); returns the rows kept,
    OUTSIDE when a row does not lie in [start, end), UNORDERED when the rows of some tag are not in
    the order of time. A BAD row's value becomes NaN.
    """
    rows = len(tags)
    n_tags = len(offsets) - 1
    offsets[:] = 0
    in_order = True
    for row in range(rows):
        if times[row] < start or times[row] >= end:
            return OUTSIDE
        tag = tags[row]
        offsets[tag + 1] += 1
        if row and (tag < tags[row - 1] or (tag == tags[row - 1] and times[row] <= times[row - 1])):
            in_order = False
    for tag in range(n_tags):
        offsets[tag + 1] += offsets[tag]
    if in_order:
        for row in range(rows):
            out_times[row] = times[row]
            out_values[row] = np.nan if (quality[row] & _SEVERITY) >= _BAD else values[row]
            out_quality[row] = quality[row]
        return rows
    filled = offsets[:-1].copy()
    doubled = 0
    for row in range(rows):
        tag = tags[row]
        at = filled[tag]
        if at > offsets[tag] and times[row] <= out_times[at - 1]:
            if times[row] < out_times[at - 1]:
                return UNORDERED
            doubled += 1
            continue
        out_times[at] = times[row]
        out_values[at] = np.nan if (quality[row] & _SEVERITY) >= _BAD else values[row]
        out_quality[at] = quality[row]
        filled[tag] = at + 1
    if doubled == 0:
        return rows
    kept = 0
    for tag in range(n_tags):  # close the holes that duplicates left
        begin = offsets[tag]
        offsets[tag] = kept
        for at in range(begin, filled[tag]):
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
    held_quality: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
    mean: NDArray[np.float64],
    coverage: NDArray[np.float64],
    last: NDArray[np.float64],
    after_times: NDArray[np.int64],
    after_values: NDArray[np.float64],
    after_quality: NDArray[np.uint8],
) -> None:
    """Summary of [start, end) for each tag, in the tag's unit, NaN where nothing is known; and the
    readings held at the end. Rows before `start` only say what stands there.

    The mean is accumulated as differences to the first known value, so that it is exact when the
    value does not change. Slow twin: tests/analytics/beat/test_frame.py.
    """
    length = end - start
    for tag in range(len(hold_ns)):
        hold = hold_ns[tag]
        time = held_times[tag]
        value = held_values[tag]
        row = offsets[tag]
        stop = offsets[tag + 1]
        if row == stop and value == value and time + hold >= end:  # as nearly always
            mean[tag] = last[tag] = after_values[tag] = value
            coverage[tag] = 1.0
            after_times[tag] = time
            after_quality[tag] = held_quality[tag]
            continue
        after_quality[tag] = quality[stop - 1] if stop > row else held_quality[tag]
        base = np.nan
        moment = 0.0
        known = 0
        while True:
            until = times[row] if row < stop else end
            since = max(time, start)
            known_until = min(until, time + hold)
            if value == value and known_until > since:
                if base != base:
                    base = value
                moment += (value - base) * (known_until - since)
                known += known_until - since
            if row == stop:
                break
            time = times[row]
            value = values[row]
            row += 1
        mean[tag] = base + moment / known if known else np.nan
        coverage[tag] = known / length
        last[tag] = value if time + hold >= end else np.nan
        after_times[tag] = time
        after_values[tag] = value
