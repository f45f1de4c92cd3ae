"""The beats of a frame for all cells: energy and charge, the anode-effect machine, noise, slope,
low voltage, feed, beam and taps.

Beat by beat, so that a frame of many gives the bits of as many frames of one. Within a beat first
each cell's readings are looked up; then what nearly every cell has, one reading or none on a known
current, is computed for a line at once, a short loop a term; last come, one by one, the cells that
differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.beat.anode_effect import NONE
from analytics.beat.cell_beats import accumulate, compute, judge, put, remember, track
from analytics.beat.cell_events import end_block, end_mean, look_closer
from analytics.beat.cell_readings import find
from analytics.beat.cell_state import (
    BOTH_NS,
    CHARGE,
    DIFFERS,
    EFFECT,
    ELAPSED,
    ENERGY,
    L_CURRENT,
    L_CURRENT_KNOWN,
    L_MEASURED,
    L_MEASURED_KNOWN,
    L_SQUARE,
    LOW,
    MEAN,
    NORMAL,
    QUICK,
    QUIET_CHARGE,
    QUIET_ENERGY,
    ROW,
    ROW_BEFORE,
    SPARE,
    SPECIAL,
    TARGET_V,
    TOP,
    UNTIL,
    VOLT,
    VOLT_NS,
)
from analytics.beat.charge import integrate, tabulate
from analytics.beat.early_warning import observe
from analytics.beat.operations import BEAM_MM, MODE, TAPPED_KG, dwell, feed, operate
from analytics.kernel import bare_part, inlined


@bare_part
def step_cells(
    first_line: int,
    last_line: int,
    start: int,
    beat_ns: int,
    beats: int,
    first_cell: NDArray[np.int64],
    line_current: NDArray[np.int32],
    line_voltage: NDArray[np.int32],
    line: Any,
    cells: Any,
    rules: Any,
    tags: NDArray[np.int32],
    patience_ns: NDArray[np.int64],
    target_energy: NDArray[np.float64],
    r: Any,
    table: Any,
    windows: NDArray[np.int64],
    noise_slots: NDArray[np.int64],
    slope_slots: NDArray[np.int64],
    state: Any,
    lines: Any,
    warning: Any,
    work: NDArray[np.float64],
    work_ns: NDArray[np.int64],
    currents: NDArray[np.float64],
    rows: NDArray[np.int64],
    figures: NDArray[np.float64],
    out: Any,
    written: NDArray[np.int64],
) -> None:
    """Take the frame's beats of the lines [first_line, last_line) into the state.

    first_cell: int64[lines + 1]. line_current, line_voltage: columns of the current, and of the
    voltage over the whole line, -1 for none. line: LinePlant, cells: CELL[n], rules: RULE[n], alike
    within a line but for the interval; tags: int32[n], columns of the voltage; patience_ns:
    int64[n], how old its last reading may be; target_energy: float64[n], kJ/(kA·s) at the target
    kWh/t. r: Readings, table: Charges, to work in, windows: int64[4], their starts; noise_slots,
    slope_slots: int64[beats], where the block or mean that ends with the beat goes, -1 for none.
    state: CellState, lines: LineState, warning: Watched. work: float64[WORK, cells of a line],
    work_ns: int64[WORK_NS, the same], to work in: column i is the line's i-th cell.

    Writes of the last beat currents[lines], the mean, and figures[rows[k]], k as VOLTAGE to LOW;
    and the anode effects that changed, with the spikes, to out[: written[0]].
    Slow twins: tests/analytics.
    """
    for k in range(first_line, last_line):
        tabulate(start, beat_ns, beats, line_current[k], r, table)
        currents[k] = table.mean[beats - 1]
        first, last = first_cell[k], first_cell[k + 1]
        n = last - first
        tag = line_voltage[k]
        l_row, l_stop, l_volt, l_until, l_hold = _standing(start, tag, r)
        specials = 0
        for c in range(first, last):
            specials += _begin(c, c - first, start, beats * beat_ns, cells[c], r, state, work,
                               work_ns)  # fmt: skip
        for b in range(beats):
            begin = start + b * beat_ns
            end = begin + beat_ns
            corner, stop = table.first[b], table.first[b + 1]
            if specials:
                for c in range(first, last):
                    _special(c, c - first, begin, end, cells[c], r, state, work, work_ns)
            if last > first:
                v_on, excess_V = rules[first].v_on, line.low_excess_V[k]
                whole = table.total_ns[b] == beat_ns
                find(first, last, begin, end, whole, tags, r, work, work_ns)
                compute(n, begin, beat_ns, corner, stop, v_on, table, work, work_ns)
                for c in range(first, last):
                    if work[QUICK, c - first] == 0:
                        _integrate(c - first, begin, end, corner, stop, v_on, cells[c].voltage, r,
                                   table, work, work_ns)  # fmt: skip
                differing = judge(first, last, begin, v_on, excess_V, table.mean[b],
                                  line.extrapolated_V[k], line.nominal_kA[k], state,
                                  work)  # fmt: skip
                if differing:
                    for c in range(first, last):
                        if work[DIFFERS, c - first]:
                            look_closer(c, c - first, begin, end, excess_V, cells[c], rules[c], r,
                                        windows, state, work, work_ns, out, written)  # fmt: skip
                            _remember(c, c - first, r, state, work, work_ns)
                accumulate(k, first, last, target_energy, state, lines, work, work_ns)
                track(first, last, state, work)
                remember(first, last, begin, state, work, work_ns)
                observe(first, last, specials + differing > 0, work[NORMAL, :n],
                        work[TARGET_V, :n], work[TOP, :n], v_on, state.told[MODE, first:last],
                        state.told[BEAM_MM, first:last], state.told[TAPPED_KG, first:last],
                        warning.means, warning.noise, warning.sums, warning.held)  # fmt: skip
                if noise_slots[b] >= 0:
                    end_block(first, last, beat_ns, noise_slots[b], cells, state, work[SPARE:])
                if slope_slots[b] >= 0:
                    for c in range(first, last):
                        end_mean(c, beat_ns, slope_slots[b], state)
            lines.sums[L_CURRENT, 0, k] += table.total[b]
            lines.sums[L_SQUARE, 0, k] += table.square[b]
            lines.ns[L_CURRENT_KNOWN, 0, k] += table.total_ns[b]
            energy, _, both, _, _, _, _, _, l_row, l_volt, l_until = integrate(
                begin, end, l_volt, l_until, l_hold, l_row, l_stop, r, np.inf, corner, stop, table
            )
            lines.sums[L_MEASURED, 0, k] += energy
            lines.ns[L_MEASURED_KNOWN, 0, k] += both
        end = start + beats * beat_ns
        put(first, last, end, line.extrapolated_V[k], line.nominal_kA[k], patience_ns, state, work,
            work_ns, rows, figures)  # fmt: skip
        for c in range(first, last):
            if work[DIFFERS, c - first]:
                _put_event(c, end, cells[c].low_ns, state, rows, figures)


@inlined
def _standing(start: int, tag: int, r: Any) -> Any:
    """Where a tag's readings begin: row, stop, value, until when it stands, hold."""
    if tag < 0:
        return 0, 0, np.nan, start, 0
    hold = r.hold_ns[tag]
    return r.offsets[tag], r.offsets[tag + 1], r.held_values[tag], r.held_times[tag] + hold, hold


@inlined
def _steady(start: int, end: int, tag: int, r: Any) -> bool:
    """Neither a reading nor an end of what stands in [start, end)."""
    if tag < 0:
        return True
    until = r.held_times[tag] + r.hold_ns[tag]
    none: bool = r.offsets[tag] == r.offsets[tag + 1]
    return none and (until >= end or until <= start)


@inlined
def _begin(
    c: int, i: int, start: int, length: int, p: Any, r: Any, state: Any, work: Any, ns: Any
) -> int:
    """The cell at the start of the frame. -> 1 when the frame holds more than its voltage"""
    end = start + length
    row, _, volt, until, _ = _standing(start, p.voltage, r)
    ns[ROW, i], ns[UNTIL, i] = row, until
    work[VOLT, i] = volt
    special = not (_steady(start, end, p.target, r) and _steady(start, end, p.mode, r))
    for tag in (p.fed, p.beam, p.tapped):
        special = special or (tag >= 0 and r.offsets[tag + 1] > r.offsets[tag])
    ns[SPECIAL, i] = special
    target = np.nan
    if p.target >= 0 and r.held_times[p.target] + r.hold_ns[p.target] > start:
        target = r.held_values[p.target]
    work[TARGET_V, i] = target if target == target else p.target_V
    if p.mode >= 0 and not special:
        feed(c, start, end, p.mode, r, state.told, state.clocks, state.today)
    return 1 if special else 0


@inlined
def _special(
    c: int, i: int, begin: int, end: int, p: Any, r: Any, state: Any, work: Any, ns: Any
) -> None:
    """The beat of the other tags of a cell whose frame holds readings of them."""
    if ns[SPECIAL, i]:
        operate(c, p, begin, end, r, state.told, state.clocks, state.today, state.kg)
        if p.mode >= 0:
            feed(c, begin, end, p.mode, r, state.told, state.clocks, state.today)
        target = dwell(begin, end, p.target, r) if p.target >= 0 else np.nan
        work[TARGET_V, i] = target if target == target else p.target_V


@inlined
def _integrate(
    i: int,
    begin: int,
    end: int,
    corner: int,
    stop: int,
    v_on: float,
    tag: int,
    r: Any,
    table: Any,
    work: Any,
    ns: Any,
) -> None:
    """The beat of a cell that is not QUICK."""
    last_row, hold = 0, 0
    if tag >= 0:
        last_row, hold = r.offsets[tag + 1], r.hold_ns[tag]
    energy, charge, both, volt_ns, quiet_energy, quiet_charge, mean, top, row, volt, until = (
        integrate(
            begin, end, work[VOLT, i], ns[UNTIL, i], hold, ns[ROW, i], last_row, r, v_on,
            corner, stop, table,
        )
    )  # fmt: skip
    work[ENERGY, i], work[CHARGE, i] = energy, charge
    work[QUIET_ENERGY, i], work[QUIET_CHARGE, i] = quiet_energy, quiet_charge
    work[MEAN, i], work[TOP, i], work[VOLT, i] = mean, top, volt
    ns[BOTH_NS, i], ns[VOLT_NS, i], ns[ROW, i], ns[UNTIL, i] = both, volt_ns, row, until


@inlined
def _remember(c: int, i: int, r: Any, state: Any, work: Any, ns: Any) -> None:
    """The newest good reading of the beat."""
    k = ns[ROW, i] - 1
    while k >= ns[ROW_BEFORE, i] and r.values[k] != r.values[k]:
        k -= 1
    if k >= ns[ROW_BEFORE, i]:
        state.last_ns[c] = r.times[k]
        state.last[0, c], state.last[1, c] = r.values[k], work[TARGET_V, i]


@inlined
def _put_event(c: int, end: int, low_ns: int, state: Any, rows: Any, figures: Any) -> None:
    """The figures of a cell in an anode effect, or whose voltage has been high for long."""
    since = state.low_start[c]
    known = figures[rows[LOW], c] == 0
    if known and since != NONE and end - since >= low_ns:
        figures[rows[LOW], c] = 1.0
    m = state.machines[c]
    if m.confirmed:
        figures[rows[EFFECT], c] = 1.0
        figures[rows[ELAPSED], c] = (end - m.event_start) / 1e9
