"""One beat of every cell: energy and charge on source times, and the anode-effect machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.anode_effect import NONE, emit, look, quiet, read, stand
from analytics.kernel import kernel

ENERGY, CHARGE, KNOWN, VOLTAGE_KNOWN, QUIET_ENERGY, QUIET_CHARGE = range(6)
"""Rows of a cell's sums: ∫V·I dt [kJ] and ∫I dt [kA·s] while both are known, that time [s], the
time in which the voltage is known [s], and the first two again without the time above v_on."""
CELL_SUMS = 6


@kernel
def integrate(
    start: int,
    end: int,
    voltage_tag: NDArray[np.int32],
    current_tag: NDArray[np.int32],
    v_on: NDArray[np.float64],
    hold_ns: NDArray[np.int64],
    held_times: NDArray[np.int64],
    held_values: NDArray[np.float64],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """∫V·I dt of each cell over [start, end), both as steps on their own source times.

    voltage_tag, current_tag: int32[cells], columns, -1 for none. v_on: float64[cells] V.
    Writes sums[CELL_SUMS, cells]. Slow twin: tests/analytics/test_kernels.py.
    """
    for cell in range(len(voltage_tag)):
        energy = charge = quiet_energy = quiet_charge = 0.0
        both = voltage_known = 0
        v_tag = voltage_tag[cell]
        i_tag = current_tag[cell]
        volt = np.nan
        volt_until = start
        v_row = v_stop = 0
        if v_tag >= 0:
            volt = held_values[v_tag]
            volt_until = held_times[v_tag] + hold_ns[v_tag]
            v_row = offsets[v_tag]
            v_stop = offsets[v_tag + 1]
        amp = np.nan
        amp_until = start
        i_row = i_stop = 0
        if i_tag >= 0:
            amp = held_values[i_tag]
            amp_until = held_times[i_tag] + hold_ns[i_tag]
            i_row = offsets[i_tag]
            i_stop = offsets[i_tag + 1]
        now = start
        while now < end:
            if v_row < v_stop and times[v_row] == now:
                volt = values[v_row]
                volt_until = now + hold_ns[v_tag]
                v_row += 1
            if i_row < i_stop and times[i_row] == now:
                amp = values[i_row]
                amp_until = now + hold_ns[i_tag]
                i_row += 1
            until = end
            if v_row < v_stop:
                until = min(until, times[v_row])
            if i_row < i_stop:
                until = min(until, times[i_row])
            knows_volt = volt == volt and volt_until > now
            knows_amp = amp == amp and amp_until > now
            if knows_volt:
                until = min(until, volt_until)
            if knows_amp:
                until = min(until, amp_until)
            length = until - now
            if knows_volt:
                voltage_known += length
                if knows_amp:
                    coulomb = amp * (length / 1e9)
                    both += length
                    charge += coulomb
                    energy += volt * coulomb
                    if volt <= v_on[cell]:
                        quiet_charge += coulomb
                        quiet_energy += volt * coulomb
            now = until
        sums[ENERGY, cell] = energy
        sums[CHARGE, cell] = charge
        sums[KNOWN, cell] = both / 1e9
        sums[VOLTAGE_KNOWN, cell] = voltage_known / 1e9
        sums[QUIET_ENERGY, cell] = quiet_energy
        sums[QUIET_CHARGE, cell] = quiet_charge


@kernel
def watch(
    end: int,
    voltage_tag: NDArray[np.int32],
    target: NDArray[np.float64],
    offsets: NDArray[np.int64],
    times: NDArray[np.int64],
    values: NDArray[np.float64],
    rules: Any,
    windows: NDArray[np.int64],
    machines: Any,
    closed_above: NDArray[np.int64],
    above_s: NDArray[np.float64],
    overvoltage: NDArray[np.float64],
    active: NDArray[np.float64],
    elapsed_s: NDArray[np.float64],
    out: Any,
    written: NDArray[np.int64],
) -> None:
    """Take each cell's readings of the beat that ends at `end` into its anode-effect machine.

    target: float64[cells] V. windows: int64[4], their starts. Updates machines[cells] and
    closed_above[cells, 4] ns; writes above_s[4, cells] (time above the threshold in anode effects,
    the one in progress included), overvoltage[2, cells] V·s since midnight (positive, algebraic),
    active[cells] 0/1 (NaN: voltage unknown), elapsed_s[cells]; and
    the anode effects that changed, with the spikes, to out[: written[0]].
    """
    for cell in range(len(voltage_tag)):
        m = machines[cell]
        rule = rules[cell]
        above = closed_above[cell]
        tag = voltage_tag[cell]
        if tag >= 0:
            for row in range(offsets[tag], offsets[tag + 1]):
                volt = values[row]
                if quiet(m, rule) and volt <= rule.v_on:
                    stand(m, times[row], volt, target[cell])
                elif volt == volt:
                    read(
                        m, rule, cell, times[row], volt, target[cell], windows, above, out, written
                    )
        if not quiet(m, rule):
            look(m, rule, cell, end, windows, above, out, written)
        if m.changed:
            emit(m, rule, cell, end, out, written)
        for w in range(4):
            above_s[w, cell] = above[w] / 1e9
        overvoltage[0, cell] = m.positive
        overvoltage[1, cell] = m.algebraic
        known = m.last != NONE and end - m.last <= rule.interval + rule.hold
        active[cell] = 0.0 if known else np.nan
        elapsed_s[cell] = active[cell]
        if m.confirmed:
            until = max(m.settled, min(end, m.last + rule.interval))
            for w in range(4):
                above_s[w, cell] += max(0, until - max(m.run_start, windows[w])) / 1e9
            over = (m.value - m.target) * max(0, until - max(m.settled, windows[3])) / 1e9
            overvoltage[0, cell] += max(over, 0.0)
            overvoltage[1, cell] += over
            active[cell] = 1.0
            elapsed_s[cell] = (end - m.event_start) / 1e9
