"""Powers and flows: each gauge's reading x time over the beats of a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.kernel import kernel


@kernel
def integrate_gauges(
    start: int,
    beat_ns: int,
    beats: int,
    columns: NDArray[np.int32],
    r: Any,
    sums: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> None:
    """Add each beat's reading x seconds, and the seconds in which it is known, to
    sums[0, 0, gauges] and sums[1, 0, gauges]; mean[gauges]: of the last beat, NaN where unknown.

    columns: int32[gauges], -1 for none; r: Readings. A gauge is in its tag's unit.
    """
    for g in range(len(columns)):
        tag = columns[g]
        mean[g] = np.nan
        if tag < 0:
            continue
        row, stop, hold = r.offsets[tag], r.offsets[tag + 1], r.hold_ns[tag]
        value, until = r.held_values[tag], r.held_times[tag] + hold
        for b in range(beats):
            now = start + b * beat_ns
            end = now + beat_ns
            amount = moment = 0.0
            known = 0
            base = np.nan
            while True:
                following = min(end, r.times[row]) if row < stop else end
                length = min(following, until) - now
                if value == value and length > 0:
                    if base != base:
                        base = value
                    moment += (value - base) * length
                    amount += value * (length / 1e9)
                    known += length
                if following == end:
                    break
                now = following
                value = r.values[row]
                until = now + hold
                row += 1
            sums[0, 0, g] += amount
            sums[1, 0, g] += known / 1e9
            mean[g] = base + moment / known if known else np.nan
