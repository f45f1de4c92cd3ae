"""The beat of a line's cells, a short loop a term: each runs at the speed of the processor's
vectors."""

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
    first: int,
    last: int,
    begin: int,
    beat_ns: int,
    corner: int,
    stop: int,
    v_on: float,
    table: Any,
    work: Any,
    ns: Any,
) -> None:
    """The beat of every QUICK cell of a line; what it leaves for others is written over."""
    n = last - first
    x, q1, v1, v2 = (
        work[X, :n], work[Q1, :n], work[V1, :n], work[V2, :n]
    )  # fmt: skip
    end = stop - 1
    charge = table.charge[end] + table.amp[end] * ((begin + beat_ns - table.at[end]) / 1e9)
    _line_charge(x, 0.0, table.amp[corner], -1.0, q1)
    for k in range(corner + 1, stop):
        _line_charge(x, table.charge[k], table.amp[k], float(table.at[k] - begin), q1)
    _energy(v1, v2, q1, charge, np.inf, work[ENERGY, :n])
    work[CHARGE, :n] = charge
    ns[BOTH_NS, :n] = beat_ns
    ns[VOLT_NS, :n] = beat_ns
    _energy(v1, v2, q1, charge, v_on, work[QUIET_ENERGY, :n])
    _charge(v1, v2, q1, charge, v_on, work[QUIET_CHARGE, :n])
    _mean(v1, v2, x, float(beat_ns), work[MEAN, :n])
    _top(v1, v2, work[TOP, :n])


@part
def _line_charge(x: Any, charge: float, amp: float, at: float, out: Any) -> None:
    """The line's charge up to x, where x lies behind the corner `at`; before the first nothing."""
    origin = max(at, 0.0)
    for i in range(len(out)):
        out[i] = charge + amp * ((x[i] - origin) * 1e-9) if x[i] >= at else out[i]


@part
def _energy(v1: Any, v2: Any, q1: Any, charge: float, v_on: float, out: Any) -> None:
    """Of a voltage step, without what is above v_on."""
    for i in range(len(out)):
        one = v1[i] * q1[i] if v1[i] <= v_on else 0.0
        two = v2[i] * (charge - q1[i]) if v2[i] <= v_on else 0.0
        out[i] = one + two


@part
def _charge(v1: Any, v2: Any, q1: Any, charge: float, v_on: float, out: Any) -> None:
    for i in range(len(out)):
        one = q1[i] if v1[i] <= v_on else 0.0
        two = charge - q1[i] if v2[i] <= v_on else 0.0
        out[i] = one + two


@part
def _mean(v1: Any, v2: Any, x: Any, length: float, out: Any) -> None:
    for i in range(len(out)):
        out[i] = v1[i] + (v2[i] - v1[i]) * ((length - x[i]) / length)


@part
def _top(v1: Any, v2: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = max(v1[i], v2[i])


@part
def normalise(
    first: int,
    last: int,
    begin: int,
    v_on: float,
    amps: float,
    zero: float,
    nominal: float,
    state: Any,
    work: Any,
) -> None:
    """Normalised voltage of the beat, and whether it is left out of noise and slope."""
    n = last - first
    per_volt = nominal / amps if amps > LEAST_CURRENT * nominal else np.nan
    mean, normal = work[MEAN, :n], work[NORMAL, :n]
    for i in range(len(mean)):
        normal[i] = zero + (mean[i] - zero) * per_volt
    tap, beam = state.clocks[TAP, first:last], state.clocks[BEAM, first:last]
    top, out = work[TOP, :n], work[OUT, :n]
    tapped, moved = begin - TAP_QUIET_NS, begin - BEAM_QUIET_NS
    for i in range(len(out)):
        out[i] = 1.0 if tap[i] > tapped or beam[i] > moved or top[i] > v_on else 0.0


@part
def accumulate(
    k: int,
    first: int,
    last: int,
    beat_ns: int,
    target_energy: Any,
    state: Any,
    lines: Any,
    work: Any,
    ns: Any,
) -> None:
    """Add the beat of a line's cells to the minute, and to the open blocks of noise and slope."""
    n = last - first
    for row in (ENERGY, CHARGE, QUIET_ENERGY, QUIET_CHARGE):
        _add(work[row, :n], state.sums[row, 0, first:last])
    _add_product(work[TARGET_V, :n], ns[VOLT_NS, :n],
                 state.sums[TARGET, 0, first:last])  # fmt: skip
    _add(ns[BOTH_NS, :n], state.ns[KNOWN, 0, first:last])
    _add(ns[VOLT_NS, :n], state.ns[VOLTAGE_KNOWN, 0, first:last])

    energy = charge = quiet = target = 0.0
    both = listened = 0
    energies, charges = work[ENERGY, :n], work[CHARGE, :n]
    quiets, allowed = work[QUIET_ENERGY, :n], work[QUIET_CHARGE, :n]
    wanted = target_energy[first:last]
    for i in range(len(wanted)):  # four sums that do not wait for each other
        energy += energies[i]
        charge += charges[i]
        quiet += quiets[i]
        target += wanted[i] * allowed[i]
    both_ns, volt_ns = ns[BOTH_NS, :n], ns[VOLT_NS, :n]
    for i in range(len(wanted)):
        both += both_ns[i]
        listened += volt_ns[i]
    lines.sums[L_ENERGY, 0, k] += energy
    lines.sums[L_CHARGE, 0, k] += charge
    lines.sums[L_QUIET_ENERGY, 0, k] += quiet
    lines.sums[L_TARGET_ENERGY, 0, k] += target
    lines.ns[L_KNOWN, 0, k] += both
    lines.ns[L_VOLTAGE_KNOWN, 0, k] += listened

    y, tracks = work[SPARE, :n], state.tracks
    _counting(work[NORMAL, :n], work[OUT, :n], y)
    for reference, beats in ((0, 3), (4, 6)):
        _refer(y, tracks[beats, first:last], tracks[reference, first:last])
        _track(y, tracks[reference, first:last], tracks[reference + 1, first:last])
        _track_beats(y, tracks[beats, first:last])
    _track_squares(y, tracks[0, first:last], tracks[2, first:last])


@part
def _add(a: Any, sums: Any) -> None:
    for i in range(len(a)):
        sums[i] += a[i]


@part
def _add_product(volts: Any, ns: Any, sums: Any) -> None:
    for i in range(len(volts)):
        sums[i] += volts[i] * (ns[i] * 1e-9)


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
def notice(first: int, last: int, v_on: float, excess_V: float, state: Any, work: Any) -> None:
    """Mark the cells that must be looked at one by one."""
    n = last - first
    awake, since = state.awake[first:last], state.low_start[first:last]
    top, target = work[TOP, :n], work[TARGET_V, :n]
    differs = work[DIFFERS, :n]
    for i in range(len(differs)):
        differs[i] = awake[i] if top[i] <= v_on else 1.0
    for i in range(len(differs)):
        differs[i] = differs[i] if top[i] <= target[i] + excess_V else 1.0
    quick = work[QUICK, :n]
    for i in range(len(differs)):
        differs[i] = differs[i] if quick[i] == 1 and since[i] == NONE else 1.0


@part
def remember(first: int, last: int, begin: int, state: Any, work: Any, ns: Any) -> None:
    """The newest reading of the beat of every QUICK cell."""
    n = last - first
    quick, x, v2 = work[QUICK, :n], work[X, :n], work[V2, :n]
    row, before = ns[ROW, :n], ns[ROW_BEFORE, :n]
    last_ns = state.last_ns[first:last]
    for i in range(len(quick)):
        read = quick[i] == 1 and row[i] != before[i]
        last_ns[i] = begin + np.int64(x[i]) if read else last_ns[i]
    _replace(quick, row, before, v2, state.last[0, first:last])
    _replace(quick, row, before, work[TARGET_V, :n], state.last[1, first:last])


@part
def _replace(quick: Any, row: Any, before: Any, value: Any, out: Any) -> None:
    for i in range(len(out)):
        out[i] = value[i] if quick[i] == 1 and row[i] != before[i] else out[i]


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
