"""The kernels of a frame: order its samples, carry the readings on, summarise each tag's last
beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import kernel, part
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
    n_tags = len(offsets) - 1
    filled = np.zeros(n_tags, np.int64)
    outside = False
    for row in range(len(tags)):
        outside |= times[row] < start or times[row] >= end
        filled[tags[row]] += 1
    if outside:
        return OUTSIDE
    rows = 0
    for tag in range(n_tags):
        count = filled[tag]
        offsets[tag] = filled[tag] = rows
        rows += count
    offsets[n_tags] = rows
    if _in_order(tags, times):
        for row in range(rows):
            out_times[row] = times[row]
            out_values[row] = np.nan if (quality[row] & _SEVERITY) >= _BAD else values[row]
            out_quality[row] = quality[row]
        return rows
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
def carry(
    held_times: NDArray[np.int64],
    held_values: NDArray[np.float64],
    held_quality: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    quality: NDArray[np.uint8],
    after_times: NDArray[np.int64],
    after_values: NDArray[np.float64],
    after_quality: NDArray[np.uint8],
) -> None:
    """The newest reading of each tag at the end of the frame."""
    after_times[:] = held_times
    after_values[:] = held_values
    after_quality[:] = held_quality
    for tag in range(len(after_times)):
        stop = offsets[tag + 1]
        if stop > offsets[tag]:
            after_times[tag] = times[stop - 1]
            after_values[tag] = values[stop - 1]
            after_quality[tag] = quality[stop - 1]


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
    coverage: NDArray[np.float64],
    last: NDArray[np.float64],
) -> None:
    """Summary of [start, end) for each tag, in the tag's unit, NaN where nothing is known. Rows
    before `start` only say what stands there. First what holds for nearly every tag, no reading and
    one that stands.

    The mean is accumulated as differences to the first known value, so that it is exact when the
    value does not change. Slow twin: tests/analytics/beat/test_frame.py.
    """
    for tag in range(len(coverage)):  # & and not `and`: a branch would stop the vectors
        stands = held_times[tag] + hold_ns[tag] >= end
        known = stands & (held_values[tag] == held_values[tag])
        coverage[tag] = 1.0 if known else 0.0
        mean[tag] = last[tag] = held_values[tag] if known else np.nan
    for tag in range(len(hold_ns)):
        row, stop, hold = offsets[tag], offsets[tag + 1], hold_ns[tag]
        time, value = held_times[tag], held_values[tag]
        if row == stop and (coverage[tag] == 1 or time + hold <= start):  # as nearly always
            continue
        begin = stop
        while begin > row and times[begin - 1] >= start:
            begin -= 1
        if begin > row:
            time, value = times[begin - 1], values[begin - 1]
        if begin == stop - 1 and value == value and time + hold >= times[begin] > start:
            now = values[begin]
            if now == now and times[begin] + hold >= end:  # one on one that stood
                mean[tag] = value + (now - value) * (end - times[begin]) / (end - start)
                coverage[tag] = 1.0
                last[tag] = now
                continue
        mean[tag], coverage[tag] = _dwell(start, end, time, value, hold, begin, stop, times, values)
        if stop > row:
            time, value = times[stop - 1], values[stop - 1]
        last[tag] = value if time + hold >= end else np.nan


@part
def _dwell(
    start: int,
    end: int,
    time: int,
    value: float,
    hold: int,
    row: int,
    stop: int,
    times: NDArray[np.int64],
    values: NDArray[np.float64],
) -> tuple[float, float]:
    """Mean of a tag over [start, end), and the share of it that is known. time, value: its newest
    reading before `start`; row, stop: those from there on."""
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
    return base + moment / known if known else np.nan, known / (end - start)


@part
def _in_order(tags: NDArray[np.int32], times: NDArray[np.int64]) -> bool:
    for row in range(1, len(tags)):
        if tags[row] < tags[row - 1]:
            return False
        if tags[row] == tags[row - 1] and times[row] <= times[row - 1]:
            return False
    return True
