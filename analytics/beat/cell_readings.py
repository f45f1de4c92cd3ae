"""The readings of a beat: which cells have at most one, on a voltage and a current known
throughout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.cell_state import (
    QUICK,
    ROW,
    ROW_BEFORE,
    UNTIL,
    UNTIL_BEFORE,
    V1,
    V2,
    VOLT,
    VOLT_BEFORE,
    X,
)
from analytics.kernel import part


@part
def find(
    first: int,
    last: int,
    begin: int,
    end: int,
    whole: bool,
    tags: NDArray[np.int32],
    r: Any,
    work: Any,
    ns: Any,
) -> None:
    """Look up the beat of the cells [first, last). QUICK: at most one reading, and the voltage
    known throughout, as is the current when `whole`.

    Indices are unsigned: a negative one would be looked for behind the end each time.
    """
    n = last - first
    stops, times, values, holds = r.offsets[1:], r.times, r.values, r.hold_ns
    tag_of = tags[first:last]
    rows, rows_before = ns[ROW, :n], ns[ROW_BEFORE, :n]
    untils, untils_before = ns[UNTIL, :n], ns[UNTIL_BEFORE, :n]
    volts, volts_before = work[VOLT, :n], work[VOLT_BEFORE, :n]
    quick, x, v1, v2 = (
        work[QUICK, :n], work[X, :n], work[V1, :n], work[V2, :n]
    )  # fmt: skip
    for i in range(len(tag_of)):
        row, volt, until = rows[i], volts[i], untils[i]
        rows_before[i], volts_before[i], untils_before[i] = row, volt, until
        quick[i] = 0.0
        if tag_of[i] < 0 or not whole:
            continue
        tag = np.uintp(tag_of[i])
        stop = stops[tag]
        time = times[np.uintp(row)] if row < stop else end
        stands = volt == volt and until >= min(time, end)
        if time >= end:
            if stands:
                quick[i] = 1.0
                x[i] = end - begin
                v1[i] = v2[i] = volt
        elif (stands or time == begin) and (row + 1 == stop or times[np.uintp(row + 1)] >= end):
            value = values[np.uintp(row)]
            until = time + holds[tag]
            if value == value and until >= end:
                quick[i] = 1.0
                x[i] = time - begin
                v1[i] = volt if time > begin else value
                v2[i] = volts[i] = value
                untils[i] = until
                rows[i] = row + 1
