"""The beat of a line's cells in short loops, each at the speed of the processor's vectors: no
branch, nothing that waits for the cell before. Loops that read the same are one where that was
measured to be faster."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytics.beat.anode_effect import NONE
from analytics.beat.cell_state import (
    BEAM_QUIET_NS,
    BOTH_NS,
    CHARGE,
    DIFFERS,
    DISTANCE,
    EFFECT,
    ELAPSED,
    ENERGY,
    KNOWN,
    L_CHARGE,
    L_ENERGY,
    L_KNOWN,
    L_QUIET_ENERGY,
    L_TARGET_ENERGY,
    L_VOLTAGE_KNOWN,
    LEAST_CURRENT,
    LOW,
    MEAN,
    NORMAL,
    NORMALISED,
    OUT,
    POWER,
    Q1,
    QUICK,
    QUIET_CHARGE,
    QUIET_ENERGY,
    RESISTANCE,
    ROW,
    ROW_BEFORE,
    SPARE,
    TAP_QUIET_NS,
    TARGET,
    TARGET_V,
    TOP,
    V1,
    V2,
    VOLT_NS,
    VOLTAGE,
    VOLTAGE_KNOWN,
    X,
)
from analytics.beat.operations import BEAM, TAP
from analytics.kernel import part


@part
def compute(
    n: int,
    begin: int,
    beat_ns: int,
    corner: int,
    stop: int,
    v_on: float,
    table: Any,
    work: Any,
    ns: Any,
) -> None:
    """The beat of every QUICK cell of a line of n; what it leaves for others is written over."""
    x, q1, v1, v2 = work[X, :n], work[Q1, :n], work[V1, :n], work[V2, :n]
    end = stop - 1
    charge = table.charge[end] + table.amp[end] * ((begin + beat_ns - table.at[end]) / 1e9)
    _line_charge(x, 0.0, table.amp[corner], -1.0, q1)
    for k in range(corner + 1, stop):
        _line_charge(x, table.charge[k], table.amp[k], float(table.at[k] - begin), q1)
    length = float(beat_ns)
    energy, quiet_energy = work[ENERGY, :n], work[QUIET_ENERGY, :n]
    quiet_charge, mean, top = work[QUIET_CHARGE, :n], work[MEAN, :n], work[TOP, :n]
    for i in range(len(x)):
        before, after = q1[i], charge - q1[i]
        one, two = v1[i] * before, v2[i] * after
        energy[i] = one + two
        quiet_energy[i] = (one if v1[i] <= v_on else 0.0) + (two if v2[i] <= v_on else 0.0)
        quiet_charge[i] = (before if v1[i] <= v_on else 0.0) + (after if v2[i] <= v_on else 0.0)
        mean[i] = v1[i] + (v2[i] - v1[i]) * ((length - x[i]) / length)
        top[i] = max(v1[i], v2[i])
    work[CHARGE, :n] = charge
    ns[BOTH_NS, :n] = beat_ns
    ns[VOLT_NS, :n] = beat_ns


@part
def _line_charge(x: Any, charge: float, amp: float, at: float, out: Any) -> None:
    """The line's charge up to x, where x lies behind the corner `at`; before the first nothing."""
    origin = max(at, 0.0)
    for i in range(len(out)):
        out[i] = charge + amp * ((x[i] - origin) * 1e-9) if x[i] >= at else out[i]


@part
def judge(
    first: int,
    last: int,
    begin: int,
    v_on: float,
    excess_V: float,
    amps: float,
    zero: float,
    nominal: float,
    state: Any,
    work: Any,
) -> int:
    """Normalised voltage of the beat; which cells are left out of noise and slope, which must be
    looked at one by one. -> how many those are"""
    n = last - first
    per_volt = nominal / amps if amps > LEAST_CURRENT * nominal else np.nan
    mean, top, target = work[MEAN, :n], work[TOP, :n], work[TARGET_V, :n]
    normal, out, differs = work[NORMAL, :n], work[OUT, :n], work[DIFFERS, :n]
    tap, beam = state.clocks[TAP, first:last], state.clocks[BEAM, first:last]
    tapped, moved = begin - TAP_QUIET_NS, begin - BEAM_QUIET_NS
    quick, awake, since = work[QUICK, :n], state.awake[first:last], state.low_start[first:last]
    for i in range(len(mean)):  # & and not `and`: a branch would stop the vectors
        normal[i] = zero + (mean[i] - zero) * per_volt
        high = top[i] > v_on
        out[i] = 1.0 if (tap[i] > tapped) | (beam[i] > moved) | high else 0.0
        quiet = (top[i] <= v_on) & (top[i] <= target[i] + excess_V)
        same = (awake[i] == 0) & (quick[i] == 1) & (since[i] == NONE)
        differs[i] = 0.0 if quiet & same else 1.0
    count = 0.0
    for i in range(len(differs)):
        count += differs[i]
    return int(count)


@part
def accumulate(
    k: int, first: int, last: int, target_energy: Any, state: Any, lines: Any, work: Any, ns: Any
) -> None:
    """Add the beat of a line's cells to the minute, theirs and the line's."""
    n, own, sums, times = last - first, slice(first, last), state.sums, state.ns
    energy, charge = work[ENERGY, :n], work[CHARGE, :n]
    quiet, allowed = work[QUIET_ENERGY, :n], work[QUIET_CHARGE, :n]
    target, both, heard = work[TARGET_V, :n], ns[BOTH_NS, :n], ns[VOLT_NS, :n]
    energies, charges = sums[ENERGY, 0, own], sums[CHARGE, 0, own]
    quiets, allowances = sums[QUIET_ENERGY, 0, own], sums[QUIET_CHARGE, 0, own]
    targets = sums[TARGET, 0, own]
    known, listened = times[KNOWN, 0, own], times[VOLTAGE_KNOWN, 0, own]
    for i in range(len(energy)):
        energies[i] += energy[i]
        charges[i] += charge[i]
        quiets[i] += quiet[i]
        allowances[i] += allowed[i]
        targets[i] += target[i] * (heard[i] * 1e-9)
        known[i] += both[i]
        listened[i] += heard[i]
    wanted = target_energy[own]
    all_energy = all_charge = all_quiet = all_target = 0.0
    all_both = all_heard = 0
    for i in range(len(wanted)):  # four sums that do not wait for each other
        all_energy += energy[i]
        all_charge += charge[i]
        all_quiet += quiet[i]
        all_target += wanted[i] * allowed[i]
    for i in range(len(both)):
        all_both += both[i]
        all_heard += heard[i]
    lines.sums[L_ENERGY, 0, k] += all_energy
    lines.sums[L_CHARGE, 0, k] += all_charge
    lines.sums[L_QUIET_ENERGY, 0, k] += all_quiet
    lines.sums[L_TARGET_ENERGY, 0, k] += all_target
    lines.ns[L_KNOWN, 0, k] += all_both
    lines.ns[L_VOLTAGE_KNOWN, 0, k] += all_heard


@part
def track(first: int, last: int, state: Any, work: Any) -> None:
    """Add the beat of a line's cells to the open blocks of noise and slope."""
    n, own, tracks = last - first, slice(first, last), state.tracks
    y = work[SPARE, :n]
    _counting(work[NORMAL, :n], work[OUT, :n], y)
    for reference, beats in ((0, 3), (4, 6)):
        _refer(y, tracks[beats, own], tracks[reference, own])
        _track(y, tracks[reference, own], tracks[reference + 1, own])
        _track_beats(y, tracks[beats, own])
    _track_squares(y, tracks[0, own], tracks[2, own])


@part
def _counting(normal: Any, out: Any, y: Any) -> None:
    """The value that noise and slope take, NaN where they leave it out."""
    for i in range(len(y)):
        y[i] = normal[i] if out[i] == 0 else np.nan


@part
def _refer(y: Any, beats: Any, reference: Any) -> None:
    """The first value of a block is what its others are counted from."""
    for i in range(len(y)):
        first = y[i] if y[i] == y[i] else reference[i]
        reference[i] = first if beats[i] == 0 else reference[i]


@part
def _track(y: Any, reference: Any, sums: Any) -> None:
    for i in range(len(y)):
        sums[i] += y[i] - reference[i] if y[i] == y[i] else 0.0


@part
def _track_squares(y: Any, reference: Any, squares: Any) -> None:
    for i in range(len(y)):
        d = y[i] - reference[i] if y[i] == y[i] else 0.0
        squares[i] += d * d


@part
def _track_beats(y: Any, beats: Any) -> None:
    for i in range(len(y)):
        beats[i] += 1.0 if y[i] == y[i] else 0.0


@part
def remember(first: int, last: int, begin: int, state: Any, work: Any, ns: Any) -> None:
    """The newest reading of the beat of every QUICK cell."""
    n = last - first
    quick, x, v2, target = work[QUICK, :n], work[X, :n], work[V2, :n], work[TARGET_V, :n]
    row, before = ns[ROW, :n], ns[ROW_BEFORE, :n]
    last_ns, volt = state.last_ns[first:last], state.last[0, first:last]
    wanted = state.last[1, first:last]
    for i in range(len(quick)):
        read = (quick[i] == 1) & (row[i] != before[i])
        last_ns[i] = begin + np.int64(x[i]) if read else last_ns[i]
        volt[i] = v2[i] if read else volt[i]
        wanted[i] = target[i] if read else wanted[i]


@part
def put(
    first: int,
    last: int,
    end: int,
    zero: float,
    nominal: float,
    patience_ns: Any,
    state: Any,
    work: Any,
    ns: Any,
    rows: Any,
    figures: Any,
) -> None:
    """The figures of the last beat of a line's cells; those in an event are put after."""
    n = last - first
    _copy(work[MEAN, :n], 0.0, 1.0, figures[rows[VOLTAGE], first:last])
    normal = work[NORMAL, :n]
    _copy(normal, 0.0, 1.0, figures[rows[NORMALISED], first:last])
    _copy(normal, zero, 1000 / nominal, figures[rows[RESISTANCE], first:last])
    _power(work[ENERGY, :n], ns[BOTH_NS, :n], figures[rows[POWER], first:last])
    _difference(normal, work[TARGET_V, :n], figures[rows[DISTANCE], first:last])
    for row in (EFFECT, ELAPSED, LOW):
        _quiet(end, state.last_ns[first:last], patience_ns[first:last],
               figures[rows[row], first:last])  # fmt: skip


@part
def _copy(a: Any, zero: float, factor: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] = (a[i] - zero) * factor


@part
def _power(energy: Any, ns: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = energy[i] / (ns[i] * 1e-9) if ns[i] > 0 else np.nan


@part
def _difference(normal: Any, target: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = 1000 * (normal[i] - target[i])


@part
def _quiet(end: int, last_ns: Any, patience_ns: Any, out: Any) -> None:
    """0 while the voltage is known. A reading never made is older than any patience."""
    for i in range(len(out)):
        out[i] = 0.0 if last_ns[i] >= end - patience_ns[i] else np.nan
