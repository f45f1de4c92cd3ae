"""What only some cells have in a beat: an anode effect, a low voltage, the end of a block of noise
or of a mean of slope."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytics.beat.anode_effect import NONE, emit, look, read, tidy
from analytics.beat.cell_state import (
    ALGEBRAIC,
    BEAM_QUIET_NS,
    COUNT,
    OUT,
    POSITIVE,
    ROW,
    ROW_BEFORE,
    SPIKE_COUNT,
    TAP_QUIET_NS,
    TARGET_V,
    TOP,
    UNTIL_BEFORE,
    VOLT_BEFORE,
)
from analytics.beat.noise import BLOCK_NS, noise_of
from analytics.beat.operations import BEAM, LOW_COUNT, LOW_NS, TAP, linger
from analytics.beat.slope import LEAST_NS, slope_of
from analytics.kernel import inlined, part


@inlined
def look_closer(
    c: int,
    i: int,
    begin: int,
    end: int,
    excess_V: float,
    p: Any,
    rule: Any,
    r: Any,
    windows: Any,
    state: Any,
    work: Any,
    ns: Any,
    out: Any,
    written: Any,
) -> None:
    """The beat of cell c, i-th of its line, whose machine is awake or whose voltage is high."""
    m = state.machines[c]
    target = work[TARGET_V, i]
    if state.awake[c] or work[TOP, i] > rule.v_on:
        closed = state.closed[c]
        if state.awake[c] == 0 and state.last_ns[c] != NONE:
            m.last = m.settled = state.last_ns[c]
            m.value, m.target = state.last[0, c], state.last[1, c]
        if m.run_start != NONE:
            work[OUT, i] = 1.0
        for k in range(ns[ROW_BEFORE, i], ns[ROW, i]):
            volt = r.values[k]
            if volt == volt:
                read(m, rule, c, r.times[k], volt, target, windows, closed, out, written)
        look(m, rule, c, end, windows, closed, out, written)
        if m.changed:
            emit(m, rule, c, end, out, written)
        tidy(m, rule, end)
        state.awake[c] = 0.0 if m.last == NONE else 1.0
        _count(c, end, m, rule, windows, closed, state.above, state.counted)
    if begin < max(state.clocks[TAP, c] + TAP_QUIET_NS, state.clocks[BEAM, c] + BEAM_QUIET_NS):
        state.low_start[c] = NONE
    elif work[TOP, i] > target + excess_V or state.low_start[c] != NONE:
        hold = r.hold_ns[p.voltage]
        since, count, time = linger(
            begin, end, work[VOLT_BEFORE, i], ns[UNTIL_BEFORE, i], hold, ns[ROW_BEFORE, i],
            r.offsets[p.voltage + 1], r, target + excess_V, rule.v_on, p.low_ns, windows[3],
            state.low_start[c],
        )  # fmt: skip
        state.low_start[c] = since
        state.today[LOW_COUNT, c] += count
        state.today[LOW_NS, c] += time


@part
def _count(
    c: int, end: int, m: Any, rule: Any, windows: Any, closed: Any, above: Any, counted: Any
) -> None:
    """What the cell's machine has counted, with the run in progress as known at `end`."""
    until = end
    over = 0.0
    if m.confirmed:
        until = max(m.settled, min(end, m.last + rule.interval))
        over = (m.value - m.target) * max(0, until - max(m.settled, windows[3])) / 1e9
    for w in range(4):
        above[w, c] = closed[w]
        if m.confirmed:
            above[w, c] += max(0, until - max(m.run_start, windows[w]))
    counted[POSITIVE, c] = m.positive + max(over, 0.0)
    counted[ALGEBRAIC, c] = m.algebraic + over
    counted[COUNT, c] = m.count
    counted[SPIKE_COUNT, c] = m.spikes


@part
def end_block(
    first: int, last: int, beat_ns: int, slot: int, cells: Any, state: Any, work: Any
) -> None:
    """A block of noise of the cells [first, last) is over: its mean and variance, known when all of
    its beats were. work: as noise_of takes it."""
    tracks = state.tracks
    for c in range(first, last):
        n = tracks[3, c]
        mean = variance = np.nan
        if cells[c].noisy and n >= 8 and n * beat_ns == BLOCK_NS:
            mean = tracks[0, c] + tracks[1, c] / n
            variance = max(0.0, (tracks[2, c] - tracks[1, c] * tracks[1, c] / n) / (n - 1))
        state.noise_means[slot, c], state.noise_variances[slot, c] = mean, variance
    tracks[:4, first:last] = 0.0
    noise_of(state.noise_means, state.noise_variances, slot, work, first, last,
             state.shown[1, first:last], state.shown[2, first:last])  # fmt: skip


@inlined
def end_mean(c: int, beat_ns: int, slot: int, state: Any) -> None:
    """A mean of slope is over."""
    tracks = state.tracks
    n = tracks[6, c]
    state.slope_means[slot, c] = (
        tracks[4, c] + tracks[5, c] / n if n * beat_ns >= LEAST_NS else np.nan
    )
    for row in range(4, 7):
        tracks[row, c] = 0.0
    state.shown[0, c] = slope_of(state.slope_means[:, c], slot)
